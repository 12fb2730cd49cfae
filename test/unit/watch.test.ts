import {describe, expect, it} from 'vitest';
import {ClientError} from '../../worker/client-error.ts';
import {Ledger} from '../../worker/requests/ledger.ts';
import {polledTransport, type Transport} from '../../worker/transport/transport.ts';
import type {CadenceConfig} from '../../worker/watch/cadence.ts';
import {Wakes} from '../../worker/watch/wakes.ts';
import {type WatchDeps, type WatchEvent, watch} from '../../worker/watch/watch.ts';
import {defaultPolicy, entryOf, HOUR, MemoryGateway, MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

const cadence: CadenceConfig = {
	fastDeadline: 10 * MINUTE,
	fastInterval: SECOND,
	slowInterval: 30 * SECOND,
	fastReentryPolls: 5,
	fastReentryInterval: SECOND,
};

/** A sandbox under watch, on simulated time. */
class Shift {
	readonly clock = new SimulatedClock(0);
	readonly gateway = new MemoryGateway();
	readonly wakes = new Wakes();
	readonly events: WatchEvent[] = [];
	/** When each pass began, and in which mode. */
	readonly polls: {readonly at: number; readonly mode: 'fast' | 'slow'}[] = [];
	/** The changes of the mode, and when they were. */
	readonly modeChanges: string[] = [];
	#mode = '';
	readonly #stopping = new AbortController();

	/** Watches until `ms` have passed. */
	async last(ms: number, change: Partial<WatchDeps> = {}): Promise<void> {
		this.clock.after(ms, () => this.#stopping.abort(new Error('the deadline')));
		await watch({
			cadence,
			maxApprovals: 8,
			intend: async () => {},
			transport: polledTransport(this.gateway, null),
			ledger: new Ledger(defaultPolicy, cadence.slowInterval),
			clock: this.clock,
			wakes: this.wakes,
			report: events => {
				for (const event of events) this.#take(event);
			},
			signal: this.#stopping.signal,
			resumed: null,
			...change,
		});
	}

	#take(event: WatchEvent): void {
		this.events.push(event);
		if (event.kind === 'polling' || event.kind === 'polled') this.#note(event.cadence.mode);
		if (event.kind === 'polling') this.polls.push({at: this.clock.now(), mode: event.cadence.mode});
	}

	stop(): void {
		this.#stopping.abort(new Error('stopped'));
	}

	count(kind: WatchEvent['kind']): number {
		return this.events.filter(event => event.kind === kind).length;
	}

	#note(mode: 'fast' | 'slow'): void {
		if (mode !== this.#mode) this.modeChanges.push(`${mode} at ${this.clock.now() / SECOND} s`);
		this.#mode = mode;
	}

	pollsBetween(from: number, to: number): number {
		return this.polls.filter(({at}) => at >= from && at < to).length;
	}
}

describe('eight hours of one sandbox', () => {
	it('are fast until pairing converges, slow after, fast again for a late upgrade and after an outage, and end at the deadline', async () => {
		const shift = new Shift();
		const {clock, gateway} = shift;
		// A call takes its time, as the real one does.
		gateway.before = () => clock.sleep(SECOND);
		clock.after(20 * SECOND, () => gateway.pending.push(entryOf({requestId: 'browser', clientMode: 'webchat'})));
		clock.after(2 * HOUR, () => gateway.pending.push(entryOf({requestId: 'late', scopes: ['operator.write']})));
		clock.after(3 * HOUR, () =>
			gateway.pending.push(entryOf({requestId: 'stranger', clientMode: 'odd', clientId: 'odd'})),
		);
		clock.after(4 * HOUR, () => {
			gateway.before = async () => {
				await clock.sleep(SECOND);
				throw new ClientError('unreachable', 'gateway closed');
			};
		});
		clock.after(4 * HOUR + 10 * MINUTE, () => {
			gateway.before = () => clock.sleep(SECOND);
		});

		await shift.last(8 * HOUR);

		expect(clock.now()).toBe(8 * HOUR);
		expect(shift.modeChanges).toEqual([
			'fast at 0 s',
			'slow at 28 s',
			// The outage of ten minutes ended at 15000 s.
			expect.stringMatching(/^fast at 150\d\d s$/),
			expect.stringMatching(/^slow at 150\d\d s$/),
		]);
		const approvals = gateway.calls.filter(call => call.startsWith('approve'));
		expect(approvals).toEqual(['approve browser', 'approve late']);
		expect(shift.events.filter(({kind}) => kind === 'refused')).toHaveLength(1);
		// 31 s a poll, but for the fast ones.
		expect(gateway.callsOf('list')).toBe(shift.polls.length);
		expect(shift.polls.length).toBeGreaterThan((8 * HOUR) / (31 * SECOND));
		expect(shift.polls.length).toBeLessThan((8 * HOUR) / (31 * SECOND) + 50);
		// The late upgrade was met within one slow interval and a call, and bought five fast polls.
		expect(shift.pollsBetween(2 * HOUR, 2 * HOUR + MINUTE)).toBeGreaterThanOrEqual(6);
		expect(shift.pollsBetween(3 * HOUR, 3 * HOUR + MINUTE)).toBeLessThanOrEqual(2);
	});

	it('are fast for ten minutes only when nothing ever pairs', async () => {
		const shift = new Shift();
		await shift.last(8 * HOUR);
		expect(shift.modeChanges).toEqual(['fast at 0 s', 'slow at 600 s']);
		expect(shift.polls).toHaveLength(600 + (8 * HOUR - 10 * MINUTE) / (30 * SECOND));
	});

	it('are fast for ten minutes only when a request sticks that is refused, or every call fails', async () => {
		const sticky = new Shift();
		sticky.gateway.paired = [{deviceId: 'device-1'}];
		sticky.gateway.pending = [entryOf({clientMode: 'odd', clientId: 'odd'})];
		await sticky.last(8 * HOUR);
		expect(sticky.modeChanges).toEqual(['fast at 0 s', 'slow at 3 s']);
		expect(sticky.count('refused')).toBe(1);

		const broken = new Shift();
		broken.gateway.before = () => {
			throw new ClientError('timeout', 'no answer');
		};
		await broken.last(8 * HOUR);
		expect(broken.modeChanges).toEqual(['fast at 0 s', 'slow at 600 s']);
	});
});

describe('an approve that always fails', () => {
	it('is called no more in an hour than its backoff allows', async () => {
		const shift = new Shift();
		shift.gateway.pending = [entryOf()];
		shift.gateway.before = call => {
			if (call !== 'list') throw new ClientError('refused', 'exit 7');
		};
		await shift.last(HOUR);
		// After 1, 2, 4, 8 and 16 s, and every 30 s from then on.
		expect(shift.gateway.callsOf('approve')).toBeLessThanOrEqual(6 + (HOUR - 31 * SECOND) / (30 * SECOND));
		expect(shift.gateway.callsOf('approve')).toBeGreaterThan(60);
		expect(shift.modeChanges).toEqual(['fast at 0 s', 'slow at 600 s']);
	});

	it('is no reason to hold up another request', async () => {
		const shift = new Shift();
		shift.gateway.pending = [entryOf(), entryOf({requestId: 'r2'})];
		shift.gateway.before = call => {
			if (call === 'approve r1') throw new ClientError('timeout', 'no answer');
		};
		await shift.last(MINUTE);
		expect(shift.gateway.pending.map(({requestId}) => requestId)).toEqual(['r1']);
	});
});

describe('a call that hangs', () => {
	it('past its bound does not hold the loop', async () => {
		const shift = new Shift();
		const {clock, gateway} = shift;
		gateway.before = async call => {
			if (call !== 'approve r1') return;
			await clock.sleep(10 * SECOND);
			throw new ClientError('timeout', 'no answer within 10 s');
		};
		gateway.pending = [entryOf(), entryOf({requestId: 'r2'})];
		await shift.last(15 * SECOND);
		expect(gateway.calls.slice(0, 4)).toEqual(['list', 'approve r1', 'list', 'approve r2']);
	});
});

describe('a wait between two polls', () => {
	it('ends when somebody kicks, and is short for a while after', async () => {
		const shift = new Shift();
		shift.gateway.paired = [{deviceId: 'device-1'}];
		shift.clock.after(10 * MINUTE + 500, () => shift.wakes.kick());
		await shift.last(12 * MINUTE);
		const at = shift.polls.map(poll => poll.at).filter(time => time > 10 * MINUTE);
		expect(at.slice(0, 6).map(time => time - 10 * MINUTE - 500)).toEqual([0, 1000, 2000, 3000, 4000, 34_000]);
		expect(shift.modeChanges).toEqual(['fast at 0 s', 'slow at 3 s']);
	});

	it('ends when somebody wants a pass, who is told its outcome', async () => {
		const shift = new Shift();
		shift.gateway.paired = [{deviceId: 'device-1'}];
		shift.clock.after(10 * MINUTE + 1, () => {
			shift.gateway.pending = [entryOf({scopes: ['operator.write']})];
			shift.wakes.requestPass('p1');
			shift.wakes.requestPass('p2');
		});
		await shift.last(11 * MINUTE);
		const answers = shift.events.flatMap(event => (event.kind === 'polled' && event.passes.length > 0 ? [event] : []));
		expect(answers).toMatchObject([{passes: ['p1', 'p2'], outcome: {approved: 1}}]);
	});

	it('ends at once when it is stopped, and so does a pass', async () => {
		const waiting = new Shift();
		waiting.clock.after(90 * SECOND + 1, () => waiting.stop());
		await waiting.last(HOUR);
		expect(waiting.clock.now()).toBe(90 * SECOND + 1);

		const calling = new Shift();
		calling.gateway.before = () => calling.stop();
		await calling.last(HOUR);
		expect(calling.events.map(({kind}) => kind)).toEqual(['polling']);
	});

	it('is not skipped for what was asked during a pass: one more pass answers all of it', async () => {
		const shift = new Shift();
		shift.gateway.paired = [{deviceId: 'device-1'}];
		shift.gateway.before = () => {
			if (shift.gateway.calls.length !== 1) return;
			for (const id of ['p1', 'p2', 'p3']) shift.wakes.requestPass(id);
		};
		await shift.last(500);
		expect(shift.polls).toHaveLength(2);
		const passes = shift.events.flatMap(event => (event.kind === 'polled' ? [event.passes] : []));
		expect(passes).toEqual([[], ['p1', 'p2', 'p3']]);
	});
});

describe('a gateway that announces its requests', () => {
	/** A shift of a gateway that announces. */
	const last = (shift: Shift, ms: number) => {
		const transport: Transport = {...polledTransport(shift.gateway, null), kind: 'gateway', isEventDriven: true};
		return shift.last(ms, {transport});
	};

	it('is polled slowly from the start, and at once when something is announced', async () => {
		const shift = new Shift();
		shift.clock.after(10 * SECOND, () => {
			shift.gateway.pending = [entryOf()];
			shift.wakes.wake();
		});
		await last(shift, 70 * SECOND);
		expect(shift.polls.map(({at}) => at / SECOND)).toEqual([0, 10, 40]);
		expect(shift.polls.every(({mode}) => mode === 'slow')).toBe(true);
		expect(shift.count('approved')).toBe(1);
	});

	it('is asked again when a failed approval is due, not before', async () => {
		const shift = new Shift();
		shift.gateway.pending = [entryOf()];
		shift.gateway.before = call => {
			if (call !== 'list' && shift.gateway.callsOf('approve') < 3) throw new ClientError('refused', 'exit 7');
		};
		await last(shift, MINUTE);
		expect(shift.polls.slice(0, 3).map(({at}) => at / SECOND)).toEqual([0, 1, 3]);
		// And says so.
		const waits = shift.events.flatMap(event => (event.kind === 'polled' ? event.wait / SECOND : []));
		expect(waits.slice(0, 3)).toEqual([1, 2, 30]);
		expect(shift.count('approved')).toBe(1);
	});

	it.each([
		['whose lists fail while an approval is due again', [entryOf()]],
		['that lists a refused request which cannot be rejected', [entryOf({requestId: '--url=ws://x'})]],
		['that lists two requests under one id', [entryOf(), entryOf({scopes: ['operator.write']})]],
	])('is not asked without a pause, %s', async (_, pending) => {
		const shift = new Shift();
		shift.gateway.pending = pending;
		shift.gateway.before = call => {
			if (shift.gateway.calls.length > 1000) shift.stop();
			if (call !== 'list') throw new ClientError('refused', 'exit 7');
			if (pending.length === 1 && shift.gateway.callsOf('approve') > 0) throw new ClientError('refused', 'closed');
		};
		await last(shift, 10 * MINUTE);
		expect(shift.polls.length).toBeLessThan(30);
	});
});

it('a worker that is killed again and again after each poll buys no fast polling', async () => {
	const clock = new SimulatedClock(0);
	const gateway = new MemoryGateway();
	let resumed: WatchDeps['resumed'] = null;
	let fast = 0;
	while (clock.now() < HOUR) {
		const killed = new AbortController();
		await watch({
			cadence,
			maxApprovals: 8,
			intend: async () => {},
			transport: polledTransport(gateway, null),
			ledger: new Ledger(defaultPolicy, cadence.slowInterval),
			clock,
			wakes: new Wakes(),
			report: ([event]) => {
				if (event?.kind === 'polling' && event.cadence.mode === 'fast') fast++;
				if (event?.kind !== 'polled') return;
				resumed = structuredClone(event.cadence);
				killed.abort(new Error('killed'));
			},
			signal: killed.signal,
			resumed,
		});
		await clock.sleep(SECOND);
	}
	expect(fast).toBeLessThanOrEqual(600);
});
