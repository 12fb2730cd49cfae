import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {describe, expect, it} from 'vitest';
import {folder, problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();

describe('a mistake is named with file, line and key', () => {
	it.each([
		['deadlin: 8h', 'FILE:1: deadlin: is not a key pairkeeper knows here; did you mean deadline?'],
		[
			'sandboxes:\n  - name: a\n    exce: [x]',
			'FILE:3: sandboxes[0].exce: is not a key pairkeeper knows here; did you mean exec?',
		],
		['policy:\n  scope: []', 'FILE:2: policy.scope: is not a key pairkeeper knows here; did you mean scopes?'],
		['__proto__: 1', 'FILE:1: __proto__: is not a key pairkeeper knows here; is it misspelt, or indented wrongly?'],
		[
			'\nrunTimeout: soon',
			'FILE:2: runTimeout: "soon" is not a duration; write seconds (30) or a string such as 500ms, 30s, 10m or 8h',
		],
		['fastInterval: 0', 'FILE:1: fastInterval: must be between 0.01 s and 2147483 s, not 0 s'],
		['slowInterval: 90d', 'FILE:1: slowInterval: must be between 0.01 s and 2147483 s, not 7776000 s'],
		['maxConcurrentCalls: 0', 'FILE:1: maxConcurrentCalls: must be at least 1, not 0'],
		['maxConcurrentCalls: all', 'FILE:1: maxConcurrentCalls: must be a whole number from 1, or auto, not "all"'],
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
		[
			'sandboxes:\n  - name: a\n    exec: [x]\n    gateway: {listenerUser: root}',
			'FILE:4: sandboxes[0].gateway.listenerUser: needs a url: it says who may listen at that port of this host',
		],
		['passEnv: [A-B]', 'FILE:1: passEnv[0]: is not the name of an environment variable'],
		[
			'statusFile: status.json',
			'FILE:1: statusFile: must be an absolute path, such as /var/lib/pairkeeper/file, not "status.json"',
		],
		[
			'metricsFile: pairkeeper.prom',
			'FILE:1: metricsFile: must be an absolute path, such as /var/lib/pairkeeper/file, not "pairkeeper.prom"',
		],
		...['":9464"', '"9464"', 'localhost', 'keeper.example.org:80', '"::1:9464"', '127.0.0.1:0', '127.0.0.1:65536'].map(
			(listen): [string, string] => [
				`listen: ${listen}`,
				`FILE:1: listen: must be an IP address and a port, such as 127.0.0.1:9464 or [::1]:9464, or the absolute path of a Unix socket, at most 103 bytes long, not "${listen.replaceAll('"', '')}"`,
			],
		),
		['auditFile: /x\nmetricsFile: /x', 'FILE:2: metricsFile: is the file of auditFile already; give each its own'],
		['auditFailure: perhaps', 'FILE:1: auditFailure: must be continue or stop'],
		[
			'auditFile: audit.jsonl',
			'FILE:1: auditFile: must be an absolute path, such as /var/lib/pairkeeper/file, not "audit.jsonl"',
		],
		['notify: []', 'FILE:1: notify: must name a program'],
		['notify: mail me', 'FILE:1: notify: must be a list of words, such as [/usr/local/bin/tell-ops], not "mail me"'],
		[
			'sandboxes:\n  - name: a\n    gateway: {url: "127.0.0.1:18789", tokenCommand: [x]}',
			'FILE:3: sandboxes[0].gateway.url: must be a ws:// or wss:// URL without user name, password, query or fragment, such as ws://127.0.0.1:18789',
		],
		['restart: {minDelay: 2s, maxDelay: 1s}', 'FILE:1: restart: minDelay must not be longer than maxDelay'],
		['policy:\n  clients:\n    - {scopes: []}', 'FILE:3: policy.clients[0]: must name an id, a mode, or both'],
		[
			'sandboxes:\n  - {name: Alpha}',
			'FILE:2: sandboxes[0].name: must be 1 to 63 lower-case letters, digits and hyphens, and begin and end with a letter or digit, not "Alpha"',
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
			'FILE:3: sandboxes[1].name: a is the name of another sandbox already (sandboxes[0])',
		],
		[
			'sandboxes:\n  - {name: a, exec: [x]}\n  - {name: b, exec: [x]}',
			'FILE:3: sandboxes[1]: b reaches the same gateway as a (exec x); give each its own, or remove one (sandboxes[0])',
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
			'FILE:4: sandboxes[0].gateway.port: must be a port, a whole number from 1 to 65535, not 0',
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
	])('%j', (text, problem) => expect(problemsIn(text)).toEqual([problem]));

	it.each([
		['deadline: 8h\ndeadline: 9h', 'FILE:2: deadline: stands twice in the same map; remove one of the two'],
		['a: [', 'FILE:1: a: a [ is opened on this line and not closed; put a ] at its end'],
		['a: {b: c', 'FILE:1: a: a { is opened on this line and not closed; put a } at its end'],
		['\tdeadline: 8h', 'FILE:1: deadline: is indented with a tab; use spaces'],
		[
			'deadline: "8h\nrunTimeout: 1',
			'FILE:1: deadline: a " is opened on this line and not closed; put one at the end of the text',
		],
		['deadline: 8h"', 'FILE:1: deadline: a text ends with " and does not begin with one; put one there too'],
		[
			'deadline 8h\nlogFile: null',
			'FILE:1: is not of the form key: value; is the colon missing, or the space after it?',
		],
		[
			'policy:\n  scopes: []\n   roles: []',
			'FILE:3: roles: is indented differently from scopes on line 2; keys of one map begin in the same column',
		],
		[
			'sandboxes:\n  - name: a\n     exec: [x]',
			'FILE:3: exec: is indented deeper than the key above it, which has a value already',
		],
		[
			'sandboxes:\n  - name: a\n   exec: [x]',
			'FILE:3: exec: is indented less than the keys of the list entry above it, and no entry itself; indent it as they are, or put a - before it',
		],
		[
			'deadline: *nowhere',
			'FILE:1: deadline: *nowhere stands for what &nowhere marks, and nothing above is marked so; write a text that begins with * in quotes',
		],
		['\n<<: 1', 'FILE:2: <<: must be a map that is marked above, such as <<: *alpha, or a list of them'],
		['logFile: @x', "FILE:1: logFile: a text cannot begin with @ without quotes; write it in 'single quotes'"],
		['a: 1\n---\nb: 2', 'FILE:2: a: a line of --- begins a second document, and only one is read; remove it'],
	])('even where it is no YAML: %j', (text, problem) => {
		expect(problemsIn(text)).toEqual([problem]);
	});

	it.each([
		[
			'sandboxes:\n  - name: a\n    exec: docker exec a',
			'FILE:3: sandboxes[0].exec: must be a list of words, such as [docker, exec, alpha], not "docker exec a"',
		],
		[
			'sandboxes:\n  - name: 12',
			"FILE:2: sandboxes[0].name: must be 1 to 63 lower-case letters, digits and hyphens, and begin and end with a letter or digit, not 12; if it is meant as a text, write '12'",
		],
		[
			'defaults:\n  exec: [docker, exec, {name}]',
			'FILE:2: defaults.exec[2]: must be a text, such as alpha, not a map of keys; put it in quotes: "{name}"',
		],
		[
			'sandboxes: [{name: a, transport: clii}]',
			'FILE:1: sandboxes[0].transport: must be auto, cli or gateway, not "clii"; did you mean cli?',
		],
		['fast_interval: 1s', 'FILE:1: fast_interval: is not a key pairkeeper knows here; did you mean fastInterval?'],
		[
			'enabled: true',
			'FILE:1: enabled: is not a key pairkeeper knows here; it belongs to a sandbox; is it indented wrongly?',
		],
		[
			'scopes: []',
			'FILE:1: scopes: is not a key pairkeeper knows here; it belongs to policy or to policy.clients; is it indented wrongly?',
		],
		[
			'sandboxes: [{name: a, deadline: 1h}]',
			'FILE:1: sandboxes[0].deadline: is not a key pairkeeper knows here; it belongs at the top, without indent; is it indented wrongly?',
		],
		[
			'restart: {often: 1}',
			'FILE:1: restart.often: is not a key pairkeeper knows here; there are: minDelay, maxDelay, stableAfter',
		],
		[
			"listenHosts: ['keeper:9464']",
			'FILE:1: listenHosts[0]: must be a host name without a port, such as keeper.example.org, not "keeper:9464"',
		],
	])('in words, with the value and what to write: %j', (text, problem) => {
		expect(problemsIn(text)).toEqual([problem]);
	});

	it('but what may be a token in the wrong place is not repeated', () => {
		const text =
			'sandboxes:\n  - name: a\n    gateway: {url: "ws://u:s3cret@h", tokenFile: s3cret}\n    env: {A: [s3cret]}';
		expect(problemsIn(text).length).toBeGreaterThan(2);
		expect(problemsIn(text).join()).not.toContain('s3cret');
	});

	it.each([
		['[ssh, host]', 'ssh'],
		['[sudo, -u, me, ssh, host]', 'ssh'],
		['[docker, exec, a, sh, -c]', 'sh -c'],
	])('a command that joins its words is told: exec: %s', (exec, joining) => {
		expect(problemsIn(`sandboxes: [{name: a, exec: ${exec}}]`)).toEqual([
			expect.stringMatching(`^FILE:1: sandboxes\\[0\\]\\.exec: ${joining} joins its words to one line`),
		]);
	});

	it('a file or a socket that somebody else could put a link in place of is refused', () => {
		const open = path.join(folder, 'open');
		mkdirSync(open);
		chmodSync(open, 0o777);
		const problem = `${open} can be written by other users; fix: chmod go-w ${open}`;
		for (const [key, file] of [
			['listen', 'http.sock'],
			['auditFile', 'audit.jsonl'],
		])
			expect(problemsIn(`${key}: ${open}/${file}`)).toEqual([
				expect.stringMatching(new RegExp(`^FILE:1: ${key}: ${open}`)),
			]);
		expect(problemsIn(`listen: ${open}/http.sock`)).toEqual([`FILE:1: listen: ${problem}`]);
		chmodSync(open, 0o755);
		expect(problemsIn(`listen: ${open}/http.sock`)).toEqual([]);
		// Whose port it is nobody can plant.
		expect(problemsIn('listen: 127.0.0.1:9464')).toEqual([]);
	});

	it('a command line in one word is told from a program whose path has blanks', () => {
		expect(problemsIn('sandboxes: [{name: a, exec: ["docker exec a"]}]')).toEqual([
			'FILE:1: sandboxes[0].exec: "docker exec a" is one word, and taken for the name of a program; write each word by itself: [docker, exec, a]',
		]);
		const program = path.join(folder, 'my program');
		writeFileSync(program, '');
		expect(problemsIn(`sandboxes: [{name: a, exec: ["${program}", ssh, -c]}]`)).toEqual([]);
	});

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
