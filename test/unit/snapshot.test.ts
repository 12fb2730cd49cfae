import {describe, expect, it} from 'vitest';
import {emptyCheckpoint} from '../../worker/checkpoint.ts';
import type {Snapshot} from '../../worker/protocol.ts';
import {initialObservations, isSameSnapshot, snapshotOf} from '../../worker/snapshot.ts';
import {slowCadence} from '../../worker/watch/cadence.ts';
import {SECOND} from './fixtures.ts';
import {workerConfigOf} from './sandbox-fixtures.ts';

/** What a worker shows in slow mode, a poll every 30 s, when its last poll has waited so long for a turn; milliseconds. */
function shownAfter(turnWait: number): Snapshot {
	const config = workerConfigOf();
	return snapshotOf(initialObservations(config, {...emptyCheckpoint, cadence: slowCadence}), {
		cadence: config.cadence,
		alarm: null,
		troubles: [],
		foreignApproval: null,
		transportWarnings: [],
		turnWait,
	});
}

describe('the interval that a worker shows', () => {
	it('is as configured while a poll waits for a turn no longer than a tenth of it', () => {
		expect(shownAfter(3 * SECOND)).toMatchObject({interval: 30, warnings: []});
	});

	it('is stretched by the wait beyond that, and the warning names what takes no calls', () => {
		const {interval, warnings} = shownAfter(7.25 * SECOND);
		expect(interval).toBe(37.3);
		expect(warnings).toEqual([expect.stringMatching(/^polled every 37.3 s instead of 30 s: .*gateway/)]);
	});
});

it('what a worker shows is the same only where its warnings are, too', () => {
	const shown = shownAfter(0);
	expect(isSameSnapshot(shown, {...shown, warnings: []})).toBe(true);
	expect(isSameSnapshot(shown, {...shown, warnings: ['one']})).toBe(false);
	expect(isSameSnapshot({...shown, warnings: ['one']}, {...shown, warnings: ['other']})).toBe(false);
	expect(isSameSnapshot(shown, {...shown, pending: shown.pending + 1})).toBe(false);
});
