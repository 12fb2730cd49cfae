import {describe, expect, it} from 'vitest';
import type {Config} from '../../supervisor/config/config.ts';
import {Discovery} from '../../supervisor/discovery/discovery.ts';
import {type Entry, entryFrom, type Said} from '../../supervisor/discovery/listing.ts';
import {MAX_DISCOVERED} from '../../supervisor/discovery/selection.ts';
import {load, useConfigFile} from './config-file.ts';
import {MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

useConfigFile();

const one = `discover: [{command: [one], template: {exec: [enter, "{name}"], gateway: {port: "{port}"}}}]`;

/** Inventories that say what a test has them say. */
class Inventories {
	readonly clock = new SimulatedClock();
	readonly logged: string[] = [];
	readonly discovery: Discovery;
	/** By program: what it says. */
	readonly says = new Map<string, () => readonly Entry[] | Promise<readonly Entry[]>>();
	changes = 0;
	taken = 0;

	constructor(config: Config) {
		this.discovery = new Discovery(config, {
			clock: this.clock,
			log: (level, message, fields) =>
				this.logged.push(`${level} ${message} ${fields?.sandbox ?? fields?.error ?? ''}`.trim()),
			take: async ({inventory}) => {
				this.taken++;
				const program = inventory.kind === 'command' ? (inventory.command[0] ?? '') : inventory.kind;
				return this.says.get(program)?.() ?? [];
			},
			environment: {},
			onChange: () => this.changes++,
		});
	}

	say(program: string, ...said: readonly (string | Said)[]): void {
		const entries = said.map(each =>
			entryFrom(typeof each === 'string' ? {name: each, port: 1000} : {port: 1000, ...each}),
		);
		this.says.set(program, () => entries);
	}

	fail(program: string, message: string): void {
		this.says.set(program, () => Promise.reject(new Error(message)));
	}

	/** A time later. */
	later(ms: number): Promise<void> {
		return this.clock.sleep(ms);
	}

	get names(): string[] {
		return this.discovery.sandboxes.map(({name}) => name);
	}
}

/** Inventories of this configuration, asked for the first time. */
async function begun(text: string, say: (inventories: Inventories) => void): Promise<Inventories> {
	const inventories = new Inventories(load(text));
	say(inventories);
	inventories.discovery.start();
	await inventories.later(SECOND);
	return inventories;
}

describe('what is discovered', () => {
	it('is asked again and again: what appears comes, and what two inventories in a row lack goes', async () => {
		const inventories = await begun(one, each => each.say('one', 'alpha', 'beta'));
		expect(inventories.names).toEqual(['alpha', 'beta']);
		inventories.say('one', 'alpha', 'gamma');
		await inventories.later(MINUTE);
		expect(inventories.names.toSorted()).toEqual(['alpha', 'beta', 'gamma']);
		await inventories.later(MINUTE);
		expect(inventories.names).toEqual(['alpha', 'gamma']);
		expect(inventories.logged).toEqual([
			'info sandbox discovered alpha',
			'info sandbox discovered beta',
			'info sandbox discovered gamma',
			'info sandbox no longer there beta',
		]);
		await inventories.discovery.close();
	});

	it('is not changed by an inventory that fails, which is logged once and stands in the status until it works again', async () => {
		const inventories = await begun(one, each => each.say('one', 'alpha'));
		for (let times = 1; times <= 5; times++) {
			inventories.fail('one', `no answer, try ${times}`);
			await inventories.later(MINUTE);
			expect(inventories.discovery.warnings).toEqual([
				`discover[0] (one): no answer, try ${times}; what it gave before stays in force`,
			]);
		}
		expect(inventories.names).toEqual(['alpha']);
		inventories.say('one', 'alpha');
		await inventories.later(MINUTE);
		expect(inventories.discovery.warnings).toEqual([]);
		expect(inventories.logged.slice(1)).toEqual([
			'warn an inventory cannot be used; what it gave before stays in force no answer, try 1',
			'info an inventory can be read again',
		]);
		await inventories.discovery.close();
	});

	it('is not held up by an inventory that hangs', async () => {
		const text = `discover: [{command: [one]}, {command: [two], template: {exec: [enter, "{name}"]}}]`;
		const hanging = Promise.withResolvers<readonly Entry[]>();
		const inventories = await begun(text, each => {
			each.says.set('one', () => hanging.promise);
			each.say('two', 'alpha');
		});
		expect(inventories.names).toEqual(['alpha']);
		const closed = inventories.discovery.close();
		hanging.resolve([]);
		await closed;
	});

	it('leaves out, and tells quoted and once, what cannot be a sandbox', async () => {
		const inventories = await begun(one, each => each.say('one', 'alpha', {name: '../x; rm -rf /'}));
		await inventories.later(3 * MINUTE);
		expect(inventories.names).toEqual(['alpha']);
		expect(inventories.discovery.warnings).toEqual([
			expect.stringMatching(/^discover\[0\] \(one\): left out: "\.\.\/x; rm -rf \/" is not a name of a sandbox/),
		]);
		expect(inventories.logged.filter(line => line.startsWith('warn'))).toEqual([
			'warn what an inventory says of a sandbox cannot be used "../x; rm -rf /"',
		]);
		await inventories.discovery.close();
	});

	it('has no name and no gateway of a written sandbox, whether that is enabled or not', async () => {
		const text = `${one}
sandboxes:
  - {name: alpha, exec: [my-own, alpha]}
  - {name: off, enabled: false, exec: [enter, gamma]}`;
		const inventories = await begun(text, each => each.say('one', 'alpha', 'beta', 'gamma'));
		expect(inventories.names).toEqual(['beta']);
		expect(inventories.discovery.warnings).toEqual([
			'discover[0] (one): left out: "gamma" reaches the same gateway as off (exec enter gamma), which was there before',
		]);
		await inventories.discovery.close();
	});

	it('keeps its gateway against a newcomer and against one that moves there; two that swap do so', async () => {
		const text = `discover: [{command: [one], template: {exec: [enter, p, "{port}"]}}]`;
		const inventories = await begun(text, each => each.say('one', {name: 'a', port: 1}, {name: 'b', port: 2}));
		const ports = () =>
			Object.fromEntries(inventories.discovery.sandboxes.map(({name, target}) => [name, target.exec[2]]));
		inventories.say('one', {name: 'c', port: 1}, {name: 'a', port: 1}, {name: 'b', port: 1});
		await inventories.later(MINUTE);
		expect(ports()).toEqual({a: '1', b: '2'});
		expect(inventories.discovery.warnings[0]).toMatch(
			/left out: "b" reaches the same gateway as a .*; "c" reaches the same gateway as a /,
		);
		inventories.say('one', {name: 'a', port: 2}, {name: 'b', port: 1});
		await inventories.later(MINUTE);
		expect(ports()).toMatchObject({a: '2', b: '1'});
		await inventories.discovery.close();
	});

	it('stays as it was where what is said of it now passes no check', async () => {
		const text =
			'discover: [{command: [one], template: {gateway: {url: "ws://{host}:{port}", tokenCommand: [t, "{name}"]}, transport: gateway}}]';
		const inventories = await begun(text, each =>
			each.say('one', {name: 'a', host: '127.0.0.1'}, {name: 'b', host: '10.0.0.1'}),
		);
		expect(inventories.names).toEqual(['a']);
		inventories.say('one', {name: 'a', host: '10.0.0.1'}, {name: 'b', host: '127.0.0.1', port: 5});
		await inventories.later(MINUTE);
		expect(inventories.discovery.sandboxes.map(({gateway}) => gateway?.url)).toEqual([
			'ws://127.0.0.1:1000',
			'ws://127.0.0.1:5',
		]);
		await inventories.discovery.close();
	});

	it('is bounded, and who is there stays', async () => {
		const many = Array.from({length: MAX_DISCOVERED}, (_, index) => `s${index}`);
		const inventories = await begun(one, each => each.say('one', ...many));
		expect(inventories.names).toHaveLength(MAX_DISCOVERED);
		inventories.say('one', 'newcomer', ...many);
		await inventories.later(MINUTE);
		expect(inventories.names.toSorted()).toEqual(many.toSorted());
		expect(inventories.discovery.warnings).toEqual([
			expect.stringContaining('"newcomer" is one too many: 1000 discovered'),
		]);
		await inventories.discovery.close();
	});

	it('is shared with other instances by its names', async () => {
		const all = Array.from({length: 60}, (_, index) => `s${index}`);
		const shares = await Promise.all(
			[1, 2, 3].map(index => begun(`shard: ${index}/3\n${one}`, each => each.say('one', ...all))),
		);
		expect(shares.flatMap(({names}) => names).toSorted()).toEqual(all.toSorted());
		for (const {discovery, names} of shares) {
			expect(discovery.elsewhere).toBe(60 - names.length);
			await discovery.close();
		}
	});

	it('stays over a reload with what another template makes of it, and goes with its inventory; the inventories are asked at once', async () => {
		const inventories = await begun(one, each => each.say('one', 'alpha'));
		const {taken} = inventories;
		inventories.discovery.adopt(load(one.replace('enter', 'go')));
		expect(inventories.discovery.sandboxes.map(({target}) => target.exec)).toEqual([['go', 'alpha']]);
		await inventories.later(SECOND);
		expect(inventories.taken).toBe(taken + 1);
		inventories.discovery.adopt(load('discover: [{command: [two]}]'));
		expect(inventories.names).toEqual([]);
		await inventories.discovery.close();
	});
});
