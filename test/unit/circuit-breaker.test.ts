import {expect, it} from 'vitest';
import {type Breaker, trip} from '../../worker/transport/circuit-breaker.ts';
import {HOUR, MINUTE} from './fixtures.ts';

/** The cool-downs, in minutes, where the breaker is tripped again and again, so long after it closed each time. */
function coolDowns(times: number, after: number, longest?: number): number[] {
	let breaker: Breaker | null = null;
	let now = 5 * HOUR;
	return Array.from({length: times}, () => {
		breaker = trip(breaker, now, longest);
		now = breaker.openUntil + after;
		return breaker.coolDown / MINUTE;
	});
}

it('a breaker opens for a minute, and for twice as long each time it is tripped soon after', () => {
	expect(trip(null, 1000)).toEqual({openUntil: 1000 + MINUTE, coolDown: MINUTE});
	expect(coolDowns(8, 15_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
	expect(coolDowns(3, 15_000, MINUTE)).toEqual([1, 1, 1]);
});

it('is forgiven when it has been closed for longer than it was open, not before', () => {
	expect(coolDowns(3, MINUTE)).toEqual([1, 2, 4]);
	expect(coolDowns(3, MINUTE + 1)).toEqual([1, 1, 1]);
});
