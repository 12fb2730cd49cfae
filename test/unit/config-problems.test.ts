import {describe, expect, it} from 'vitest';
import {problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();

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
			'FILE:2: runTimeout: "soon" is not a duration; write seconds (30) or a string such as 500ms, 30s, 10m or 8h',
		],
		['fastInterval: 0', 'FILE:1: fastInterval: must be between 0.01 s and 2147483 s, not 0 s'],
		['slowInterval: 90d', 'FILE:1: slowInterval: must be between 0.01 s and 2147483 s, not 7776000 s'],
		['maxConcurrentCalls: 0', 'FILE:1: maxConcurrentCalls: Too small: expected number to be >=1'],
		['maxConcurrentCalls: all', 'FILE:1: maxConcurrentCalls: must be a whole number from 1, or auto'],
		['workerMemory: lots', 'FILE:1: workerMemory: "lots" is not a size; write bytes or a string such as 192M or 1G'],
		[
			'passEnv:\n  - LANG\n  - LD_PRELOAD',
			'FILE:3: passEnv[1]: LD_PRELOAD puts other code into every program that is started',
		],
		[
			'passEnv: [GITHUB_TOKEN]',
			'FILE:1: passEnv[0]: GITHUB_TOKEN looks like a secret; let the program that needs it read it from a file',
		],
		[
			'sandboxes:\n  - name: a\n    gateway: {url: "ws://127.0.0.1:1", tokenCommand: [x], listenerUser: no-such-user}',
			'FILE:3: sandboxes[0].gateway.listenerUser: there is no user no-such-user on this host; name the one that the gateway runs as',
		],
		['passEnv: [A-B]', 'FILE:1: passEnv[0]: is not the name of an environment variable'],
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
		[
			'sandboxes:\n  - name: a\n    gateway: {port: 18789}',
			'FILE:3: sandboxes[0].gateway: must name a url, since there is no exec to reach it by',
		],
		[
			'sandboxes:\n  - name: a\n    execInput: [x]',
			'FILE:3: sandboxes[0].execInput: needs an exec: it stands for that where input is needed',
		],
		[
			'sandboxes:\n  - name: a\n    exec: [x]\n    gateway: {tokenCommand: [y]}',
			'FILE:4: sandboxes[0].gateway: must name a port too: a configured token goes only to a port that is configured as well',
		],
		[
			'sandboxes:\n  - name: a\n    exec: [x]\n    gateway: {port: 0}',
			'FILE:4: sandboxes[0].gateway.port: must be a port, a whole number from 1 to 65535',
		],
		[
			'sandboxes:\n  - name: a\n    exec: [x]\n    gateway: {url: "ws://127.0.0.1:1", port: 1, tokenCommand: [y]}',
			'FILE:4: sandboxes[0].gateway.port: is the port as seen inside the sandbox, and not for a gateway with a url; remove one of them',
		],
		[
			'sandboxes:\n  - name: a\n    gateway: {url: "ws://127.0.0.1:1", tokenFile: /dev/null}',
			'FILE:3: sandboxes[0].gateway.tokenFile: /dev/null is not a regular file',
		],
		[
			'\ncontrolGroup: no-such-group',
			'FILE:2: controlGroup: there is no group no-such-group on this host; create it: groupadd no-such-group',
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
