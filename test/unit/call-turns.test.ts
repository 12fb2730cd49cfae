import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {TurnAccounts} from '../../supervisor/calls/accounts.ts';
import {idleCores} from '../../supervisor/calls/idle-cores.ts';
import {TurnLender} from '../../supervisor/calls/lending.ts';
import {type CallLimit, callLimit} from '../../supervisor/calls/limit.ts';
import {CallTurns, nextTurn, type TurnState, type Waiter} from '../../supervisor/calls/turns.ts';
import {TURN_KINDS, type TurnKind} from '../../worker/turns.ts';
import {MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

/** A host whose calls last as long as a test says. */
class Host {
	now = 0;
	readonly turns: CallTurns;
	/** Granted calls, in order. */
	readonly granted: string[] = [];
	#turn = 0;

	constructor(limit: number | CallLimit) {
		this.turns = new CallTurns(limit, () => this.now);
	}

	ask(sandbox: string, kind: TurnKind = 'list'): number {
		const turn = ++this.#turn;
		this.turns.request(sandbox, turn, kind, () => this.granted.push(`${sandbox} ${kind}`));
		return turn;
	}

	/** A call of that sandbox that was granted at once and timed out. */
	makeSuspect(sandbox: string): void {
		this.turns.over(sandbox, this.ask(sandbox), 'timeout');
	}
}

const waiter = (sandbox: string, kind: TurnKind, since: number): Waiter => ({sandbox, turn: 1, kind, since});
const idle: TurnState = {
	limit: 2,
	running: [],
	waiting: [],
	suspects: new Set(),
	lastSuspectTurn: 0,
	used: () => 0,
};
const next = (state: Partial<TurnState>, now: number) => nextTurn({...idle, ...state}, now)?.sandbox ?? null;

describe('the limit', () => {
	it('is never exceeded, no turn is granted twice, and none is kept back while somebody waits', () => {
		const act = fc.oneof(
			{weight: 5, arbitrary: fc.record({act: fc.constant('ask' as const), sandbox: fc.nat(5), kind: fc.nat(2)})},
			{weight: 4, arbitrary: fc.record({act: fc.constant('over' as const), pick: fc.nat(), outcome: fc.nat(3)})},
			{
				weight: 1,
				arbitrary: fc.record({act: fc.constant('forget' as const), sandbox: fc.nat(5), isAtFault: fc.boolean()}),
			},
			{weight: 1, arbitrary: fc.record({act: fc.constant('limit' as const), limit: fc.integer({min: 1, max: 4})})},
			{weight: 2, arbitrary: fc.record({act: fc.constant('wait' as const), ms: fc.nat(20_000)})},
		);
		fc.assert(
			fc.property(fc.integer({min: 1, max: 4}), fc.array(act, {maxLength: 80}), (limit, acts) => {
				let now = 0;
				let turn = 0;
				let bound = limit;
				const turns = new CallTurns(limit, () => now);
				const running = new Map<number, string>();
				const asked = new Map<number, string>();
				for (const step of acts) {
					const before = new Set(running.keys());
					if (step.act === 'wait') now += step.ms;
					else if (step.act === 'limit') {
						bound = step.limit;
						turns.limit = step.limit;
					} else if (step.act === 'ask') {
						const sandbox = `s${step.sandbox}`;
						const id = ++turn;
						asked.set(id, sandbox);
						turns.request(sandbox, id, TURN_KINDS[step.kind] ?? 'list', () => {
							expect(running.has(id)).toBe(false);
							expect(asked.get(id)).toBe(sandbox);
							running.set(id, sandbox);
						});
					} else if (step.act === 'over') {
						const ids = [...asked.keys()];
						const id = ids[step.pick % (ids.length || 1)];
						if (id === undefined) continue;
						const sandbox = asked.get(id) ?? '';
						asked.delete(id);
						running.delete(id);
						turns.over(
							sandbox,
							id,
							(['answered', 'failed', 'timeout', 'cancelled'] as const)[step.outcome] ?? 'failed',
						);
					} else {
						for (const [id, sandbox] of asked) {
							if (sandbox !== `s${step.sandbox}`) continue;
							asked.delete(id);
							running.delete(id);
						}
						turns.forget(`s${step.sandbox}`, step.isAtFault);
					}
					const isNew = [...running.keys()].some(id => !before.has(id));
					if (isNew) expect(running.size).toBeLessThanOrEqual(bound);
					expect(turns.counts).toEqual({running: running.size, waiting: asked.size - running.size, limit: bound});
				}
			}),
			{numRuns: 500},
		);
	}, 30_000);

	it('that is lowered is kept as soon as calls end, and one that is raised is used at once', () => {
		const host = new Host(3);
		const turns = ['a', 'b', 'c'].map(name => host.ask(name));
		host.ask('d');
		host.turns.limit = 1;
		for (const [index, name] of ['a', 'b'].entries()) host.turns.over(name, turns[index] ?? 0, 'answered');
		expect(host.turns.counts).toEqual({running: 1, waiting: 1, limit: 1});
		host.turns.limit = 2;
		expect(host.granted.at(-1)).toBe('d list');
	});
});

describe('who is next', () => {
	it('is nobody while the limit is reached or nobody waits', () => {
		expect(next({}, 0)).toBeNull();
		const running = [1, 2].map(turn => ({...waiter(`s${turn}`, 'list', 0), turn, isSuspect: false}));
		expect(next({running, waiting: [waiter('a', 'approve', 0)]}, 1000)).toBeNull();
	});

	it('is the one who has waited longest, among lists and among approvals', () => {
		expect(next({waiting: [waiter('b', 'list', 2), waiter('a', 'list', 1)]}, 10)).toBe('a');
		expect(next({waiting: [waiter('b', 'approve', 2), waiter('a', 'approve', 1)]}, 10)).toBe('a');
	});

	it('is an approval before a list, even before lists that a crowded host keeps waiting', () => {
		for (const waited of [1, 4 * SECOND, 10 * SECOND, 45 * SECOND]) {
			const waiting = [waiter('list', 'list', 0), waiter('approval', 'approve', waited)];
			expect(next({waiting}, waited)).toBe('approval');
		}
	});

	it('is at last a list, however many approvals come', () => {
		const waiting = [waiter('list', 'list', 0), waiter('approval', 'approve', 2 * MINUTE)];
		expect(next({waiting}, 2 * MINUTE)).toBe('list');
	});

	it('is a list of a sandbox where somebody asks before another one, for half a minute, and an approval before it', () => {
		const urgent = waiter('busy', 'urgent-list', 9 * SECOND);
		expect(next({waiting: [waiter('quiet', 'list', 0), urgent]}, 10 * SECOND)).toBe('busy');
		expect(next({waiting: [urgent, waiter('other', 'approve', 9 * SECOND)]}, 10 * SECOND)).toBe('other');
		expect(next({waiting: [waiter('quiet', 'list', 0), {...urgent, since: 31 * SECOND}]}, 32 * SECOND)).toBe('quiet');
	});

	it('is who has lately used little turn time before who has used much, though that one has waited longer and wants to approve', () => {
		const used = (party: string) => (party === 'greedy' ? 20 * SECOND : SECOND);
		const waiting = [waiter('greedy', 'approve', 0), waiter('modest', 'list', 9 * SECOND)];
		expect(next({waiting, used}, 10 * SECOND)).toBe('modest');
		expect(next({waiting}, 10 * SECOND)).toBe('greedy');
	});

	it('is at last the one who has used most, however many others come', () => {
		const used = (party: string) => (party === 'greedy' ? 5 * SECOND : 0);
		const others = waiter('other', 'approve', 2 * MINUTE);
		expect(next({waiting: [waiter('greedy', 'list', 0), others], used}, 2 * MINUTE)).toBe('greedy');
	});

	it('is a healthy sandbox before one whose last call timed out, whatever they want', () => {
		const waiting = [waiter('suspect', 'approve', 0), waiter('healthy', 'list', 9 * SECOND)];
		expect(next({waiting, suspects: new Set(['suspect']), lastSuspectTurn: 0}, 10 * SECOND)).toBe('healthy');
	});

	it('is a suspect again after half a minute, when it has waited longest, but not before an approval', () => {
		const suspects = {suspects: new Set(['suspect']), lastSuspectTurn: 0};
		const suspect = waiter('suspect', 'list', 5 * SECOND);
		expect(next({...suspects, waiting: [suspect, waiter('a', 'list', 6 * SECOND)]}, 35 * SECOND)).toBe('a');
		expect(next({...suspects, waiting: [suspect, waiter('a', 'list', 6 * SECOND)]}, 36 * SECOND)).toBe('suspect');
		expect(next({...suspects, waiting: [suspect, waiter('a', 'list', 4 * SECOND)]}, 36 * SECOND)).toBe('a');
		expect(next({...suspects, waiting: [suspect, waiter('a', 'approve', 36 * SECOND)]}, 36 * SECOND)).toBe('a');
	});

	it('is a suspect when nobody else wants the turn, one at a time', () => {
		const waiting = [waiter('b', 'list', 0)];
		const suspects = new Set(['a', 'b']);
		expect(next({waiting, suspects}, 1)).toBe('b');
		expect(next({waiting, suspects, running: [{...waiter('a', 'list', 0), isSuspect: true}]}, MINUTE * 10)).toBeNull();
	});
});

describe('turn time', () => {
	it('fades by half in a minute, and is bounded however long a turn is held', () => {
		const accounts = new TurnAccounts();
		accounts.charge('a', 0, 10 * SECOND);
		expect(accounts.used('a', 10 * SECOND)).toBe(10 * SECOND);
		expect(accounts.used('a', 70 * SECOND)).toBeCloseTo(5 * SECOND);
		expect(accounts.used('b', 70 * SECOND)).toBe(0);
		for (let s = 0; s < 3600; s += 10) accounts.charge('a', s * SECOND, (s + 10) * SECOND);
		expect(accounts.used('a', 3600 * SECOND)).toBeLessThan(1.6 * MINUTE);
	});
});

describe('turns beyond the limit', () => {
	const times = (busy: number, total: number) => ({idle: total - busy, total, cores: 2});

	/** Looks twice, the cores having been busy for that part of the time. */
	function look(host: Host, busy: number): void {
		const readings = [times(0, 0), times(busy * 1000, 1000)];
		const lender = new TurnLender(host.turns, () => readings.shift() ?? times(0, 0));
		lender.look();
		lender.look();
	}

	it('are looked for while somebody waits who could have one, and no longer', async () => {
		const clock = new SimulatedClock();
		const host = new Host({limit: 1, most: 2});
		let looks = 0;
		const lender = new TurnLender(host.turns, () => {
			looks++;
			return times(0, looks * 1000);
		});
		const stop = lender.run(clock);
		await clock.sleep(MINUTE);
		expect(looks).toBe(0);
		const first = host.ask('a');
		host.ask('b');
		await clock.sleep(SECOND);
		expect(host.granted).toEqual(['a list', 'b list']);
		const seen = looks;
		host.ask('c');
		await clock.sleep(MINUTE);
		expect(looks).toBe(seen);
		host.turns.over('a', first, 'answered');
		host.ask('d');
		await clock.sleep(SECOND);
		expect(host.granted).toEqual(['a list', 'b list', 'c list']);
		stop();
		expect(seen).toBeGreaterThan(1);
	});

	it('are lent where calls that run leave cores idle, as many as idle', () => {
		for (const [busy, granted] of [
			[0, 4],
			[0.5, 3],
			[1, 2],
		] as const) {
			const host = new Host({limit: 2, most: 8});
			for (const name of ['a', 'b', 'c', 'd', 'e']) host.ask(name);
			look(host, busy);
			expect(host.granted).toHaveLength(granted);
		}
	});

	it('are never lent beyond what memory bears, nor where the configuration says how many calls there may be', () => {
		for (const [limit, granted] of [
			[{limit: 2, most: 3}, 3],
			[2, 2],
		] as const) {
			const host = new Host(limit);
			for (const name of ['a', 'b', 'c', 'd', 'e']) host.ask(name);
			look(host, 0);
			look(host, 0);
			expect(host.granted).toHaveLength(granted);
		}
	});

	it('end with the calls that have them: the next one waits until the limit has room', () => {
		const host = new Host({limit: 1, most: 2});
		const first = host.ask('a');
		host.ask('b');
		host.ask('c');
		host.turns.lend(1);
		host.turns.over('a', first, 'answered');
		expect(host.granted).toEqual(['a list', 'b list']);
	});

	it('let no second suspect in', () => {
		const host = new Host({limit: 2, most: 8});
		for (const name of ['x', 'y', 'z']) host.makeSuspect(name);
		host.granted.length = 0;
		for (const name of ['x', 'y', 'z']) host.ask(name);
		look(host, 0);
		expect(host.granted).toEqual(['x list']);
	});

	it('are for whole cores: half of one is what a busy host leaves', () => {
		expect(idleCores(times(0, 0), times(1000, 2000))).toBe(1);
		expect(idleCores(times(0, 0), times(1500, 2000))).toBe(0);
		expect(idleCores(times(0, 0), times(0, 0))).toBe(0);
		expect(idleCores({idle: 10, total: 0, cores: 2}, {idle: 0, total: 10, cores: 2})).toBe(0);
	});
});

describe('a program that prints a token', () => {
	it('takes a turn, and says nothing of its sandbox, nor its sandbox of it', () => {
		const host = new Host(1);
		host.makeSuspect('x');
		// Had this cleared x, x would have waited longest.
		host.turns.over('x', host.ask('x', 'token'), 'answered');
		const running = host.ask('other');
		host.ask('x');
		host.ask('a');
		host.granted.length = 0;
		host.turns.over('other', running, 'answered');
		expect(host.granted).toEqual(['a list']);

		const free = new Host(1);
		free.turns.over('y', free.ask('y', 'token'), 'timeout');
		const busy = free.ask('other');
		free.ask('y');
		free.ask('b');
		free.granted.length = 0;
		free.turns.over('other', busy, 'answered');
		expect(free.granted).toEqual(['y list']);
	});

	it('that waits is not a poll that waits', () => {
		const host = new Host(1);
		host.ask('a');
		host.ask('b', 'token');
		expect(host.turns.waitOf('b')).toBeNull();
		host.ask('b');
		expect(host.turns.waitOf('b')).toBe(0);
	});
});

describe('sandboxes whose calls hang', () => {
	it('share one turn, so that the others have the rest', () => {
		const host = new Host(3);
		for (const name of ['x', 'y', 'z']) host.makeSuspect(name);
		host.granted.length = 0;
		for (const name of ['x', 'y', 'z', 'a', 'b']) host.ask(name);
		expect(host.granted).toEqual(['x list', 'a list', 'b list']);
	});

	it('are suspects until one of their calls is answered: a failure in between proves nothing', () => {
		for (const [outcome, granted] of [
			['answered', ['y list', 'x list']],
			['failed', ['y list']],
		] as const) {
			const host = new Host(2);
			for (const name of ['x', 'y']) host.makeSuspect(name);
			host.turns.over('x', host.ask('x'), outcome);
			host.granted.length = 0;
			host.ask('y');
			host.ask('x');
			expect(host.granted).toEqual(granted);
		}
	});

	it('are not made suspects by a call that was cancelled, nor by a worker that was ended for another reason', () => {
		const host = new Host(2);
		host.turns.over('x', host.ask('x'), 'cancelled');
		host.ask('y');
		host.turns.forget('y', false);
		host.granted.length = 0;
		for (const name of ['x', 'y']) host.ask(name);
		expect(host.granted).toEqual(['x list', 'y list']);
	});

	it('are suspects when their worker had to be ended during a call', () => {
		const host = new Host(2);
		for (const name of ['x', 'y']) {
			host.ask(name);
			host.turns.forget(name, true);
		}
		host.granted.length = 0;
		for (const name of ['x', 'y']) host.ask(name);
		expect(host.granted).toEqual(['x list']);
	});

	it('leave nothing behind when their worker is gone', () => {
		const host = new Host(1);
		host.ask('x');
		host.ask('x');
		host.ask('a');
		host.turns.forget('x', true);
		expect(host.granted).toEqual(['x list', 'a list']);
		expect(host.turns.waitOf('x')).toBeNull();
		expect(host.turns.counts).toMatchObject({running: 1, waiting: 0});
	});
});

/** A sandbox of the simulated host. */
interface Simulated {
	/** How long its calls take, in milliseconds. */
	readonly callMs: number;
	readonly hangs: boolean;
	/** Approvals it wants after each list. */
	readonly approvals: number;
	/** Between a poll and the next one, in milliseconds; a second where it is not said. */
	readonly pauseMs?: number;
	/** Its lists are those of a sandbox where somebody asks. */
	readonly isUrgent?: boolean;
}

/** How long a sandbox waited for turns, in milliseconds. */
interface Waits {
	/** Of those for lists. */
	readonly shortest: number;
	readonly longest: number;
}

/** As {@link waitsOf}: the longest wait of each. */
function longestWaits(sandboxes: readonly Simulated[], limit: number, lastsMs: number, fromMs = 0): number[] {
	return waitsOf(sandboxes, limit, lastsMs, fromMs).map(({longest}) => longest);
}

/**
 * Lets sandboxes poll again and again for `lastsMs`, with the host's turns between them; returns what each waited for turns that it asked for after
 * `fromMs`.
 */
function waitsOf(sandboxes: readonly Simulated[], limit: number, lastsMs: number, fromMs = 0): Waits[] {
	let now = 0;
	const turns = new CallTurns(limit, () => now);
	const due: {at: number; act: () => void}[] = [];
	const longest = sandboxes.map(() => 0);
	const shortest = sandboxes.map(() => Number.POSITIVE_INFINITY);
	const later = (ms: number, act: () => void) => due.push({at: now + ms, act});
	for (const [index, {callMs, hangs, approvals, pauseMs = SECOND, isUrgent = false}] of sandboxes.entries()) {
		const name = `s${index}`;
		let turn = 0;
		let left = 0;
		const call = () => {
			const id = ++turn;
			const since = now;
			const kind = left > 0 ? 'approve' : isUrgent ? 'urgent-list' : 'list';
			turns.request(name, id, kind, () => {
				if (since >= fromMs) longest[index] = Math.max(longest[index] ?? 0, now - since);
				if (since >= fromMs && kind !== 'approve') shortest[index] = Math.min(shortest[index] ?? 0, now - since);
				later(callMs, () => {
					left = left > 0 ? left - 1 : hangs ? 0 : approvals;
					turns.over(name, id, hangs ? 'timeout' : 'answered');
					later(left > 0 ? 0 : pauseMs, call);
				});
			});
		};
		later(index, call);
	}
	while (now < lastsMs) {
		due.sort((a, b) => a.at - b.at);
		const next = due.shift();
		if (!next) break;
		now = next.at;
		next.act();
	}
	// Whoever waits still has waited that long already.
	for (const index of sandboxes.keys()) longest[index] = Math.max(longest[index] ?? 0, turns.waitOf(`s${index}`) ?? 0);
	return longest.map((most, index) => ({longest: most, shortest: shortest[index] ?? 0}));
}

describe('nobody starves', () => {
	const sandbox = fc.record({
		callMs: fc.integer({min: 100, max: 9900}),
		hangs: fc.constant(false),
		approvals: fc.constantFrom(0, 0, 1, 8),
	});
	const hanging = fc.constant({callMs: 10_500, hangs: true, approvals: 0});

	it('for want of a turn, among sandboxes that hang, are slow or flood', () => {
		fc.assert(
			fc.property(
				fc.array(fc.oneof({weight: 3, arbitrary: sandbox}, {weight: 1, arbitrary: hanging}), {
					minLength: 1,
					maxLength: 10,
				}),
				fc.integer({min: 1, max: 4}),
				(sandboxes, limit) => {
					const waits = longestWaits(sandboxes, limit, 30 * MINUTE);
					for (const wait of waits) expect(wait).toBeLessThan(10 * MINUTE);
				},
			),
			{numRuns: 100},
		);
	}, 30_000);

	it('for sandboxes that answer every call after 9.9 s and always want another', () => {
		const slow = {callMs: 9900, hangs: false, approvals: 8};
		const honest = {callMs: 1250, hangs: false, approvals: 0, pauseMs: 30 * SECOND};
		for (const limit of [1, 2, 4]) {
			const waits = longestWaits([...Array.from({length: limit + 1}, () => slow), honest], limit, 30 * MINUTE, MINUTE);
			expect(waits.at(-1)).toBeLessThanOrEqual(9900);
		}
		fc.assert(
			fc.property(
				fc.array(
					fc.record({callMs: fc.integer({min: 8000, max: 9900}), hangs: fc.constant(false), approvals: fc.nat(8)}),
					{
						minLength: 1,
						maxLength: 4,
					},
				),
				fc.integer({min: 1, max: 4}),
				(sandboxes, limit) => {
					// At first nobody knows them; then whoever is honest waits for the end of one call, or a few where many share a turn.
					const waits = longestWaits([...sandboxes, honest], limit, 30 * MINUTE, 2 * MINUTE);
					expect(waits.at(-1)).toBeLessThanOrEqual(4 * 9900);
					for (const wait of waits) expect(wait).toBeLessThan(10 * MINUTE);
				},
			),
			{numRuns: 100},
		);
	}, 30_000);

	it('on a crowded host, where suspects get a turn every half minute', () => {
		const crowd = Array.from({length: 12}, () => ({callMs: SECOND, hangs: false, approvals: 8}));
		const waits = longestWaits([...crowd, {callMs: 10_500, hangs: true, approvals: 0}], 2, 30 * MINUTE);
		expect(waits.at(-1)).toBeLessThan(MINUTE);
	});

	describe('among more sandboxes than calls fit', () => {
		const callMs = 1200;
		const turns = 2;
		const crowd: Simulated[] = Array.from({length: 64}, () => ({
			callMs,
			hangs: false,
			approvals: 0,
			pauseMs: 30 * SECOND,
		}));
		/** How often each can be polled: all calls one after the other, as many at once as there are turns. */
		const stretched = (crowd.length / turns) * callMs;

		it('intervals stretch evenly: nobody is polled less often than all calls together take', () => {
			const waits = longestWaits(crowd, turns, 30 * MINUTE, 5 * MINUTE);
			for (const wait of waits) expect(30 * SECOND + wait).toBeLessThanOrEqual(stretched + callMs);
			// A request comes just after a list, is met by the next one, and its approval waits for one call that runs.
			expect(30 * SECOND + Math.max(...waits) + 3 * callMs).toBeLessThan(2 * stretched);
		});

		it('who is in fast mode is polled more often than the others, and starves none of them', () => {
			const fast = {callMs, hangs: false, approvals: 0, isUrgent: true};
			const waits = longestWaits([...crowd, fast], turns, 30 * MINUTE, 5 * MINUTE);
			const cycle = (waits.at(-1) ?? 0) + callMs + SECOND;
			expect(cycle).toBeLessThan(stretched / 2);
			for (const wait of waits.slice(0, -1)) expect(30 * SECOND + wait).toBeLessThan(1.2 * stretched);
		});
	});

	it("and a healthy sandbox waits no longer than the others' calls take, with half of the host hanging", () => {
		const half = (hangs: boolean) =>
			Array.from({length: 8}, () => ({callMs: hangs ? 10_500 : 1250, hangs, approvals: 1}));
		const waits = longestWaits([...half(true), ...half(false)], 2, 30 * MINUTE).slice(8);
		// Until each hanging one has been found out, both turns may be theirs.
		for (const wait of waits) expect(wait).toBeLessThanOrEqual((8 / 2) * 10_500 + 8 * 2 * 1250);
	});
});

/** What the waits of sandboxes that are alike come to, in milliseconds. */
const spread = (waits: readonly Waits[]) => ({
	least: Math.min(...waits.map(({shortest}) => shortest)),
	most: Math.max(...waits.map(({longest}) => longest)),
});

describe('more sandboxes than calls fit', () => {
	const CALL = 1250;
	const calm = {callMs: CALL, hangs: false, approvals: 0, pauseMs: 30 * SECOND};
	const fast = {callMs: CALL, hangs: false, approvals: 0, isUrgent: true};
	const many = (count: number, sandbox: Simulated) => Array.from({length: count}, () => sandbox);
	/** What each would wait for if all took their turns in order. */
	const fair = (count: number) => (count * CALL) / 2;

	it('stretch their intervals evenly, and the same all the time', () => {
		const {least, most} = spread(waitsOf(many(64, fast), 2, 60 * MINUTE, 10 * MINUTE));
		expect(most).toBeLessThanOrEqual(1.1 * fair(64));
		expect(least).toBeGreaterThanOrEqual(0.9 * (fair(64) - SECOND - CALL));
	});

	it('wait less where something waits for the list, and elsewhere no longer than if they all did', () => {
		const waits = waitsOf([...many(8, fast), ...many(120, calm)], 2, 60 * MINUTE, 10 * MINUTE);
		const eager = spread(waits.slice(0, 8));
		const rest = spread(waits.slice(8));
		expect(eager.most).toBeLessThan(rest.least);
		expect(rest.most).toBeLessThanOrEqual(fair(128) + 30 * SECOND);
	});

	it('wait no longer than a turn of all, and the lead of an approval, whatever some of them ask for', () => {
		const asking = {...calm, approvals: 2};
		fc.assert(
			fc.property(fc.nat(16), fc.nat(16), (askers, hurried) => {
				const sandboxes = [...many(askers, asking), ...many(hurried, fast), ...many(64 - askers - hurried, calm)];
				const {most} = spread(waitsOf(sandboxes, 2, 30 * MINUTE, 5 * MINUTE));
				expect(most).toBeLessThanOrEqual(fair(64 + 2 * askers) + MINUTE);
			}),
			{numRuns: 8},
		);
	}, 30_000);

	it('wait as long as they would, with one whose every call hangs, and twice as long at most with half of them', () => {
		const hanging = {callMs: 10_500, hangs: true, approvals: 0};
		const {most: alone} = spread(waitsOf(many(64, fast), 2, 60 * MINUTE, 20 * MINUTE));
		for (const [count, times] of [
			[1, 1.25],
			[32, 2],
		] as const) {
			const sandboxes = [...many(64 - count, fast), ...many(count, hanging)];
			const others = waitsOf(sandboxes, 2, 60 * MINUTE, 20 * MINUTE).slice(0, 64 - count);
			expect(spread(others).most).toBeLessThanOrEqual(times * alone);
		}
	}, 30_000);
});

describe('half of the sandboxes hang, and nobody knows yet which', () => {
	/** What a call computes, in milliseconds of one core, before it asks its gateway: a hanging one too. */
	const CPU = 1250;
	const CORES = 2;
	const STEP = 25;
	/** How often the supervisor looks. */
	const LOOK = 100;

	/**
	 * When the last of eight healthy sandboxes among eight hanging ones has had its list and its approval, in milliseconds, on a host whose cores are
	 * shared by all calls that compute.
	 */
	function allApprovedAfter(limit: number | CallLimit): number {
		let now = 0;
		let approved = 0;
		const spent = {idle: 0, total: 0, cores: CORES};
		const turns = new CallTurns(limit, () => now);
		const lender = new TurnLender(turns, () => ({...spent}));
		const calls = new Set<{left: number; readonly isOver: () => boolean; readonly end: () => void}>();
		const call = (index: number, turn: number, kind: TurnKind): void => {
			const hangs = index % 2 === 0;
			turns.request(`s${index}`, turn, kind, () => {
				const since = now;
				const running = {
					left: CPU,
					isOver: () => (hangs ? now - since >= 10_500 : running.left <= 0),
					end: () => {
						calls.delete(running);
						if (kind === 'approve') approved++;
						else call(index, turn + 1, hangs ? 'list' : 'approve');
						turns.over(`s${index}`, turn, hangs ? 'timeout' : 'answered');
					},
				};
				calls.add(running);
			});
		};
		for (let index = 0; index < 16; index++) call(index, 1, 'list');
		for (; approved < 8; now += STEP) {
			const computing = [...calls].filter(({left}) => left > 0);
			const share = Math.min(CORES / computing.length, 1) * STEP;
			for (const running of computing) running.left -= share;
			spent.total += CORES * STEP;
			spent.idle += Math.max(CORES - computing.length, 0) * STEP;
			for (const running of [...calls]) if (running.isOver()) running.end();
			if (now % LOOK === 0) lender.look();
		}
		return now;
	}

	it('and the healthy ones are through sooner than with any number of calls at once, and far sooner than with a strict limit', () => {
		const lending = allApprovedAfter({limit: 2, most: 8});
		expect(lending).toBeLessThan(allApprovedAfter(1000));
		expect(lending).toBeLessThan(allApprovedAfter(2) / 2);
	});
});

describe('how many calls a host can bear', () => {
	const GIB = 2 ** 30;
	it.each([
		['as many as it has cores, four times as many while they idle', 4, 16 * GIB, {limit: 4, most: 16}],
		['fewer where memory is short', 16, 2 * GIB, {limit: 5, most: 5}],
		['one at least, on the smallest host', 1, 0, {limit: 1, most: 1}],
	])('is %s', (_, cores, memory, limit) => {
		expect(callLimit('auto', cores, memory)).toEqual(limit);
	});

	it('is what the configuration says', () => {
		expect(callLimit(7, 1, 0)).toEqual({limit: 7, most: 7});
	});
});
