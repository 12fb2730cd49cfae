import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {describe, expect, it} from 'vitest';
import {type Found, type Made, sandboxFor} from '../../supervisor/config/discovered.ts';
import {folder, load, problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();

function found(change: Partial<Found> = {}): Found {
	return {name: 'alpha', id: 'alpha', port: 19001, host: '127.0.0.1', isStopped: false, layer: null, ...change};
}

/** What the first inventory of this configuration makes of a sandbox. */
function madeBy(text: string, change: Partial<Found> = {}): Made {
	const {discover, ground} = load(text);
	const [source] = discover;
	if (!source) throw new Error('no inventory');
	return sandboxFor(found(change), source, ground, {});
}

function sandboxOf(made: Made) {
	if (made.kind === 'unfit') throw new Error(made.problem);
	return made.sandbox;
}

describe('the inventories of a configuration', () => {
	it('are known by what they are, and asked every minute unless they say otherwise', () => {
		const {discover, warnings} = load(`
discover:
  - nemoclaw
  - openclaw-fleet
  - {kubernetes: {selector: app=openclaw, namespaces: [a, b], container: openclaw, every: 30s}}
  - {command: [my-inventory, --json], every: 5m, template: {exec: [docker, exec, "{name}"]}}
`);
		expect(discover.map(({label, every, inventory}) => [label, every, inventory.kind])).toEqual([
			['discover[0] (nemoclaw)', 60_000, 'nemoclaw'],
			['discover[1] (openclaw-fleet)', 60_000, 'openclaw-fleet'],
			['discover[2] (kubernetes, namespace a)', 30_000, 'kubernetes'],
			['discover[2] (kubernetes, namespace b)', 30_000, 'kubernetes'],
			['discover[3] (my-inventory --json)', 300_000, 'command'],
		]);
		expect(new Set(discover.map(({key}) => key)).size).toBe(5);
		expect(warnings).toEqual([]);
	});

	it.each([
		['discover: nemoclaw', /^FILE:1: discover: must be a list of inventories, such as \[nemoclaw\]/],
		['discover:\n  - nemoklaw', /^FILE:2: discover\[0\]: must be nemoclaw, openclaw-fleet, or a map such as /],
		[
			'discover:\n  - {comand: [x]}',
			/^FILE:2: discover\[0\]\.comand: is not a key pairkeeper knows here; did you mean command\?/,
		],
		['discover:\n  - {every: 5s}', /^FILE:2: discover\[0\]: must have either a command or kubernetes$/],
		['discover:\n  - command: [x]\n    every: 10ms', /^FILE:3: discover\[0\]\.every: must be between 1 s and /],
		['discover:\n  - command: list', /^FILE:2: discover\[0\]\.command: must be a list of words/],
		[
			'discover:\n  - command: [x]\n    template: {name: a}',
			/^FILE:3: discover\[0\]\.template\.name: is not a key pairkeeper knows here/,
		],
		[
			'discover:\n  - command: [x]\n    template:\n      exec: docker exec',
			/^FILE:4: discover\[0\]\.template\.exec: must be a list of words/,
		],
		[
			'discover:\n  - kubernetes: {selector: a, namespaces: [], container: c}',
			/^FILE:2: discover\[0\]\.kubernetes\.namespaces: must name a namespace$/,
		],
		[
			'discover:\n  - kubernetes: {selector: "--all", namespaces: [a], container: c}',
			/^FILE:2: discover\[0\]\.kubernetes\.selector: must be a label selector/,
		],
		[
			'discover:\n  - kubernetes: {selector: a, namespaces: [a], container: "../c"}',
			/^FILE:2: discover\[0\]\.kubernetes\.container: must be the name of a container/,
		],
		[
			'discover:\n  - {command: [x]}\n  - {command: [x]}',
			/^FILE:3: discover\[1\]: is the same inventory as another one; remove one \(discover\[0\]\)$/,
		],
	])('are refused by file, line and key: %j', (text, problem) => {
		expect(problemsIn(text)[0]).toMatch(problem);
	});
});

describe('a template', () => {
	it.each([
		[
			'a token that all its sandboxes would share',
			'gateway: {url: "ws://127.0.0.1:{port}", tokenFile: /etc/token}',
			/^FILE:4: discover\[0\]\.template\.gateway\.tokenFile: must contain \{name\}/,
		],
		[
			'an address in a command',
			'exec: [ssh-free, "{host}", "{name}"]',
			/^FILE:4: discover\[0\]\.template\.exec\[1\]: may hold \{host\} only as the host of gateway\.url/,
		],
		[
			'an address that is part of a host',
			'gateway: {url: "ws://gw.{host}:1", tokenCommand: [t, "{name}"]}',
			/^FILE:4: discover\[0\]\.template\.gateway\.url: may hold \{host\} only as/,
		],
		[
			'a placeholder that nothing fills',
			'exec: [docker, exec, "{nmae}"]',
			/^FILE:4: discover\[0\]\.template\.exec\[2\]: \{nmae\} is not filled in here, only \{name\}, \{port\}, \{host\} are/,
		],
		[
			'a policy that is wider than the default',
			'policy: {scopes: [operator.admin]}',
			/^FILE:4: discover\[0\]\.template\.policy\.scopes: operator\.admin is not in the default policy/,
		],
		[
			'a command line in one word',
			'exec: ["docker exec x"]',
			/^FILE:4: discover\[0\]\.template\.exec: "docker exec x" is one word/,
		],
		[
			'what would show in the process table',
			'{exec: [enter, "{name}"], env: {API_TOKEN: x}}',
			/^FILE:4: discover\[0\]\.template\.env\.API_TOKEN: would show in the process table/,
		],
	])('is refused for %s', (_, template, problem) => {
		expect(problemsIn(`discover:\n  - command: [x]\n    template:\n      ${template}`)[0]).toMatch(problem);
	});

	it('is refused together with defaults that do not go with it, where those stand', () => {
		const text = 'defaults:\n  execInput: [enter, -i]\ndiscover:\n  - command: [x]\n    template: {exec: []}';
		expect(problemsIn(text)).toEqual([expect.stringMatching(/^FILE:2: defaults\.execInput: needs an exec/)]);
	});

	it('need not have the files of its tokens yet', () => {
		const template = '{gateway: {url: "ws://127.0.0.1:{port}", tokenFile: "/nowhere/{name}.token"}}';
		expect(problemsIn(`discover:\n  - command: [x]\n    template: ${template}`)).toEqual([]);
	});
});

describe('a discovered sandbox', () => {
	it('is what the template makes of its name, port and host, over defaults; env and policy merge', () => {
		const sandbox = sandboxOf(
			madeBy(`
defaults:
  exec: [docker, exec, "{name}"]
  env: {A: defaults, B: "{name}"}
  policy: {firstPairing: deny}
discover:
  - command: [x]
    template:
      env: {A: "port-{port}"}
      gateway: {port: "{port}", tokenCommand: [token-of, "{name}"]}
      policy: {scopes: [operator.read]}
`),
		);
		expect(sandbox).toMatchObject({
			name: 'alpha',
			enabled: true,
			target: {exec: ['docker', 'exec', 'alpha'], env: {A: 'port-19001', B: 'alpha'}},
			inside: {port: 19001, tokenCommand: ['token-of', 'alpha']},
			policy: {firstPairing: 'deny', scopes: ['operator.read']},
		});
	});

	it.each([
		['10.1.2.3', 'wss://10.1.2.3:19001'],
		['::1', 'wss://[::1]:19001'],
		['gw.example.org', 'wss://gw.example.org:19001'],
	])('is reached at the address that the inventory gives: %s', (host, url) => {
		const template = '{gateway: {url: "wss://{host}:{port}", tokenCommand: [t, "{name}"]}}';
		expect(sandboxOf(madeBy(`discover: [{command: [x], template: ${template}}]`, {host})).gateway?.url).toBe(url);
	});

	it('passes every check of a written one', () => {
		const at = (template: string, change: Partial<Found> = {}) =>
			madeBy(`discover: [{command: [x], template: ${template}}]`, change);
		const gateway = '{gateway: {url: "ws://{host}:{port}", tokenCommand: [t, "{name}"]}}';
		expect(at(gateway, {host: '10.0.0.9'})).toEqual({
			kind: 'unfit',
			problem: 'gateway.url: sends the token in clear text over a network; use wss://, or say allowInsecure: true',
			isForGood: true,
		});
		expect(at(gateway, {port: null})).toEqual({
			kind: 'unfit',
			problem: 'its inventory gives no port, and the template wants {port}',
			isForGood: true,
		});
		const file = path.join(folder, 'alpha.token');
		const filed = `{gateway: {url: "ws://127.0.0.1:{port}", tokenFile: "${folder}/{name}.token"}}`;
		expect(at(filed)).toEqual({
			kind: 'unfit',
			problem: `gateway.tokenFile: ${file} cannot be read: it does not exist (ENOENT)`,
			// Somebody may write it.
			isForGood: false,
		});
		writeFileSync(file, 'a-token-of-alpha', {mode: 0o600});
		expect(at(filed).kind).toBe('made');
	});

	it('is idle while its inventory says that it is stopped', () => {
		const {enabled, discovered} = sandboxOf(madeBy('discover: [{command: [x]}]', {isStopped: true}));
		expect({enabled, isStopped: discovered?.isStopped}).toEqual({enabled: false, isStopped: true});
	});

	it('is the same whatever port it has, and another one with another id', () => {
		const identity = (change: Partial<Found>, template = '[a, "{name}"]') =>
			sandboxOf(madeBy(`discover: [{command: [x], template: {exec: ${template}}}]`, change)).discovered?.identity;
		expect(identity({port: 1})).toBe(identity({port: 2}));
		expect(identity({id: '1'})).not.toBe(identity({id: '2'}));
		expect(identity({}, '[b, "{name}"]')).not.toBe(identity({}));
	});
});

it('equal tokens in two sandboxes are a warning that does not tell them', () => {
	for (const name of ['alpha', 'beta', 'gamma'])
		writeFileSync(path.join(folder, name), name === 'gamma' ? 'another-token' : 'one-token', {mode: 0o600});
	const {warnings} = load(`
defaults: {exec: [enter, "{name}"], gateway: {port: 1, tokenFile: "${folder}/{name}"}}
sandboxes: [{name: alpha}, {name: beta}, {name: gamma}]
`);
	expect(warnings).toEqual([
		'alpha, beta have the same gateway token, so each can administer the others; give each its own',
	]);
});
