import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {beginShift, isOver, resumeShift, withDeadline} from '../../supervisor/shift.ts';
import {HOUR, MINUTE, SimulatedClock} from './fixtures.ts';

/** A clock that shows so many milliseconds. */
const at = (now: number) => new SimulatedClock(now);

describe('a shift', () => {
	it('ends when its deadline has passed, and one without a deadline never', () => {
		const shift = beginShift(8 * HOUR, at(MINUTE));
		expect(isOver(shift, 8 * HOUR + MINUTE - 1)).toBe(false);
		expect(isOver(shift, 8 * HOUR + MINUTE)).toBe(true);
		expect(shift.deadlineWall).toBe(new Date(at(8 * HOUR + MINUTE).wall()).toISOString());
		const endless = beginShift(null, at(0));
		expect(isOver(endless, Number.MAX_SAFE_INTEGER)).toBe(false);
		expect(endless.deadlineWall).toBeNull();
	});

	it('of longer than dates can show has no date', () => {
		expect(beginShift(Number.MAX_SAFE_INTEGER, at(0)).deadlineWall).toBeNull();
	});

	it('goes on as it was after its supervisor was killed, date included, though the wall clock was moved', () => {
		const shift = beginShift(8 * HOUR, at(0));
		const clock = at(HOUR);
		clock.moveWall(12 * HOUR);
		expect(resumeShift(shift, 8 * HOUR, clock)).toEqual(shift);
	});

	it('that is over does not go on', () => {
		expect(resumeShift(beginShift(HOUR, at(0)), HOUR, at(HOUR))).toBeNull();
	});

	it('goes on under a deadline that is new from when it began, or from now where that would be past', () => {
		const shift = beginShift(8 * HOUR, at(0));
		expect(resumeShift(shift, 4 * HOUR, at(HOUR))?.deadlineAt).toBe(4 * HOUR);
		expect(resumeShift(shift, HOUR, at(2 * HOUR))?.deadlineAt).toBe(3 * HOUR);
		expect(resumeShift(shift, null, at(HOUR))).toMatchObject({startedAt: 0, deadlineAt: null});
	});

	it('that is reloaded counts a new deadline from when it began, and keeps one that is the same', () => {
		const shift = beginShift(8 * HOUR, at(0));
		expect(withDeadline(shift, 8 * HOUR, at(HOUR))).toBe(shift);
		expect(withDeadline(shift, 2 * HOUR, at(HOUR)).deadlineAt).toBe(2 * HOUR);
	});

	it('that goes on is never over at once', () => {
		const deadline = fc.option(fc.integer({min: 1, max: 9 * HOUR}), {nil: null});
		fc.assert(
			fc.property(deadline, deadline, fc.nat(10 * HOUR), (first, then, now) => {
				const resumed = resumeShift(beginShift(first, at(0)), then, at(now));
				if (resumed) expect(isOver(resumed, now)).toBe(false);
			}),
		);
	});
});
