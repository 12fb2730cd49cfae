import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {systemClock} from '../../worker/clock.ts';
import type {WorkerConfig} from '../../worker/protocol.ts';
import {BusyMeter, BusyWatch} from '../../worker/transport/gateway/busy-watch.ts';
import {openTransport} from '../../worker/transport/open.ts';
import type {Transport} from '../../worker/transport/transport.ts';
import {freeTurns} from '../support/free-turns.ts';
import {ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {defaultPolicy} from '../unit/fixtures.ts';

/** Whether a worker is called too busy at each of so many readings, five seconds apart, by the share of that time in which it was busy. */
function readings(shares: readonly number[]): boolean[] {
	const watch = new BusyWatch({at: 0, busy: 0});
	let busy = 0;
	return shares.map((share, index) => {
		busy += share * 5000;
		return watch.isTooBusy({at: (index + 1) * 5000, busy});
	});
}

it('a worker that does nothing but read for a while is too busy; the same while does not count twice', () => {
	expect(readings([1, 1, 1, 0, 0, 0])).toEqual([false, false, true, false, false, false]);
	expect(readings([1, 1, 1, 1, 1, 1])).toEqual([false, false, true, false, false, true]);
});

it('one that is busy every now and then is too, if that is often', () => {
	expect(readings([1, 0, 0, 1, 0, 0, 1, 0, 0, 1])).not.toContain(true);
	expect(readings([1, 1, 0, 1, 1, 0, 1, 1, 0])).toContain(true);
});

it('a burst is forgotten', () => {
	expect(readings([1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])).not.toContain(true);
	expect(readings(Array(1000).fill(0.09))).not.toContain(true);
});

it('one that is busy for a tenth of the time is too, when that goes on for minutes', () => {
	const tooBusy = readings(Array(120).fill(0.11));
	expect(tooBusy.indexOf(true)).toBeGreaterThan(50);
	expect(readings(Array(100).fill(0.3)).indexOf(true)).toBe(19);
});

it.each([10, 3333, 6667, 10_000])(
	'one that is busy half of the time is found out within 35 s, looked at every %s ms',
	every => {
		const watch = new BusyWatch({at: 0, busy: 0});
		let at = 0;
		do at += every + 2;
		while (at < 600_000 && !watch.isTooBusy({at, busy: at / 2}));
		expect(at).toBeLessThan(35_000);
	},
);

it('one that nobody has looked at for longer than a while is not blamed for more than its share', () => {
	expect(new BusyWatch({at: 0, busy: 0}).isTooBusy({at: 60_000, busy: 13_000})).toBe(false);
	expect(new BusyWatch({at: 0, busy: 0}).isTooBusy({at: 60_000, busy: 25_000})).toBe(true);
});

describe('the time for which a worker is busy with a gateway', () => {
	it('is that for which the event loop does something', () => {
		const meter = new BusyMeter();
		meter.isConnected = true;
		const end = performance.now() + 50;
		while (performance.now() < end);
		expect(meter.total).toBeGreaterThan(25);
	});

	it('is counted only while there is a connection, and not while calls of the CLI run', () => {
		let busy = 0;
		const meter = new BusyMeter(() => busy);
		const counted = () => {
			const before = meter.total;
			busy += 1000;
			return meter.total - before;
		};
		expect(counted()).toBe(0);
		meter.isConnected = true;
		expect(counted()).toBe(1000);
		meter.callBegins();
		meter.callBegins();
		meter.callEnds();
		expect(counted()).toBe(0);
		meter.callEnds();
		expect(counted()).toBe(1000);
		meter.isConnected = false;
		expect(counted()).toBe(0);
	});
});

describe('a worker that is busy all the time', () => {
	let folder: string;
	let stopping: AbortController;

	beforeEach(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pairkeeper-busy-'));
		stopping = new AbortController();
		// Loaded beforehand: loading is not simulated either.
		await Promise.all([
			import('../../worker/transport/gateway/connection.ts'),
			import('../../worker/transport/gateway/client.ts'),
		]);
		vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'hrtime']});
		vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(() => ({
			active: systemClock.now(),
			idle: 0,
			utilization: 1,
		}));
	});
	afterEach(async () => {
		stopping.abort(new Error('stopped'));
		vi.restoreAllMocks();
		vi.useRealTimers();
		await rm(folder, {recursive: true});
	});

	/** Why it is not the gateway, whenever that changed in three quarters of a minute; the CLI hangs where it is asked. */
	async function reasons(url: string, isCalling: boolean): Promise<string[]> {
		const tokenFile = join(folder, 'token');
		await writeFile(tokenFile, scriptedToken, {mode: 0o600});
		const config: WorkerConfig = {
			name: 'alpha',
			target: {exec: ['sh', '-c', 'exec sleep 60'], env: {}, envFile: null, approveUnset: [], openclaw: ''},
			gateway: {url, tokenFile, tokenCommand: [], fingerprint: null, allowInsecure: false},
			inside: null,
			transport: 'auto',
			policy: defaultPolicy,
			maxApprovals: 8,
			isAudited: false,
			runTimeout: 120_000,
			passEnv: [],
			heartbeatInterval: 5000,
			cadence: {fastDeadline: 0, fastInterval: 1, slowInterval: 1, fastReentryPolls: 0, fastReentryInterval: 1},
		};
		const {signal} = stopping;
		const told: string[] = [];
		const timeout = () => 120_000;
		let transport: Transport | undefined;
		const note = () => told.push(transport?.reason ?? '');
		const opening = openTransport(config, {
			cli: {target: config.target, timeout, owner: 'test/busy', turns: freeTurns, passEnv: []},
			turns: freeTurns,
			left: () => Number.POSITIVE_INFINITY,
			clock: systemClock,
			avoidedUntil: null,
			wake: () => {},
			onChange: note,
			signal,
		}).then(opened => {
			transport = opened;
		});
		while (!transport) await pass(100);
		const listing = isCalling ? transport.client.list(signal).catch(() => {}) : null;
		for (let second = 1; second <= 45; second++) {
			await pass(1000);
			// As a worker does with each heartbeat.
			if (second % 5 === 0) transport.look?.();
		}
		note();
		stopping.abort(new Error('stopped'));
		await Promise.all([opening, listing]);
		return told;
	}

	/** Lets time pass, and what is not simulated, sockets and processes, have its turn. */
	async function pass(ms: number): Promise<void> {
		for (let turn = 0; turn < 20; turn++) await setImmediate();
		await vi.advanceTimersByTimeAsync(ms);
	}

	it('does not blame a gateway that is not even there', async () => {
		const all = await reasons('ws://127.0.0.1:9', false);
		expect(all.at(-1)).toMatch(/ECONNREFUSED/);
		expect(all.join()).not.toMatch(/floods/);
	});

	it('blames one that it is connected to, also before that has said hello', async () => {
		await using gateway = await ScriptedGateway.start({connect: () => {}});
		expect((await reasons(gateway.url, false)).join()).toMatch(/floods/);
	});

	it('blames none while it waits for the CLI', async () => {
		// Loaded beforehand: that takes real time, which the simulated does not wait for.
		await import('../../worker/transport/cli/client.ts');
		await using gateway = await ScriptedGateway.start({connect: () => {}});
		expect((await reasons(gateway.url, true)).join()).not.toMatch(/floods/);
	});
});
