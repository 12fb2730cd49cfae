import {describe, expect, it} from 'vitest';
import type {Snapshot} from '../../worker/protocol.ts';
import {MINUTE, SECOND} from './fixtures.ts';
import {PuppetSandbox, snapshotOf, specOf} from './sandbox-fixtures.ts';

const gateway = {
	url: 'ws://127.0.0.1:18789',
	tokenFile: '/token',
	tokenCommand: [],
	fingerprint: null,
	allowInsecure: false,
};
const inside = {execInput: ['enter', '-i'], port: null, tokenFile: null, tokenCommand: []};

/** A sandbox whose worker says what it is told to say, and has listed just now unless that says otherwise. */
function started(...[change, more]: Parameters<typeof specOf>) {
	const puppets = new PuppetSandbox(specOf(change, more));
	puppets.sandbox.start();
	let progress = 0;
	const say = (snapshot: Partial<Snapshot> = {}) =>
		puppets.worker.beat(++progress, snapshotOf({lastListAt: puppets.clock.wall(), ...snapshot}));
	return {...puppets, puppets, clock: puppets.clock, sandbox: puppets.sandbox, say};
}

const up = {transport: 'gateway', route: 'url'} as const;
const down = {transport: 'gateway', route: 'url', transportReason: 'ECONNREFUSED'} as const;
const slow = {transport: 'cli', route: null, transportReason: 'token mismatch'} as const;

it('a sandbox shows how many paired devices have more than the policy grants, where there are any', () => {
	const {sandbox, say} = started();
	say({widePaired: 0});
	expect(sandbox.status()).not.toHaveProperty('widePaired');
	say({widePaired: 2});
	expect(sandbox.status().widePaired).toBe(2);
});

describe('a sandbox is healthy', () => {
	it('from its first list on, for three intervals and the bound of a call', async () => {
		const {sandbox, clock, say} = started();
		say({lastListAt: null});
		expect(sandbox.status()).toMatchObject({state: 'running', healthy: false});
		say();
		expect(sandbox.status().healthy).toBe(true);
		await clock.sleep(13 * SECOND);
		expect(sandbox.status().healthy).toBe(true);
		await clock.sleep(1);
		expect(sandbox.status().healthy).toBe(false);
	});

	it('after its worker was replaced, if the last list of the one before is not too old', async () => {
		const {sandbox, clock, say, puppets} = started();
		say();
		puppets.worker.exit();
		expect(sandbox.status().healthy).toBe(false);
		await clock.sleep(100);
		puppets.worker.beat(1, snapshotOf());
		expect(sandbox.status().healthy).toBe(true);
		await clock.sleep(13 * SECOND);
		expect(sandbox.status().healthy).toBe(false);
	});

	it('without its only way, the gateway, for less than the bound of a call, however recent its last list', async () => {
		const {sandbox, clock, say} = started({transport: 'gateway', gateway});
		say({...up, interval: 30});
		await clock.sleep(MINUTE);
		expect(sandbox.status().healthy).toBe(true);
		say({...down, interval: 30});
		await clock.sleep(10 * SECOND - 1);
		expect(sandbox.status().healthy).toBe(true);
		await clock.sleep(1);
		expect(sandbox.status()).toMatchObject({state: 'running', healthy: false, transportReason: 'ECONNREFUSED'});
		say({...up, interval: 30});
		expect(sandbox.status().healthy).toBe(true);
	});
});

describe('the slow way', () => {
	const warnings = (sandbox: PuppetSandbox['sandbox']) => sandbox.status().warnings.join();

	it('is a warning after a minute where a gateway is configured, with the reason, and none once the gateway is back', async () => {
		const {sandbox, clock, say} = started({gateway});
		say(slow);
		await clock.sleep(MINUTE - 1);
		expect(warnings(sandbox)).toBe('');
		await clock.sleep(1);
		expect(warnings(sandbox)).toMatch(/slow way.*token mismatch/);
		say(up);
		expect(warnings(sandbox)).toBe('');
	});

	it('lasts as long when a worker is replaced meanwhile', async () => {
		const {sandbox, clock, say, puppets} = started({gateway});
		say(slow);
		await clock.sleep(MINUTE - SECOND);
		puppets.worker.exit();
		await clock.sleep(SECOND);
		say(slow);
		expect(warnings(sandbox)).toMatch(/slow way/);
	});

	it('is no warning where nobody has asked for the gateway, unless it has worked before', async () => {
		const {sandbox, clock, say} = started({inside});
		say(slow);
		await clock.sleep(10 * MINUTE);
		expect(warnings(sandbox)).toBe('');
		say({...up, route: 'inside'});
		say(slow);
		await clock.sleep(MINUTE);
		expect(warnings(sandbox)).toMatch(/slow way/);
	});

	it('is no warning where it is the way that was chosen', async () => {
		const {sandbox, clock, say} = started({gateway, transport: 'cli'});
		say({transportReason: 'the configuration says transport: cli'});
		await clock.sleep(10 * MINUTE);
		expect(warnings(sandbox)).toBe('');
	});
});
