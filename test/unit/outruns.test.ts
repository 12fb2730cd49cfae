import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {ClientError} from '../../worker/client-error.ts';
import {Ledger} from '../../worker/requests/ledger.ts';
import {runPass} from '../../worker/requests/pass.ts';
import {watchingOutruns} from '../../worker/transport/cli/outrun-watch.ts';
import {afterListing, afterTry, noOutruns} from '../../worker/transport/cli/outruns.ts';
import {defaultPolicy, entryOf, listingOf, MemoryGateway, MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

const {signal} = new AbortController();
const slowInterval = 30 * SECOND;

/** A sandbox that is polled by calls of the CLI. */
function sandbox() {
	const gateway = new MemoryGateway();
	const clock = new SimulatedClock();
	const ledger = new Ledger(defaultPolicy, slowInterval);
	const {client, warnings} = watchingOutruns(gateway, {clock, slowInterval, remedy: 'do something'});
	let ids = 0;
	const asks = (deviceId = 'device-1') => {
		const others = gateway.pending.filter(entry => entry.deviceId !== deviceId);
		gateway.pending = [...others, entryOf({requestId: `r${++ids}`, deviceId})];
	};
	return {
		gateway,
		clock,
		asks,
		warnings,
		pass: () => runPass({client, ledger, clock, maxApprovals: 8, report: () => {}, signal}),
	};
}

describe('a device that asks under another id before each approval', () => {
	function outrun() {
		const world = sandbox();
		world.gateway.before = call => {
			if (call.startsWith('approve')) world.asks();
		};
		world.asks();
		return world;
	}

	it('is told of with the remedy, and once a device', async () => {
		const {pass, warnings} = outrun();
		expect(await pass()).toMatchObject({approved: 0});
		expect(warnings()).toEqual([]);
		await pass();
		expect(warnings()).toEqual([expect.stringMatching(/^device device-1 asks again and again.*; do something$/)]);
	});

	it('is told of no more once it is approved', async () => {
		const {gateway, pass, warnings} = outrun();
		await pass();
		await pass();
		gateway.before = () => {};
		expect(await pass()).toMatchObject({approved: 1});
		expect(warnings()).toEqual([]);
	});

	it('is told of no more a while after it was seen last', async () => {
		const {gateway, clock, pass, warnings} = outrun();
		await pass();
		await pass();
		gateway.pending = [];
		await clock.sleep(2 * slowInterval);
		await pass();
		expect(warnings()).toHaveLength(1);
		await clock.sleep(MINUTE + SECOND);
		expect(warnings()).toEqual([]);
	});

	it('is told of among others that are approved in time', async () => {
		const {asks, gateway, pass, warnings} = outrun();
		for (const device of ['device-2', 'device-3']) asks(device);
		for (let times = 0; times < 4; times++) await pass();
		expect(warnings()).toEqual([expect.stringContaining('device-1')]);
		expect(gateway.paired.map(({deviceId}) => deviceId)).toEqual(expect.arrayContaining(['device-2', 'device-3']));
	});
});

describe('nothing is told', () => {
	it('of a request that our own approval replaces', async () => {
		const {gateway, asks, pass, warnings} = sandbox();
		asks();
		gateway.before = call => {
			if (!call.startsWith('approve')) return;
			asks();
			const [{requestId} = {requestId: ''}] = gateway.pending;
			throw new ClientError('refused', 'pairing required', {caused: [String(requestId)]});
		};
		for (let times = 0; times < 5; times++) await pass();
		expect(warnings()).toEqual([]);
	});

	it('of a request that goes away, or stays', async () => {
		const {gateway, asks, pass, warnings} = sandbox();
		gateway.before = call => {
			if (call.startsWith('approve')) throw new ClientError('timeout', 'no answer');
		};
		for (let times = 0; times < 5; times++) {
			asks(`device-${times}`);
			await pass();
			gateway.pending = [];
			await pass();
		}
		asks();
		for (let times = 0; times < 5; times++) await pass();
		expect(warnings()).toEqual([]);
	});
});

it('what is remembered is bounded, whatever a gateway lists', () => {
	const ids = fc.array(fc.tuple(fc.string(), fc.string()), {minLength: 40, maxLength: 200});
	fc.assert(
		fc.property(ids, fc.string(), (tries, successor) => {
			const tried = tries.reduce((state, [requestId, deviceId]) => afterTry(state, requestId, deviceId), noOutruns);
			expect(tried.tried.size).toBeLessThanOrEqual(32);
			const {pending} = listingOf(
				tries.map(([, deviceId]) => entryOf({requestId: `new${successor.length}`, deviceId})),
			);
			const after = afterListing(tried, pending, 0, MINUTE);
			expect(after.devices.size).toBeLessThanOrEqual(32);
			expect(after.tried.size).toBeLessThanOrEqual(32);
		}),
	);
});
