import fc from 'fast-check';
import {expect, it} from 'vitest';
import {MINUTE, SECOND} from './fixtures.ts';
import {type Happening, QUIET, SHIFT, simulate} from './simulated-shift.ts';

/** How many shifts are simulated. */
const SHIFTS = 1000;

/**
 * A bound on all of them, in milliseconds; on an idle core they take about 15 s. Where one fails, what led to it is made smaller only as long as there is
 * time, and told at any rate.
 */
const PATIENCE = 420_000;

/** Spread over the shift, or close together, so that one thing falls into the midst of another. */
const at = fc.oneof(
	fc.integer({min: 1, max: QUIET - MINUTE}),
	fc.tuple(fc.nat(3), fc.nat(15 * SECOND)).map(([burst, ms]) => 1 + (burst * 100 + 1) * MINUTE + ms),
);
const sandbox = fc.nat(2);
const oneOf = <const T extends string>(...words: T[]) => fc.constantFrom(...words);

const happening: fc.Arbitrary<Happening> = fc.oneof(
	{weight: 6, arbitrary: fc.record({what: fc.constant('asks' as const), at, sandbox, allowed: fc.boolean()})},
	{weight: 4, arbitrary: fc.record({what: oneOf('crash', 'leave', 'freeze', 'stall', 'bloat'), at, sandbox})},
	{
		weight: 3,
		arbitrary: fc.record({what: oneOf('gateway-lost', 'gateway-back', 'calls-hang', 'calls-answer'), at, sandbox}),
	},
	{weight: 2, arbitrary: fc.record({what: oneOf('removed', 'disabled', 'restored'), at, sandbox})},
	{
		weight: 2,
		arbitrary: fc.record({what: oneOf('reload-garbage', 'reload-bounds', 'supervisor-killed', 'kick', 'pass'), at}),
	},
	{
		weight: 1,
		arbitrary: fc.oneof(
			fc.record({what: fc.constant('wall-jump' as const), at, ms: fc.integer({min: -SHIFT, max: SHIFT})}),
			fc.record({what: fc.constant('held-up' as const), at, ms: fc.integer({min: SECOND, max: 30 * MINUTE})}),
		),
	},
);

it(
	'eight hours of crashes, hangs, stalls, reloads, lost gateways and clocks that jump lose nothing, a thousand times',
	async () => {
		const totals = {granted: 0, refused: 0, restarts: 0, workers: 0};
		await fc.assert(
			fc.asyncProperty(
				fc.integer({min: 1, max: 3}),
				fc.array(happening, {minLength: 4, maxLength: 40, size: 'max'}),
				fc.infiniteStream(fc.double({min: 0, max: 1, maxExcluded: true, noNaN: true})),
				async (sandboxes, happenings, chances) => {
					const outcome = await simulate(sandboxes, happenings, () => chances.next().value);
					expect(outcome.broken).toEqual([]);
					expect(outcome.unanswered).toBe(0);
					for (const each of outcome.sandboxes) {
						expect(each).toMatchObject({approved: each.granted, refused: each.refusable, left: 0});
						totals.granted += each.granted;
						totals.refused += each.refused;
						totals.restarts += each.restarts;
					}
					totals.workers += outcome.workers;
				},
			),
			{numRuns: SHIFTS, interruptAfterTimeLimit: PATIENCE, markInterruptAsFailure: true},
		);
		// That what was simulated did happen.
		expect(totals.granted).toBeGreaterThan(SHIFTS);
		expect(totals.refused).toBeGreaterThan(SHIFTS);
		expect(totals.restarts).toBeGreaterThan(SHIFTS);
	},
	PATIENCE + 60_000,
);
