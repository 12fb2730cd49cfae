import * as z from 'zod';
import {type Clock, isoTime} from '../worker/clock.ts';

/** The latest time a date can show, in milliseconds since the epoch (ECMAScript: Time Values). */
const LAST_DATE = 8.64e15;

/** How long a supervisor is to supervise; one that was killed hands it to the next. */
export const shiftSchema = z.object({
	/** Monotonic milliseconds at which it began, perhaps before this process did. */
	startedAt: z.number(),
	/** Its length in milliseconds; `null`: it has no end. */
	deadline: z.number().nullable(),
	/** When it ends, monotonic milliseconds. */
	deadlineAt: z.number().nullable(),
	/** The same for people, ISO 8601, as it was when the deadline was set. */
	deadlineWall: z.string().nullable(),
});
export type Shift = Readonly<z.infer<typeof shiftSchema>>;

type Times = Pick<Clock, 'now' | 'wall'>;

/** A shift that begins now. `deadline` in milliseconds. */
export function beginShift(deadline: number | null, clock: Times): Shift {
	return shiftFrom(clock.now(), deadline, clock);
}

/** The shift that a killed supervisor began, or `null` where it is over. A deadline that is new, and would have passed already, is counted from now. */
export function resumeShift(shift: Shift, deadline: number | null, clock: Times): Shift | null {
	const now = clock.now();
	if (shift.deadlineAt !== null && shift.deadlineAt <= now) return null;
	if (deadline === shift.deadline) return shift;
	const isStillAhead = deadline === null || shift.startedAt + deadline > now;
	return shiftFrom(isStillAhead ? shift.startedAt : now, deadline, clock);
}

/** The same shift under another deadline. */
export function withDeadline(shift: Shift, deadline: number | null, clock: Times): Shift {
	return deadline === shift.deadline ? shift : shiftFrom(shift.startedAt, deadline, clock);
}

/** Whether the deadline is reached at the monotonic millisecond `now`. Pure. */
export function isOver({deadlineAt}: Shift, now: number): boolean {
	return deadlineAt !== null && deadlineAt <= now;
}

function shiftFrom(startedAt: number, deadline: number | null, clock: Times): Shift {
	const deadlineAt = deadline === null ? null : startedAt + deadline;
	const wall = deadlineAt === null ? Number.POSITIVE_INFINITY : clock.wall() + deadlineAt - clock.now();
	return {startedAt, deadline, deadlineAt, deadlineWall: wall < LAST_DATE ? isoTime(wall) : null};
}
