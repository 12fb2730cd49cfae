import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {readCommandInventory} from '../../supervisor/discovery/command-inventory.ts';
import {kubectlList, readPods} from '../../supervisor/discovery/kubernetes.ts';
import {type Entry, MAX_ENTRIES} from '../../supervisor/discovery/listing.ts';
import {readNemoclaw} from '../../supervisor/discovery/nemoclaw.ts';
import {readFleet, runtimeIn} from '../../supervisor/discovery/openclaw-fleet.ts';

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const pods = {selector: 'app=openclaw', namespace: 'tenants', container: 'openclaw'};

/** What was taken, and what was said of the rest. */
function summary(entries: readonly Entry[]): unknown[] {
	return entries.map(entry =>
		entry.kind === 'found' ? entry.found : `${entry.name ?? '?'}: ${entry.shown} ${entry.problem}`,
	);
}

function plain(name: string, change: object = {}) {
	return {name, id: name, port: null, host: null, isStopped: false, layer: null, ...change};
}

const command = (items: unknown) => summary(readCommandInventory(JSON.stringify(items)));

describe("a command's inventory", () => {
	it('gives names, ports, hosts and states, all but the name optional', () => {
		expect(
			command([
				{name: 'alpha'},
				{name: 'b-2', port: 18789, host: '127.0.0.1', state: 'running'},
				{name: 'c', host: '::1', state: 'stopped', port: null},
				{name: 'd', host: 'gw.example.org', exec: ['rm', '-rf', '/']},
			]),
		).toEqual([
			plain('alpha'),
			plain('b-2', {port: 18789, host: '127.0.0.1'}),
			plain('c', {host: '::1', isStopped: true}),
			plain('d', {host: 'gw.example.org'}),
		]);
	});

	it.each([
		[{name: '../x; rm -rf /'}, /^\?: "\.\.\/x; rm -rf \/" is not a name of a sandbox: it must be 1 to 63 lower-case/],
		[{name: '--help'}, /^\?: "--help" is not a name/],
		[{name: 'Alpha'}, /is not a name/],
		[{name: 'a'.repeat(64)}, /is not a name/],
		[{name: 'a\nb\u001b[31m'}, /^\?: "a b\ufffd\[31m" is not a name/],
		[{name: 5}, /^\?: 5 has no name$/],
		[{}, /^\?: undefined has no name$/],
		['alpha', /^\?: "alpha" is no sandbox: entry 1 must be a map with a name$/],
		[null, /is no sandbox/],
		[{name: 'a', port: '18789'}, /^a: "a" has a port that is not one from 1 to 65535: "18789"$/],
		[{name: 'a', port: 0}, /has a port/],
		[{name: 'a', port: 65536}, /has a port/],
		[{name: 'a', port: 1.5}, /has a port/],
		[{name: 'a', host: 'Example.org'}, /^a: "a" has a host that is neither an IP literal nor a DNS name in lower case/],
		[{name: 'a', host: 'evil/path?x'}, /has a host/],
		[{name: 'a', host: 'user@host'}, /has a host/],
		[{name: 'a', host: '-o'}, /has a host/],
		[{name: 'a', host: '127.1'}, /has a host/],
		[{name: 'a', host: '0x7f.1'}, /has a host/],
		[{name: 'a', host: '2130706433'}, /has a host/],
		[{name: 'a', host: 'fe80::1%eth0'}, /has a host/],
		[{name: 'a', host: ''}, /has a host/],
		[{name: 'a', state: 'gone'}, /^a: "a" has a state that is neither running nor stopped: "gone"$/],
	])('leaves out what is not by the rules, quoted: %j', (item, problem) => {
		expect(command([item])).toEqual([expect.stringMatching(problem)]);
	});

	it.each(['', 'null', '{}', '{"sandboxes": []}', '[', 'no sandboxes', '[{"name": "a"}] and more', '[]]'])(
		'that is no list is not used at all: %j',
		text => {
			expect(() => readCommandInventory(text)).toThrow('its output is not a list of sandboxes in JSON');
		},
	);

	it('that floods is not used at all', () => {
		const many = (count: number) => JSON.stringify(Array.from({length: count}, (_, index) => ({name: `s${index}`})));
		expect(readCommandInventory(many(200))).toHaveLength(200);
		expect(() => readCommandInventory(many(MAX_ENTRIES + 1))).toThrow('it lists 10001 sandboxes');
		expect(() => readCommandInventory(`${'['.repeat(100)}${']'.repeat(100)}`)).toThrow('not a list');
		expect(() => readCommandInventory(`[${'[],'.repeat(300_000)}[]]`)).toThrow('not a list');
	});
});

it('no inventory, whatever it prints, gives a name that is not by the rules, or a word of its own before a command', () => {
	const value = fc.oneof(
		fc.jsonValue(),
		fc.constantFrom('alpha', '-x', 'a b', 18789, 'running', 'Running', 'openclaw'),
	);
	const item = fc.dictionary(
		fc.constantFrom(
			'name',
			'port',
			'host',
			'state',
			'agent',
			'dashboardPort',
			'tenant',
			'created',
			'metadata',
			'spec',
			'status',
		),
		value,
	);
	const text = fc.oneof(
		fc.string(),
		fc
			.tuple(fc.constantFrom('sandboxes', 'cells', 'items'), fc.array(item))
			.map(([key, list]) => JSON.stringify({[key]: list})),
		fc.array(item).map(list => JSON.stringify(list)),
	);
	const readers = [
		readCommandInventory,
		readNemoclaw,
		(said: string) => readFleet(said, () => 'docker'),
		(said: string) => readPods(said, pods),
	];
	fc.assert(
		fc.property(text, fc.constantFrom(...readers), (said, read) => {
			let entries: readonly Entry[] = [];
			try {
				entries = read(said);
			} catch (error) {
				expect(error).toMatchObject({name: 'InventoryError'});
			}
			for (const entry of entries) {
				if (entry.kind === 'refused') {
					expect(`${entry.shown}${entry.problem}`).not.toMatch(/\p{Cc}/u);
					continue;
				}
				const {name, port, layer} = entry.found;
				expect(name).toMatch(NAME);
				expect(port === null || (Number.isInteger(port) && port >= 1 && port <= 65_535)).toBe(true);
				const words = JSON.stringify(layer?.exec ?? []);
				expect(words.replaceAll(name, 'NAME')).toMatch(/^\[("[a-zA-Z-]+",?)*\]$/);
			}
		}),
	);
});

describe("NemoClaw's list", () => {
	const list = (sandboxes: unknown) =>
		`Checking gateway…\n${JSON.stringify({schemaVersion: 1, defaultSandbox: 'alpha', sandboxes})}\n`;

	it('gives the sandboxes of OpenClaw, by the forwarded port and their own token, or from inside', () => {
		const entries = readNemoclaw(
			list([
				{name: 'alpha', agent: null, dashboardPort: 18790, connected: true},
				{name: 'beta', agent: 'openclaw', dashboardPort: null, connected: false},
				{name: 'gamma', agent: 'hermes', dashboardPort: 18791},
			]),
		);
		expect(summary(entries)).toEqual([
			plain('alpha', {
				port: 18790,
				layer: {
					exec: ['openshell', 'sandbox', 'exec', '--name', 'alpha', '--'],
					envFile: '/tmp/nemoclaw-proxy-env.sh',
					gateway: {url: 'ws://127.0.0.1:18790', tokenCommand: ['nemoclaw', 'alpha', 'gateway-token', '--quiet']},
				},
			}),
			plain('beta', {
				layer: {
					exec: ['openshell', 'sandbox', 'exec', '--name', 'beta', '--'],
					envFile: '/tmp/nemoclaw-proxy-env.sh',
					gateway: null,
				},
			}),
		]);
	});

	it('leaves out a sandbox with a name or a port that are not by the rules', () => {
		expect(summary(readNemoclaw(list([{name: '$(id)'}, {name: 'b', dashboardPort: 'x'}, 5])))).toEqual([
			expect.stringMatching(/^\?: "\$\(id\)" is not a name/),
			'b: "b" has a port that is not one from 1 to 65535: "x"',
			'?: undefined has no name',
		]);
	});

	it.each(['', 'error: no gateway', '{"sandboxes": {}}', '[{"name": "a"}]'])('that is none is not used: %j', text => {
		expect(() => readNemoclaw(text)).toThrow('its output has no list of sandboxes');
	});
});

describe("the fleet's list", () => {
	const cell = (change: object = {}) => ({
		tenant: 'acme',
		state: 'running',
		port: 19100,
		image: 'i',
		created: '2026-11-01T00:00:00.000Z',
		...change,
	});
	const list = (...cells: unknown[]) => JSON.stringify({cells});

	it('gives cells by their container, and the same tenant made again as another sandbox', () => {
		const [first, again, stopped] = [cell(), cell({created: '2026-11-02T00:00:00.000Z'}), cell({state: 'exited'})].map(
			each => summary(readFleet(list(each), () => 'podman'))[0],
		);
		expect(first).toEqual({
			...plain('acme', {port: 19100}),
			id: 'acme@2026-11-01T00:00:00.000Z',
			layer: {exec: ['podman', 'exec', 'openclaw-cell-acme'], envFile: null, gateway: null},
		});
		expect(again).toMatchObject({name: 'acme', id: 'acme@2026-11-02T00:00:00.000Z'});
		expect(stopped).toMatchObject({isStopped: true});
	});

	it('changes nothing about a cell whose state or runtime is not known', () => {
		expect(summary(readFleet(list(cell({state: 'unknown'}), cell({state: 7})), () => 'docker'))).toEqual([
			'acme: "acme" has an unknown state; see openclaw fleet doctor',
			'acme: "acme" has a state that is no text: 7',
		]);
		expect(summary(readFleet(list(cell()), () => null))).toEqual([
			expect.stringMatching(/^acme: "acme" is not asked for yet whether docker or podman runs it/),
		]);
	});

	it.each([
		['{"tenant": "acme", "runtime": "podman"}', 'podman'],
		['warning\n{"cell": {"runtime": "docker"}}', 'docker'],
		['{"runtime": "sh"}', null],
		['', null],
	])('has a runtime for each cell that is docker, podman, or not known: %j', (text, runtime) => {
		expect(runtimeIn(text)).toBe(runtime);
	});
});

describe('the pods of a namespace', () => {
	const pod = (name: string, change: Record<string, object> = {}) => ({
		metadata: {name, namespace: 'tenants', uid: `uid-of-${name}`, ...change.metadata},
		spec: {containers: [{name: 'sidecar'}, {name: 'openclaw'}], ...change.spec},
		status: {phase: 'Running', containerStatuses: [{name: 'openclaw', state: {running: {}}}], ...change.status},
	});
	const list = (...items: unknown[]) => summary(readPods(JSON.stringify({kind: 'List', items}), pods));

	it('are asked for by selector and namespace, and entered by exec', () => {
		expect(kubectlList(pods).join(' ')).toBe('kubectl get pods -n tenants -l app=openclaw -o json');
		expect(list(pod('claw-0'))).toEqual([
			{
				...plain('claw-0'),
				id: 'tenants/uid-of-claw-0',
				layer: {
					exec: ['kubectl', 'exec', '-n', 'tenants', 'claw-0', '-c', 'openclaw', '--'],
					envFile: null,
					gateway: null,
				},
			},
		]);
	});

	it.each([
		['is pending', {status: {phase: 'Pending', containerStatuses: []}}],
		['has ended', {status: {phase: 'Succeeded'}}],
		['waits in a crash loop', {status: {containerStatuses: [{name: 'openclaw', state: {waiting: {}}}]}}],
		['is being deleted', {metadata: {deletionTimestamp: '2026-11-01T00:00:00Z'}}],
	])('are stopped where one %s', (_, change) => {
		expect(list(pod('claw-0', change))).toEqual([expect.objectContaining({isStopped: true})]);
	});

	it('are left out without the container, the UID, or a name by the rules', () => {
		expect(
			list(
				pod('a', {spec: {containers: [{name: 'other'}]}}),
				pod('b', {metadata: {uid: 5}}),
				pod('c.d'),
				pod('e', {metadata: {namespace: 'kube-system'}}),
				null,
			),
		).toEqual([
			'a: "a" has no container openclaw',
			'?: "b" is a pod without a UID',
			expect.stringMatching(/^\?: "c\.d" is not a name/),
			'?: "e" is of another namespace than was asked for: "kube-system"',
			expect.stringMatching(/is a pod without a UID$/),
		]);
	});
});
