import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {describe, expect, it} from 'vitest';
import {configJsonSchema} from '../../supervisor/config/schema.ts';
import {folder, load, problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();

/** Writes a file beside the configuration, as conf.d/… */
function include(name: string, text: string, mode = 0o600): string {
	const file = path.join(folder, 'conf.d', name);
	mkdirSync(path.dirname(file), {recursive: true, mode: 0o700});
	writeFileSync(file, text);
	chmodSync(file, mode);
	return file;
}

const targets = (text: string) => load(text).sandboxes.map(({name, target}) => [name, target.exec, target.env]);

describe('defaults', () => {
	it('are what every sandbox gets, with its name filled in', () => {
		const text = `
defaults:
  exec: [docker, exec, "box-{name}"]
  env: {OPENCLAW_STATE_DIR: "/state/{name}/{other}"}
sandboxes: [{name: alpha}, {name: beta}]`;
		expect(targets(text)).toEqual([
			['alpha', ['docker', 'exec', 'box-alpha'], {OPENCLAW_STATE_DIR: '/state/alpha/{other}'}],
			['beta', ['docker', 'exec', 'box-beta'], {OPENCLAW_STATE_DIR: '/state/beta/{other}'}],
		]);
	});

	it('give way to a sandbox key by key; env and policy are merged, and null takes away', () => {
		const {sandboxes} = load(`
defaults:
  exec: [docker, exec, "{name}"]
  env: {A: a, B: b}
  gateway: {port: 18789, tokenFile: "/nowhere/{name}"}
  policy: {scopes: [operator.read], refusalHold: 5m}
sandboxes:
  - {name: alpha, exec: [podman, exec, a], gateway: null, env: {B: c}, policy: {refusalHold: 1m}}`);
		expect(sandboxes[0]).toMatchObject({
			target: {exec: ['podman', 'exec', 'a'], env: {A: 'a', B: 'c'}},
			inside: {port: null, tokenFile: null},
			policy: {scopes: ['operator.read'], refusalHold: 60_000},
		});
	});

	it('do not fill in what a sandbox says itself', () => {
		expect(targets('defaults: {enabled: true}\nsandboxes: [{name: a, exec: [x, "{name}"]}]')).toEqual([
			['a', ['x', '{name}'], {}],
		]);
	});

	it('are checked where they stand, once, whether or not there are sandboxes', () => {
		const problem = 'FILE:2: defaults.transport: must be auto, cli or gateway, not "clii"; did you mean cli?';
		expect(problemsIn('defaults:\n  transport: clii')).toEqual([problem]);
		expect(problemsIn('defaults:\n  transport: clii\nsandboxes: [{name: a}, {name: b}]')).toEqual([problem]);
		expect(problemsIn('defaults:\n  name: a')).toEqual([
			'FILE:2: defaults.name: is not for defaults: each sandbox has a name of its own',
		]);
	});

	it('that are wrong for one sandbox name it', () => {
		expect(
			problemsIn('defaults:\n  exec: [x]\n  gateway: {port: 1, tokenFile: "/nowhere/{name}"}\nsandboxes: [{name: a}]'),
		).toEqual([
			expect.stringMatching(
				/^FILE:3: defaults\.gateway\.tokenFile: \/nowhere\/a cannot be read: it does not exist \(ENOENT\) \(for a\)$/,
			),
		]);
		expect(problemsIn('defaults: {policy: {scopes: [operator.admin]}}\nsandboxes: [{name: a}]')).toEqual([
			expect.stringMatching(/^FILE:1: defaults\.policy\.scopes: operator\.admin is not in .*\(for a\)$/),
		]);
	});

	it.each([
		['tokenFile: /etc/token', 'tokenFile', '/etc/pairkeeper/{name}.token'],
		['tokenCommand: [cat, /etc/token]', 'tokenCommand', '[nemoclaw, "{name}", gateway-token, --quiet]'],
	])('hold no token for all sandboxes: %s', (source, key, example) => {
		expect(problemsIn(`defaults:\n  gateway: {port: 1, ${source}}`)).toEqual([
			`FILE:2: defaults.gateway.${key}: must contain {name}, such as ${example}, or all sandboxes would be sent the same token`,
		]);
	});

	it.each(['{nmae}', '{port}', '{name', 'name}'])('say of %s that nothing is filled in', text => {
		expect(problemsIn(`defaults:\n  exec: [docker, exec, "a-${text}"]`)).toEqual([
			expect.stringMatching(/^FILE:2: defaults\.exec\[2\]: (.* is not filled in here|a brace is missing)/),
		]);
	});
});

describe('YAML merge keys', () => {
	const merged = (last: string) => `sandboxes:
  - &first
    name: alpha
    exec: [docker, exec, a]
    transport: cli
  - <<: *first
    name: beta
    ${last}`;

	it('take over what another map says', () => {
		const {sandboxes} = load(merged('exec: [docker, exec, b]'));
		expect(sandboxes.map(({name, transport, target}) => [name, transport, target.exec[2]])).toEqual([
			['alpha', 'cli', 'a'],
			['beta', 'cli', 'b'],
		]);
	});

	it('and a mistake is told where it was made', () => {
		expect(problemsIn(merged('exec: [b]').replace('transport: cli', 'transport: clii'))).toEqual([
			expect.stringMatching(/^FILE:5: sandboxes\[0\]\.transport: /),
			expect.stringMatching(/^FILE:5: sandboxes\[1\]\.transport: /),
		]);
	});
});

describe('include', () => {
	it('adds the sandboxes of files, in the order of their names, each file once', () => {
		include('b.yaml', 'sandboxes: [{name: beta}]');
		include('a.yaml', 'sandboxes: [{name: alpha}]');
		include('empty.yaml', '# nothing yet\n');
		include('c.txt', 'nonsense: [');
		const text = `
include: [conf.d/*.yaml, conf.d/b.yaml, "none/*.yaml"]
defaults: {exec: [docker, exec, "{name}"]}
sandboxes: [{name: own}]`;
		expect(targets(text).map(([name, exec]) => [name, exec?.[2 as never]])).toEqual([
			['own', 'own'],
			['alpha', 'alpha'],
			['beta', 'beta'],
		]);
		expect(load(text).warnings).toEqual([]);
	});

	it('of a plain path that is not there is an error', () => {
		expect(problemsIn('\ninclude: [conf.d/a.yaml]')).toEqual([
			expect.stringMatching(
				/^FILE:2: include\[0\]: .*\/conf\.d\/a\.yaml cannot be read: it does not exist \(ENOENT\); write it, or/,
			),
		]);
	});

	it.each([
		[
			'sandboxes:\n  - name: a\n    exce: [x]',
			'3: sandboxes[0].exce: is not a key pairkeeper knows here; did you mean exec?',
		],
		[
			'sandboxes: {name: a}',
			'1: sandboxes: must be a list of sandboxes, such as [{name: alpha, exec: [docker, exec, alpha]}]',
		],
		['sandboxes:\n  - name: "a', '2: name: a quote that was opened is not closed; put one at the end'],
		['sandboxs: []', '1: sandboxs: an included file holds nothing but sandboxes; did you mean sandboxes?'],
		['\ninclude: [x]', '2: include: an included file holds nothing but sandboxes; move it to FILE'],
		[
			'sandboxes:\n  - name: own',
			'2: sandboxes[0].name: own is the name of another sandbox already (FILE:3: sandboxes[0])',
		],
	])('names both files when one is wrong: %j', (text, problem) => {
		const file = include('a.yaml', text);
		expect(problemsIn('include:\n  - conf.d/*.yaml\nsandboxes: [{name: own, exec: [y]}]')).toEqual([
			`FILE:2: include[0]: ${file}:${problem}`,
		]);
	});

	it('is refused of a file that others could change', () => {
		const file = include('a.yaml', 'sandboxes: []', 0o666);
		expect(problemsIn('include: [conf.d/a.yaml]')).toEqual([
			expect.stringContaining(`FILE:1: include[0]: ${file}: refused, since others could change it`),
		]);
	});
});

describe('the JSON Schema', () => {
	it('knows what may be written: defaults as a sandbox without a name, and files to include', () => {
		const schema = configJsonSchema() as {
			properties: Record<string, {properties?: object; required?: string[]; items?: {properties?: object}}>;
		};
		const {defaults, sandboxes, include: included} = schema.properties;
		expect(['name', ...Object.keys(defaults?.properties ?? {})]).toEqual(
			Object.keys(sandboxes?.items?.properties ?? {}),
		);
		expect(defaults?.required ?? []).toEqual([]);
		expect(included).toMatchObject({type: 'array', items: {type: 'string'}});
	});
});

describe('what OpenClaw does not know is warned of:', () => {
	it.each([
		[
			'policy: {scopes: [operator.raed]}',
			'policy.scopes[0]: operator.raed is not a scope that OpenClaw knows; did you mean operator.read?',
		],
		[
			'policy: {clients: [{id: openclaw-contrl-ui}]}',
			'policy.clients[0].id: openclaw-contrl-ui is not a client id that OpenClaw knows; did you mean openclaw-control-ui?',
		],
		[
			'policy: {clients: [{mode: web-chat}]}',
			'policy.clients[0].mode: web-chat is not a client mode that OpenClaw knows; did you mean webchat?',
		],
		[
			'policy: {clients: [{mode: something}]}',
			'policy.clients[0].mode: something is not a client mode that OpenClaw knows; is it right?',
		],
		[
			'policy: {roles: [operater]}',
			'policy.roles[0]: operater is not a role that OpenClaw knows; did you mean operator?',
		],
		[
			'defaults: {env: {transport: cli}}',
			'defaults.env.transport: is taken for a variable here, and is a key of a sandbox; is it indented wrongly?',
		],
	])('%s', (text, warning) => {
		expect(load(`${text}\nsandboxes: [{name: a}]`).warnings).toEqual([expect.stringMatching(/:1: /)]);
		expect(load(`${text}\nsandboxes: [{name: a}]`).warnings[0]).toContain(warning);
	});
});
