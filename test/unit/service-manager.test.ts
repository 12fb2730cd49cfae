import os from 'node:os';
import {describe, expect, it} from 'vitest';
import type {Sent} from '../../supervisor/service/datagrams.ts';
import {statusMessage} from '../../supervisor/service/messages.ts';
import {ServiceManager} from '../../supervisor/service/service-manager.ts';
import {serviceSettings} from '../../supervisor/service/settings.ts';
import {unixAddress} from '../../supervisor/service/unix-address.ts';
import type {Status} from '../../supervisor/status/schema.ts';
import {MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

describe('what whoever started us wants to be told', () => {
	it('is nothing without NOTIFY_SOCKET, whatever else is set', () => {
		for (const socket of [undefined, '']) {
			const environment = {NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000'};
			expect(serviceSettings(environment, 1)).toEqual({address: null, watchdog: null, problems: []});
		}
	});

	it.each([
		[{WATCHDOG_USEC: '1500'}, 1.5],
		[{WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7'}, 30_000],
		[{WATCHDOG_USEC: '30000000', WATCHDOG_PID: ''}, 30_000],
		[{WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8'}, null],
		[{WATCHDOG_USEC: ''}, null],
		[{}, null],
	])('with %j has a watchdog of %s ms for process 7', (environment, watchdog) => {
		const settings = serviceSettings({NOTIFY_SOCKET: '/run/notify', ...environment}, 7);
		expect(settings).toEqual({address: expect.anything(), watchdog, problems: []});
	});

	it.each(['0', '-5', '1s', '1e6', ' 5'])('names a WATCHDOG_USEC of %j as what it cannot use', WATCHDOG_USEC => {
		const {watchdog, problems} = serviceSettings({NOTIFY_SOCKET: '@x', WATCHDOG_USEC}, 7);
		expect(watchdog).toBeNull();
		expect(problems).toEqual([expect.stringMatching(/^WATCHDOG_USEC must be a whole number/)]);
	});

	it.each(['notify', 'vsock:2:1234', '@', `/${'x'.repeat(120)}`])(
		'names a NOTIFY_SOCKET of %j as what it cannot use',
		NOTIFY_SOCKET => {
			const {address, problems} = serviceSettings({NOTIFY_SOCKET}, 7);
			expect(address).toBeNull();
			expect(problems).toEqual([expect.stringMatching(/^NOTIFY_SOCKET cannot be used/)]);
		},
	);

	it('has an address as unix(7) describes it: a path with its zero, an abstract name after one', () => {
		const family = os.endianness() === 'LE' ? [1, 0] : [0, 1];
		expect([...unixAddress('/a')]).toEqual([...family, 0x2f, 0x61, 0]);
		expect([...unixAddress('@a')]).toEqual([...family, 0, 0x61]);
		expect(unixAddress(`/${'x'.repeat(106)}`)).toHaveLength(110);
		expect(() => unixAddress(`/${'x'.repeat(107)}`)).toThrow(/longer/);
	});
});

/** A service manager that hears what it is told in simulated time, and answers each message as `sent` says. */
function listening({watchdog = null, sent}: {watchdog?: number | null; sent?: (text: string) => Sent} = {}) {
	const clock = new SimulatedClock();
	const heard: {readonly at: number; readonly text: string}[] = [];
	const logged: string[] = [];
	let isClosed = false;
	const datagrams = {
		send: (text: string): Sent => {
			expect(isClosed).toBe(false);
			const answer = sent?.(text) ?? {kind: 'sent'};
			if (answer.kind === 'sent') heard.push({at: clock.now(), text});
			return answer;
		},
		close: () => {
			isClosed = true;
		},
	};
	const manager = new ServiceManager(datagrams, watchdog, {clock, log: (_, message) => void logged.push(message)});
	const texts = () => heard.map(({text}) => text);
	return {clock, manager, heard, logged, texts};
}

/** Ticks as a supervisor does, for so long. */
async function tickFor(ms: number, clock: SimulatedClock, manager: ServiceManager): Promise<void> {
	for (const end = clock.now() + ms; clock.now() < end; await clock.sleep(manager.tickGap)) manager.ticked();
}

describe('the service manager', () => {
	it('is told of the start, each reload and the end, in this order', async () => {
		const {manager, texts, clock} = listening();
		manager.ready();
		const {promise, resolve} = Promise.withResolvers<string>();
		const reload = manager.duringReload(() => promise);
		const begun = `RELOADING=1\nMONOTONIC_USEC=${clock.now() * 1000}`;
		expect(texts()).toEqual(['READY=1', begun]);
		resolve('done');
		expect(await reload).toBe('done');
		expect(texts()).toEqual(['READY=1', begun, 'READY=1']);
		manager.stopping(10 * SECOND);
		manager.stopping(10 * SECOND);
		expect(texts().slice(3)).toEqual(['STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000']);
		manager.close();
	});

	it('is told that a refused reload is over too, and of one during the start or the end nothing', async () => {
		const {manager, texts} = listening();
		await manager.duringReload(async () => {});
		expect(texts()).toEqual([]);
		manager.ready();
		await expect(manager.duringReload(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
		expect(texts().at(-1)).toBe('READY=1');
		manager.stopping(0);
		const before = texts();
		await manager.duringReload(async () => {});
		manager.ready();
		expect(texts()).toEqual(before);
		manager.close();
	});

	it('hears twice in the time of its watchdog that the loop turns, and nothing once it does not', async () => {
		const {clock, manager, texts} = listening({watchdog: 2 * SECOND});
		await tickFor(10 * SECOND, clock, manager);
		const fed = texts().filter(text => text === 'WATCHDOG=1').length;
		expect(fed).toBeGreaterThanOrEqual(9);
		expect(fed).toBeLessThanOrEqual(10);
		await clock.sleep(2 * SECOND);
		const last = texts().length;
		await clock.sleep(MINUTE / 10);
		expect(texts()).toHaveLength(last);
		manager.close();
	});

	it('hears during the end, when nothing ticks, that it goes on', async () => {
		const {clock, manager, texts} = listening({watchdog: 2 * SECOND});
		manager.stopping(0);
		await clock.sleep(4.5 * SECOND);
		expect(texts().filter(text => text === 'WATCHDOG=1')).toHaveLength(4);
		manager.close();
	});

	it('gives a long start more time again and again, and nothing but a start', async () => {
		const {clock, manager, heard} = listening();
		await clock.sleep(25 * SECOND);
		expect(heard.map(({text}) => text)).toEqual(Array(2).fill('EXTEND_TIMEOUT_USEC=30000000'));
		manager.ready();
		await clock.sleep(MINUTE);
		expect(heard).toHaveLength(3);
		manager.close();
	});

	it('that is too busy for a message hears the last one about the state later', async () => {
		let isBusy = true;
		const {clock, manager, texts, logged} = listening({sent: () => (isBusy ? {kind: 'full'} : {kind: 'sent'})});
		manager.ready();
		manager.stopping(0);
		isBusy = false;
		await clock.sleep(11 * SECOND);
		expect(texts()).toEqual(['STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000']);
		expect(logged).toEqual([]);
		manager.close();
	});

	it('that is gone is warned of once, and hears what is new when it is back', async () => {
		let isGone = true;
		const {clock, manager, texts, logged} = listening({
			watchdog: 2 * SECOND,
			sent: () => (isGone ? {kind: 'failed', error: 'ECONNREFUSED'} : {kind: 'sent'}),
		});
		manager.ready();
		await tickFor(MINUTE, clock, manager);
		manager.show(statusOf({}));
		expect(logged).toHaveLength(1);
		isGone = false;
		await tickFor(11 * SECOND, clock, manager);
		expect(texts()).toEqual(expect.arrayContaining(['READY=1', 'WATCHDOG=1']));
		expect(logged).toHaveLength(1);
		manager.close();
	});

	it('is shown a status when it changes, at most once a second', async () => {
		const {clock, manager, texts} = listening();
		for (let approved = 0; approved < 10; approved++) {
			manager.show(statusOf({approved}));
			manager.show(statusOf({approved}));
			await clock.sleep(250);
		}
		expect(texts()).toEqual([0, 4, 8].map(approved => `STATUS=1 of 2 sandboxes healthy, ${approved} approved`));
		manager.close();
	});
});

/** As much of a status as the line shows. */
function statusOf({
	approved = 3,
	state = 'running',
	error = null,
	warnings = [],
}: {
	readonly approved?: number;
	readonly state?: Status['supervisor']['state'];
	readonly error?: string | null;
	readonly warnings?: string[];
}): Status {
	const sandbox = (name: string) => ({state: name, healthy: name === 'running'});
	return {
		supervisor: {state, warnings, config: {error}},
		totals: {approved},
		sandboxes: {a: sandbox('running'), b: sandbox('backoff'), c: sandbox('idle')},
	} as unknown as Status;
}

describe('the line that systemctl shows', () => {
	it.each([
		[{}, 'STATUS=1 of 2 sandboxes healthy, 3 approved'],
		[{state: 'starting'} as const, 'STATUS=starting: 1 of 2 sandboxes healthy, 3 approved'],
		[{warnings: ['a']}, 'STATUS=1 of 2 sandboxes healthy, 3 approved, 1 warning'],
		[{warnings: ['a', 'b'], error: 'x\nREADY=1'}, /, 2 warnings, the new configuration is refused \([^\n]+\)$/],
	])('for %j says %s', (change, line) => {
		expect(statusMessage(statusOf(change))).toMatch(line);
	});
});
