import {expect, it} from 'vitest';
import {systemClock} from '../../worker/clock.ts';
import {RelayStarts} from '../../worker/transport/gateway/relay-starts.ts';
import {HOUR, MINUTE} from './fixtures.ts';

it('a sandbox gets sixty relays an hour, and each of them again an hour later', () => {
	let now = 0;
	const starts = new RelayStarts({...systemClock, now: () => now});
	for (let start = 0; start < 60; start++) {
		expect(starts.take()).toBe(true);
		now += MINUTE / 2;
	}
	expect([starts.areUsedUp, starts.take()]).toEqual([true, false]);
	now = HOUR;
	expect([starts.take(), starts.take()]).toEqual([true, false]);
	now += HOUR;
	expect(starts.areUsedUp).toBe(false);
});
