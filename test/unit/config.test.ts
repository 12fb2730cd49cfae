import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {type Config, ConfigError} from '../../supervisor/config/config.ts';
import {loadConfig} from '../../supervisor/config/load.ts';
import {findStatusFile} from '../../supervisor/config/locate.ts';
import {configJsonSchema} from '../../supervisor/config/schema.ts';
import {HOUR, MINUTE, SECOND} from './fixtures.ts';

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'config-'));
	file = path.join(folder, 'config.yaml');
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

function write(text: string, mode = 0o600): void {
	writeFileSync(file, text);
	chmodSync(file, mode);
}

function load(text: string, environment: NodeJS.ProcessEnv = {}): Config {
	write(text);
	return loadConfig({config: file, environment});
}

/** What is said of a configuration that cannot be used, with the file's name left out. */
function problemsIn(text: string, environment: NodeJS.ProcessEnv = {}): string[] {
	try {
		load(text, environment);
	} catch (error) {
		expect(error).toBeInstanceOf(ConfigError);
		return (error as Error).message.split('\n').map(line => line.replace(file, 'FILE'));
	}
	return [];
}

describe('a configuration that says nothing', () => {
	it('has the defaults that are promised', () => {
		const {path: _, statusFile: __, warnings, ...config} = load('');
		expect(config).toEqual({
			metricsFile: null,
			auditFile: null,
			auditFailure: 'continue',
			logFile: null,
			logFormat: 'auto',
			deadline: 8 * HOUR,
			fastDeadline: 10 * MINUTE,
			fastInterval: SECOND,
			slowInterval: 30 * SECOND,
			fastReentryPolls: 5,
			fastReentryInterval: SECOND,
			runTimeout: 10 * SECOND,
			maxApprovals: 8,
			maxConcurrentCalls: 'auto',
			heartbeatTimeout: 20 * SECOND,
			stopTimeout: 10 * SECOND,
			workerMemory: 192 * 2 ** 20,
			restart: {minDelay: 100, maxDelay: 30 * SECOND, stableAfter: MINUTE},
			openclaw: 'openclaw',
			controlGroup: null,
			policy: {
				clients: [{id: 'openclaw-control-ui'}, {mode: 'webchat'}, {mode: 'cli'}],
				scopes: ['operator.pairing', 'operator.read', 'operator.write'],
				roles: ['operator'],
				firstPairing: 'allow',
				onRefused: 'hold',
				refusalHold: MINUTE,
			},
			discover: [],
			sandboxes: [],
		});
		expect(warnings).toEqual(['no sandboxes are configured, so there is nothing to watch']);
	});

	it('watches a sandbox that has only a name, and strips the gateway URL for its approvals', () => {
		const {sandboxes, policy, warnings} = load('sandboxes: [{name: alpha}]');
		expect(sandboxes).toEqual([
			expect.objectContaining({
				name: 'alpha',
				enabled: true,
				target: {exec: [], env: {}, envFile: null, approveUnset: ['OPENCLAW_GATEWAY_URL']},
				policy,
			}),
		]);
		expect(warnings).toEqual([]);
	});

	it('may be YAML or JSON', () => {
		expect(load('{"deadline": "1h", "sandboxes": [{"name": "alpha"}]}').deadline).toBe(HOUR);
	});
});

const example = `
statusFile: /run/pairkeeper/status.json
metricsFile: null
auditFile: null
auditFailure: continue
logFile: null
logFormat: auto
deadline: 8h
fastDeadline: 10m
fastInterval: 1s
slowInterval: 30s
fastReentryPolls: 5
fastReentryInterval: 1s
runTimeout: 10s
maxApprovals: 8
maxConcurrentCalls: auto
heartbeatTimeout: 20s
stopTimeout: 10s
workerMemory: 192M
restart: {minDelay: 100ms, maxDelay: 30s, stableAfter: 60s}
openclaw: openclaw
policy:
  clients:
    - {id: openclaw-control-ui}
    - {mode: webchat}
    - {mode: cli, scopes: [operator.read]}
  scopes: [operator.pairing, operator.read, operator.write]
  roles: [operator]
  firstPairing: allow
  onRefused: hold
  refusalHold: 60s
discover: []
sandboxes:
  - name: alpha
    enabled: true
    exec: [openshell, sandbox, exec, --name, alpha, --]
    env: {OPENCLAW_STATE_DIR: /sandbox/.openclaw}
    envFile: /tmp/nemoclaw-proxy-env.sh
    approveUnset: [OPENCLAW_GATEWAY_URL]
    transport: auto
    policy: {scopes: [operator.read]}
`;

describe('the example of the reference', () => {
	it('is accepted, and a policy of its own replaces only what it names', () => {
		const {sandboxes, policy} = load(example);
		expect(sandboxes[0]?.policy).toEqual({...policy, scopes: ['operator.read']});
		expect(sandboxes[0]?.target.env).toEqual({OPENCLAW_STATE_DIR: '/sandbox/.openclaw'});
	});

	it('has no key that the JSON Schema does not know, and the schema no key without a place', () => {
		const schema = configJsonSchema() as {properties: Record<string, object>; additionalProperties: boolean};
		expect(schema.additionalProperties).toBe(false);
		const keys = [...example.matchAll(/^([a-zA-Z]+):/gm)].map(([, key]) => key);
		expect(Object.keys(schema.properties).toSorted()).toEqual([...keys, 'controlGroup'].toSorted());
		const sandboxKeys = ['name', 'enabled', 'exec', 'env', 'envFile', 'approveUnset', 'gateway', 'transport', 'policy'];
		expect(schema).toMatchObject({
			properties: {
				sandboxes: {
					items: {additionalProperties: false, properties: Object.fromEntries(sandboxKeys.map(key => [key, {}]))},
				},
			},
		});
	});

	it('needs nothing that has a default', () => {
		const schema = configJsonSchema() as {required?: string[]; properties: {sandboxes: {items: {required: string[]}}}};
		expect(schema.required ?? []).toEqual([]);
		expect(schema.properties.sandboxes.items.required).toEqual(['name']);
	});
});

describe('a mistake is named with file, line and key', () => {
	it.each([
		['deadlin: 8h', 'FILE:1: deadlin: is not a key pairkeeper knows; is it misspelt, or indented wrongly?'],
		[
			'sandboxes:\n  - name: a\n    exce: [x]',
			'FILE:3: sandboxes[0].exce: is not a key pairkeeper knows; is it misspelt, or indented wrongly?',
		],
		[
			'policy:\n  scope: []',
			'FILE:2: policy.scope: is not a key pairkeeper knows; is it misspelt, or indented wrongly?',
		],
		['__proto__: 1', 'FILE:1: __proto__: is not a key pairkeeper knows; is it misspelt, or indented wrongly?'],
		[
			'\nrunTimeout: soon',
			'FILE:2: runTimeout: "soon" is no duration; write seconds (30) or a string such as 500ms, 30s, 10m or 8h',
		],
		['fastInterval: 0', 'FILE:1: fastInterval: must be between 0.01 s and 2147483 s, not 0 s'],
		['slowInterval: 90d', 'FILE:1: slowInterval: must be between 0.01 s and 2147483 s, not 7776000 s'],
		['maxConcurrentCalls: 0', 'FILE:1: maxConcurrentCalls: Too small: expected number to be >=1'],
		['maxConcurrentCalls: all', 'FILE:1: maxConcurrentCalls: must be a whole number from 1, or auto'],
		['workerMemory: lots', 'FILE:1: workerMemory: "lots" is no size; write bytes or a string such as 192M or 1G'],
		['statusFile: status.json', 'FILE:1: statusFile: must be an absolute path'],
		['metricsFile: /x', 'FILE:1: metricsFile: is not available yet in this version of pairkeeper; remove the key'],
		['auditFailure: stop', 'FILE:1: auditFailure: is not available yet in this version of pairkeeper; remove the key'],
		['discover:\n  - nemoclaw', 'FILE:1: discover: is not available yet in this version of pairkeeper; remove the key'],
		['restart: {minDelay: 2s, maxDelay: 1s}', 'FILE:1: restart: minDelay must not be longer than maxDelay'],
		['policy:\n  clients:\n    - {scopes: []}', 'FILE:3: policy.clients[0]: must name an id, a mode, or both'],
		[
			'sandboxes:\n  - {name: Alpha}',
			'FILE:2: sandboxes[0].name: must be 1 to 63 lower-case letters, digits and hyphens, and begin and end with a letter or digit',
		],
		[
			'sandboxes:\n  - name: a\n    env:\n      A-B: x',
			'FILE:4: sandboxes[0].env.A-B: is not the name of an environment variable',
		],
		[
			'sandboxes:\n  - name: a\n    env: {A: "x\\ny"}',
			'FILE:3: sandboxes[0].env.A: must not hold a NUL or a line break',
		],
		['sandboxes:\n  - name: a\n    exec: [""]', 'FILE:3: sandboxes[0].exec[0]: must not be empty'],
		[
			'sandboxes:\n  - name: a\n    policy:\n      scopes: [operator.admin]',
			"FILE:4: sandboxes[0].policy.scopes: operator.admin is not in the default policy's scopes; a sandbox's policy can only narrow the default",
		],
		[
			'sandboxes:\n  - name: a\n    exec: [x]\n    env: {MY_TOKEN: x}',
			'FILE:4: sandboxes[0].env.MY_TOKEN: would show in the process table; set it inside the sandbox, in the file that envFile names',
		],
		[
			'sandboxes:\n  - {name: a, exec: [x]}\n  - {name: a, exec: [y]}',
			'FILE:3: sandboxes[1].name: a is the name of sandboxes[0] already',
		],
		[
			'sandboxes:\n  - {name: a, exec: [x]}\n  - {name: b, exec: [x]}',
			'FILE:3: sandboxes[1]: b reaches the same gateway as a (exec x); give each its own, or remove one',
		],
		['[]', 'FILE:1: must be a map of keys, such as sandboxes: […]'],
		['just text', 'FILE:1: must be a map of keys, such as sandboxes: […]'],
	])('%j', (text, problem) => {
		expect(problemsIn(text)).toEqual([problem]);
	});

	it.each(['deadline: 8h\ndeadline: 9h', 'a: [', 'a: {b: c', '\tdeadline: 8h', 'deadline: *nowhere'])(
		'even where it is no YAML: %j',
		text => {
			const problems = problemsIn(text);
			expect(problems[0]).toMatch(/^FILE:\d+: /);
		},
	);

	it('and so is each of several', () => {
		expect(problemsIn('deadlin: 1\nrunTimeout: x\nsandboxes:\n  - {name: A}').map(line => line.split(' ')[0])).toEqual(
			expect.arrayContaining(['FILE:1:', 'FILE:2:', 'FILE:4:']),
		);
	});

	it('unless a tower of aliases is built, which is refused in good time', () => {
		const tower = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
		for (let level = 1; level < 10; level++) {
			const before = `*a${level - 1}`;
			tower.push(`a${level}: &a${level} [${Array(10).fill(before).join(', ')}]`);
		}
		expect(problemsIn(tower.join('\n')).length).toBeGreaterThan(0);
	});
});

describe('two sandboxes reach the same gateway', () => {
	const clashes = (one: string, other: string, environment: NodeJS.ProcessEnv = {}) =>
		problemsIn(`sandboxes:\n  - {name: a, ${one}}\n  - {name: b, ${other}}`, environment).length > 0;

	it.each([
		['enabled: true', 'enabled: true'],
		['env: {OPENCLAW_STATE_DIR: /a}', 'env: {OPENCLAW_STATE_DIR: /a, OTHER: x}'],
		['env: {OPENCLAW_STATE_DIR: /a, HOME: /x}', 'env: {OPENCLAW_STATE_DIR: /a, HOME: /y}'],
		['exec: [x, "1"]', 'exec: [x, "1"], envFile: /f'],
		['env: {OPENCLAW_GATEWAY_URL: "ws://h:1"}', 'env: {OPENCLAW_GATEWAY_URL: "ws://h:1", OPENCLAW_STATE_DIR: /b}'],
	])('with %s and %s', (one, other) => {
		expect(clashes(one, other)).toBe(true);
	});

	const through = (url: string) => `transport: gateway, gateway: {url: "${url}", tokenCommand: [x]}`;
	it.each([
		['ws://127.0.0.1:7', 'ws://127.0.0.1:7/'],
		['ws://127.0.0.1:7', 'ws://localhost:7'],
		['ws://[::1]:7', 'ws://localhost:7'],
		['wss://host.example', 'wss://HOST.example:443'],
	])('by %s and %s', (one, other) => {
		expect(clashes(through(one), through(other))).toBe(true);
	});

	it.each([
		['ws://127.0.0.1:7', 'ws://127.0.0.1:8'],
		['ws://127.0.0.1:7', 'ws://127.0.0.2:7'],
		['wss://host.example/a', 'wss://host.example/b'],
	])('not by %s and %s', (one, other) => {
		expect(clashes(through(one), through(other))).toBe(false);
	});

	it.each([
		['exec: [x, "1"]', 'exec: [x, "2"]'],
		['exec: [x, "1 2"]', 'exec: [x, "1", "2"]'],
		['env: {OPENCLAW_STATE_DIR: /a}', 'env: {OPENCLAW_STATE_DIR: /b}'],
		['env: {HOME: /a}', 'env: {HOME: /b}'],
		['env: {OPENCLAW_GATEWAY_PORT: 1}', 'env: {OPENCLAW_GATEWAY_PORT: 2}'],
		['enabled: true', 'enabled: false'],
	])('not with %s and %s', (one, other) => {
		expect(clashes(one, other)).toBe(false);
	});
});

describe('the environment', () => {
	it('overrides the file', () => {
		const config = load('deadline: 1h\nopenclaw: file', {
			NEMOCLAW_AUTO_PAIR_DEADLINE_SECS: '28800',
			NEMOCLAW_AUTO_PAIR_FAST_DEADLINE_SECS: '0.5',
			NEMOCLAW_AUTO_PAIR_SLOW_INTERVAL_SECS: '15',
			NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS: '2.5',
			NEMOCLAW_AUTO_PAIR_FAST_REENTRY_INTERVAL_SECS: '3',
			NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: '0',
			OPENCLAW_BIN: '/opt/openclaw',
		});
		expect(config).toMatchObject({
			deadline: 28_800_000,
			fastDeadline: 500,
			slowInterval: 15_000,
			runTimeout: 2500,
			fastReentryInterval: 3000,
			fastReentryPolls: 0,
			openclaw: '/opt/openclaw',
		});
	});

	it('that is empty overrides nothing', () => {
		const empty = {NEMOCLAW_AUTO_PAIR_DEADLINE_SECS: '', NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: '', OPENCLAW_BIN: ''};
		expect(load('deadline: 1h', empty)).toMatchObject({deadline: HOUR, fastReentryPolls: 5, openclaw: 'openclaw'});
	});

	it.each([' ', '1h', '-1', '1e3', 'NaN', 'Infinity', '0x10', '1,5', '.', '5 ', '9'.repeat(400)])(
		'that says %j is blamed by name',
		value => {
			for (const variable of ['NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS', 'NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS']) {
				expect(problemsIn('', {[variable]: value})).toEqual([
					expect.stringContaining(`${variable} in the environment`),
				]);
			}
		},
	);

	it('that gives a fraction of a poll is blamed too', () => {
		expect(problemsIn('', {NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: '1.5'})).toEqual([
			'NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS in the environment must be a whole number from 0, not "1.5"',
		]);
	});
});

describe('the deadline', () => {
	it('is never only where that is said', () => {
		expect(load('deadline: never').deadline).toBeNull();
		for (const value of ['null', '0', '.inf', '.nan', '""', 'Never', 'false']) {
			expect(problemsIn(`deadline: ${value}`)).toHaveLength(1);
		}
	});

	it('may be longer than a timer can wait', () => {
		expect(load('deadline: 100d').deadline).toBe(100 * 24 * HOUR);
	});
});

describe('the file', () => {
	it('is refused when others could write it', () => {
		write('', 0o666);
		expect(() => loadConfig({config: file, environment: {}})).toThrow(/refused, since others could change it/);
	});

	it('is refused when others could replace it', () => {
		write('');
		chmodSync(folder, 0o777);
		expect(() => loadConfig({config: file, environment: {}})).toThrow(/refused, since others could change it/);
	});

	it('that is not there is said to be missing, and how to name another', () => {
		expect(() => loadConfig({config: file, environment: {}})).toThrow(/there is no configuration at .*--config FILE/);
		expect(() => loadConfig({environment: {PAIRKEEPER_CONFIG: file}})).toThrow(file);
	});

	it('that is a directory, or no text, is an error that names it', () => {
		expect(() => loadConfig({config: folder, environment: {}})).toThrow(ConfigError);
		write('\u0000\u0001');
		expect(() => loadConfig({config: file, environment: {}})).toThrow(ConfigError);
	});

	it('is named by --config before the environment', () => {
		write('deadline: 1h');
		expect(loadConfig({config: file, environment: {PAIRKEEPER_CONFIG: '/nowhere'}}).deadline).toBe(HOUR);
		expect(loadConfig({environment: {PAIRKEEPER_CONFIG: file}}).deadline).toBe(HOUR);
	});
});

describe('the status file', () => {
	it('is the one of the command line, else of the configuration', () => {
		write('statusFile: /srv/status.json');
		const source = {config: file, environment: {}};
		expect(loadConfig(source).statusFile).toBe('/srv/status.json');
		expect(loadConfig({...source, statusFile: '/other/status.json'}).statusFile).toBe('/other/status.json');
		expect(findStatusFile(source)).toBe('/srv/status.json');
	});

	it('is found while the configuration is broken', () => {
		write('statusFile: /srv/status.json\nrunTimeout: soon\nnonsense: [');
		expect(findStatusFile({config: file, environment: {}})).toBe('/srv/status.json');
	});
});

it('a scope that is not granted by being listed is warned of', () => {
	expect(load('policy: {scopes: [operator.admin]}\nsandboxes: [{name: a}]').warnings).toEqual([
		expect.stringContaining('policy.scopes names operator.admin'),
	]);
});
