import {expect, it} from 'vitest';
import {inStep} from '../../worker/watch/in-step.ts';

it('a long wait ends with a step of the clock, half a second late at most, and never early', () => {
	for (const ms of [5000, 10_000, 30_000.5])
		for (const now of [0, 1, 99.7, 500, 1_000_123]) {
			const wait = inStep(ms, now);
			expect(wait).toBeGreaterThanOrEqual(ms);
			expect(wait).toBeLessThan(ms + 500);
			expect((now + wait) % 500).toBeCloseTo(0);
		}
});

it('a short wait is what it is', () => {
	expect(inStep(4999, 1)).toBe(4999);
	expect(inStep(0, 1)).toBe(0);
});
