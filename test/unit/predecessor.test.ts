import {expect, it} from 'vitest';
import {resume} from '../../supervisor/predecessor.ts';
import {newRecord, withAlarm} from '../../supervisor/sandbox/record.ts';
import {beginShift} from '../../supervisor/shift.ts';
import {HOUR, SimulatedClock} from './fixtures.ts';

const sandboxes = [
	{name: 'calm', record: {...newRecord('t'), approved: 1}},
	{name: 'alarmed', record: withAlarm({...newRecord('t'), approved: 1}, 'odd')},
];

it('of a shift that is not over all goes on', () => {
	const clock = new SimulatedClock();
	const shift = beginShift(8 * HOUR, clock);
	clock.holdUp(HOUR);
	expect(resume({shift, sandboxes}, 8 * HOUR, clock)).toEqual({shift, sandboxes});
});

it('an alarm outlives its shift, and nothing else does', () => {
	const clock = new SimulatedClock();
	const shift = beginShift(HOUR, clock);
	clock.holdUp(2 * HOUR);
	expect(resume({shift, sandboxes}, HOUR, clock)).toEqual({
		shift: null,
		sandboxes: [{name: 'alarmed', record: withAlarm(newRecord('t'), 'odd')}],
	});
});
