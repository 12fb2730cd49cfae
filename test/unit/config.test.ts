import {describe, expect, it} from 'vitest';
import {configJsonSchema} from '../../supervisor/config/schema.ts';
import {load, problemsIn, useConfigFile} from './config-file.ts';
import {HOUR, MINUTE, SECOND} from './fixtures.ts';

useConfigFile();

describe('a configuration that says nothing', () => {
	it('has the defaults that are promised', () => {
		const {path: _, statusFile: __, ground: ___, warnings, ...config} = load('');
		expect(config).toEqual({
			metricsFile: null,
			auditFile: null,
			auditFailure: 'continue',
			notify: null,
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
			passEnv: [],
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
			listen: null,
			listenHosts: [],
			shard: {index: 1, count: 1},
			elsewhere: [],
			sandboxes: [],
		});
		expect(warnings).toEqual([
			expect.stringMatching(/^nothing is written in .*config\.yaml yet$/),
			expect.stringMatching(/nothing to watch; write for example: sandboxes: \[\{name: alpha, exec: /),
		]);
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
notify: null
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
passEnv: []
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
listen: null
listenHosts: []
shard: 1/1
include: []
defaults: {}
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
		const sandboxKeys = [
			'name',
			'enabled',
			'exec',
			'execInput',
			'env',
			'envFile',
			'approveUnset',
			'gateway',
			'transport',
			'policy',
		];
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

it('a scope that is not granted by being listed is warned of', () => {
	expect(load('policy: {scopes: [operator.admin]}\nsandboxes: [{name: a}]').warnings).toEqual([
		expect.stringContaining('policy.scopes names operator.admin'),
	]);
});
