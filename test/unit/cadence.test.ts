import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {
	advance,
	boundFastTime,
	buyFastPolls,
	type Cadence,
	type CadenceConfig,
	fastTimeLeft,
	initialCadence,
	interval,
	type PolledOutcome,
} from '../../worker/watch/cadence.ts';
import {cadenceSchema} from '../../worker/watch/cadence-schema.ts';
import {HOUR, MINUTE, SECOND} from './fixtures.ts';

const config: CadenceConfig = {
	fastDeadline: 10 * MINUTE,
	fastInterval: SECOND,
	slowInterval: 30 * SECOND,
	fastReentryPolls: 5,
	fastReentryInterval: SECOND,
};
const quiet: PolledOutcome = {failed: false, quiet: true, paired: true, allowed: []};
const busy: PolledOutcome = {...quiet, quiet: false};
const failed: PolledOutcome = {failed: true, quiet: false, paired: false, allowed: []};
const allowing = (...allowed: string[]): PolledOutcome => ({...quiet, allowed});

/** A watch loop of instant passes: polls with one outcome after the other, its intervals between them. */
function poll(outcomes: readonly PolledOutcome[], {from = initialCadence(config, 0), at = 0, by = config} = {}) {
	let cadence = from;
	let now = at;
	const polls = outcomes.map(outcome => {
		cadence = boundFastTime(cadence, by, now);
		const {mode} = cadence;
		cadence = advance(cadence, outcome, by, now);
		const polled = {at: now, mode};
		now += interval(cadence, by);
		return polled;
	});
	return {cadence, now, polls};
}

const times = (count: number, outcome: PolledOutcome) => Array<PolledOutcome>(count).fill(outcome);
/** A sandbox that has converged. */
const slow = poll(times(4, quiet));

it('a slow poll that finds nothing new leaves the very same cadence; the first after a failure another one', () => {
	const {cadence: slow} = poll([quiet, quiet, quiet, quiet]);
	expect(slow.mode).toBe('slow');
	expect(advance(slow, quiet, config, MINUTE)).toBe(slow);
	const failing = advance(slow, failed, config, MINUTE);
	expect(failing.failingSince).toBe(MINUTE);
	expect(advance(failing, quiet, config, MINUTE + SECOND)).toEqual(slow);
});

describe('a new sandbox', () => {
	it('is polled fast', () => {
		expect(interval(initialCadence(config, 0), config)).toBe(SECOND);
	});

	it('is polled slowly where there is no fast time at all', () => {
		const none = {...config, fastDeadline: 0};
		const cadence = initialCadence(none, 0);
		expect(cadence.mode).toBe('slow');
		const {cadence: later} = poll([allowing('r1'), failed, allowing('r2')], {from: cadence, by: none});
		expect(interval(later, none)).toBe(30 * SECOND);
		expect(interval(buyFastPolls(later, none, HOUR), none)).toBe(30 * SECOND);
	});
});

describe('convergence', () => {
	it('comes with the fourth quiet poll in a row', () => {
		expect(poll(times(3, quiet)).cadence.mode).toBe('fast');
		expect(poll(times(4, quiet)).cadence.mode).toBe('slow');
	});

	it('does not come while no device is paired', () => {
		expect(poll(times(100, {...quiet, paired: false})).cadence.mode).toBe('fast');
	});

	it('does not come with the first pairing, however long it was quiet before', () => {
		const unpaired = times(20, {...quiet, paired: false});
		expect(poll([...unpaired, ...times(3, quiet)]).cadence.mode).toBe('fast');
		expect(poll([...unpaired, ...times(4, quiet)]).cadence.mode).toBe('slow');
	});

	it.each([
		['something is left to decide', busy],
		['a poll fails', failed],
	])('is counted anew when %s', (_, outcome) => {
		expect(poll([...times(3, quiet), outcome, ...times(3, quiet)]).cadence.mode).toBe('fast');
		expect(poll([...times(3, quiet), outcome, ...times(4, quiet)]).cadence.mode).toBe('slow');
	});
});

describe('the fast deadline', () => {
	it.each([
		['a request is pending', busy],
		['every poll fails', failed],
		['nothing is ever paired', {...quiet, paired: false}],
	])('ends fast mode although %s', (_, outcome) => {
		const {polls} = poll(times(700, outcome));
		for (const {at, mode} of polls) expect(mode).toBe(at < 10 * MINUTE ? 'fast' : 'slow');
	});

	it('may be longer than an hour, and ends the phase still', () => {
		const long = {...config, fastDeadline: 2 * HOUR, fastInterval: MINUTE};
		const {polls} = poll(times(150, busy), {from: initialCadence(long, 0), by: long});
		for (const {at, mode} of polls) expect(mode).toBe(at < 2 * HOUR ? 'fast' : 'slow');
	});

	it('bounds the fast polling of any hour, whatever happens', () => {
		const event = fc.oneof(
			{weight: 6, arbitrary: fc.constantFrom<PolledOutcome>(quiet, busy, failed, {...quiet, paired: false})},
			{weight: 3, arbitrary: fc.nat(30).map(id => allowing(`r${id}`))},
			{weight: 1, arbitrary: fc.constant('kick' as const)},
			{weight: 1, arbitrary: fc.constant('crash' as const)},
			{weight: 1, arbitrary: fc.integer({min: 1, max: 20 * MINUTE})},
		);
		const knobs = fc.record({
			fastDeadline: fc.constantFrom(0, 1, 5 * SECOND, MINUTE, 10 * MINUTE, HOUR),
			fastInterval: fc.constantFrom(10, SECOND, MINUTE),
			slowInterval: fc.constantFrom(SECOND, 30 * SECOND, 10 * MINUTE),
			fastReentryPolls: fc.constantFrom(0, 1, 5, 1000),
			fastReentryInterval: fc.constantFrom(10, SECOND, 5 * MINUTE),
		});
		fc.assert(
			fc.property(knobs, fc.array(fc.tuple(event, fc.nat(10_000)), {maxLength: 200}), (by, events) => {
				let now = 0;
				let cadence = initialCadence(by, now);
				/** Stretches in which polls were made, or waited for, at a fast pace. */
				const fast: {from: number; to: number}[] = [];
				const isFast = () => cadence.mode === 'fast' || cadence.reentryPolls > 0;
				for (const [what, passMs] of events) {
					cadence = boundFastTime(cadence, by, now);
					if (what === 'kick') cadence = buyFastPolls(cadence, by, now);
					if (isFast()) {
						const used = fast.reduce((sum, {from, to}) => sum + Math.max(to - Math.max(from, now - HOUR), 0), 0);
						expect(used).toBeLessThan(by.fastDeadline);
					}
					const begin = now;
					const wasFast = isFast();
					now += passMs;
					if (what === 'crash') cadence = cadenceSchema.parse(JSON.parse(JSON.stringify(cadence)));
					else if (typeof what === 'object') cadence = advance(cadence, what, by, now);
					if (wasFast) fast.push({from: begin, to: now});
					const wait = typeof what === 'number' ? what : interval(cadence, by);
					if (isFast()) fast.push({from: now, to: now + wait});
					now += wait;
				}
			}),
			{numRuns: 300},
		);
	}, 30_000);

	it('is not renewed by a crash loop, whose workers all resume where the last one stood', () => {
		let cadence = initialCadence(config, 0);
		let fastPolls = 0;
		for (let now = 0; now < HOUR; now += SECOND) {
			cadence = boundFastTime(cadenceSchema.parse(structuredClone(cadence)), config, now);
			if (cadence.mode === 'fast') fastPolls++;
		}
		expect(fastPolls).toBe(600);
	});

	it('is not lost with the worker either: what is left of the phase goes on', () => {
		const {cadence} = poll(times(60, busy));
		const resumed = boundFastTime(cadenceSchema.parse(structuredClone(cadence)), config, 5 * MINUTE);
		expect(resumed.mode).toBe('fast');
		expect(fastTimeLeft(resumed, config, 5 * MINUTE)).toBe(5 * MINUTE);
	});
});

describe('an allowed request met in slow mode', () => {
	it('buys some fast polls, in slow mode', () => {
		const {cadence, polls} = poll([allowing('r1'), ...times(7, quiet)], {from: slow.cadence, at: slow.now});
		expect(polls.map(({at}) => (at - slow.now) / SECOND)).toEqual([0, 1, 2, 3, 4, 5, 35, 65]);
		expect(polls.every(({mode}) => mode === 'slow')).toBe(true);
		expect(cadence.mode).toBe('slow');
	});

	it('does so once, however long it stays', () => {
		const {polls} = poll(times(8, allowing('r1')), {from: slow.cadence, at: slow.now});
		expect(polls.map(({at}) => (at - slow.now) / SECOND)).toEqual([0, 1, 2, 3, 4, 5, 35, 65]);
	});

	it('is followed by another one that buys its own', () => {
		const {polls} = poll([allowing('r1'), quiet, allowing('r2'), ...times(6, quiet)], {
			from: slow.cadence,
			at: slow.now,
		});
		expect(polls.map(({at}) => (at - slow.now) / SECOND)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 37]);
	});

	it('buys nothing where no polls are to be bought, or the hour has no fast time left', () => {
		const none = {...config, fastReentryPolls: 0};
		expect(interval(advance(slow.cadence, allowing('r1'), none, slow.now), none)).toBe(30 * SECOND);
		const spent = poll(times(640, busy));
		expect(interval(advance(spent.cadence, allowing('r1'), config, spent.now), config)).toBe(30 * SECOND);
	});

	it('never makes polling slower than slow', () => {
		const odd = {...config, fastReentryInterval: 5 * MINUTE};
		const {cadence} = poll([allowing('r1')], {from: slow.cadence, at: slow.now, by: odd});
		expect(interval(cadence, odd)).toBe(30 * SECOND);
	});

	it('is remembered only as long as a bounded number of others, so that memory stays bounded', () => {
		let {cadence, now} = slow;
		for (let id = 0; id < 1000; id++) {
			now += HOUR;
			cadence = advance(cadence, allowing(`r${id}`), config, now);
		}
		expect(cadence.bought).toHaveLength(256);
		expect(boundFastTime(cadence, config, now).spent.length).toBeLessThanOrEqual(2);
	});
});

describe('a sandbox that answers again', () => {
	const outage = (ms: number): Cadence =>
		advance(advance(slow.cadence, failed, config, slow.now), failed, config, slow.now + ms - 1);

	it('after a minute gets a fresh fast phase', () => {
		const back = advance(outage(MINUTE), quiet, config, slow.now + MINUTE);
		expect(back.mode).toBe('fast');
		expect(poll(times(3, quiet), {from: back, at: slow.now + MINUTE}).cadence.mode).toBe('slow');
	});

	it('after less than that gets none', () => {
		expect(advance(outage(MINUTE), quiet, config, slow.now + MINUTE - 1).mode).toBe('slow');
	});

	it('gets no more than is left of the hour', () => {
		const spent = poll(times(640, busy));
		const down = advance(spent.cadence, failed, config, spent.now);
		expect(advance(down, quiet, config, spent.now + 2 * MINUTE).mode).toBe('slow');
		expect(advance(down, quiet, config, spent.now + HOUR).mode).toBe('fast');
	});
});

describe('a kick', () => {
	it('buys fast polls in slow mode, again and again', () => {
		const kicked = buyFastPolls(slow.cadence, config, slow.now);
		expect(kicked).toMatchObject({mode: 'slow', reentryPolls: 5});
		expect(buyFastPolls(kicked, config, slow.now + SECOND)).toMatchObject({reentryPolls: 5, fastSince: slow.now});
	});

	it('changes nothing in fast mode', () => {
		const fast = initialCadence(config, 0);
		expect(buyFastPolls(fast, config, SECOND)).toEqual(fast);
	});
});

it('what a worker hands on survives the way through JSON', () => {
	const {cadence} = poll([...times(4, quiet), allowing('r1'), failed]);
	expect(cadenceSchema.parse(JSON.parse(JSON.stringify(cadence)))).toEqual(cadence);
});
