import {expect, it} from 'vitest';
import {BusyWatch, busyReading} from '../../worker/gateway/busy-watch.ts';

/** Whether a worker is called too busy at each of so many readings, five seconds apart, by the share of that time in which it was busy. */
function readings(shares: readonly number[]): boolean[] {
	const watch = new BusyWatch({at: 0, busy: 0});
	let busy = 0;
	return shares.map((share, index) => {
		busy += share * 5000;
		return watch.isTooBusy({at: (index + 1) * 5000, busy});
	});
}

it('a worker that does nothing but read for a while is too busy; the same while does not count twice', () => {
	expect(readings([1, 1, 1, 0, 0, 0])).toEqual([false, false, true, false, false, false]);
	expect(readings([1, 1, 1, 1, 1, 1])).toEqual([false, false, true, false, false, true]);
});

it('one that is busy every now and then is too, if that is often', () => {
	expect(readings([1, 0, 0, 1, 0, 0, 1, 0, 0, 1])).not.toContain(true);
	expect(readings([1, 1, 0, 1, 1, 0, 1, 1, 0])).toContain(true);
});

it('a burst is forgotten', () => {
	expect(readings([1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])).not.toContain(true);
	expect(readings(Array(100).fill(0.3))).not.toContain(true);
});

it('what this process has been busy for grows with what it does', () => {
	const before = busyReading(0).busy;
	const end = performance.now() + 50;
	while (performance.now() < end);
	expect(busyReading(0).busy).toBeGreaterThan(before);
});
