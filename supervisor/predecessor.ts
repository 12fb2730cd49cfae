import type {Clock} from '../worker/clock.ts';
import type {Remembered} from './fleet.ts';
import type {SupervisorState} from './instance/state-file.ts';
import {newRecord, withAlarm} from './sandbox/record.ts';
import {resumeShift, type Shift} from './shift.ts';

/** What goes on of the life of a supervisor that was killed. */
export interface Resumed {
	/** `null`: it is over. */
	readonly shift: Shift | null;
	/** What is remembered of its sandboxes: all, or where the shift is over only why nothing is approved there. */
	readonly sandboxes: readonly Remembered[];
}

/** What goes on under this `deadline`, in milliseconds. The same for the next supervisor and for whoever works without one. */
export function resume(
	{shift: before, sandboxes}: Pick<SupervisorState, 'shift' | 'sandboxes'>,
	deadline: number | null,
	clock: Pick<Clock, 'now' | 'wall'>,
): Resumed {
	const shift = resumeShift(before, deadline, clock);
	return {shift, sandboxes: shift === null ? sandboxes.flatMap(alarmIn) : sandboxes};
}

/** An alarm stands until somebody has looked, whatever shift that is in. */
function alarmIn({name, record}: Remembered): Remembered[] {
	const {alarm} = record.checkpoint.ledger;
	return alarm === null ? [] : [{name, record: withAlarm(newRecord(record.target), alarm)}];
}
