import {expect, it} from 'vitest';
import {BusyWatch, cpuReading} from '../../worker/gateway/busy-watch.ts';

/** Whether a worker is called too busy at each of so many readings, five seconds apart, by the shares of a core that it took in between. */
function readings(shares: readonly number[]): boolean[] {
	const watch = new BusyWatch({at: 0, used: 0});
	let used = 0;
	return shares.map((share, index) => {
		used += share * 5000;
		return watch.isTooBusy({at: (index + 1) * 5000, used});
	});
}

it('a worker that does nothing but read for a while is too busy', () => {
	expect(readings([0.9, 1, 0.6, 0.8, 1])).toEqual([false, false, false, true, true]);
});

it('one that had a moment of rest, or much to do for a moment, is not', () => {
	expect(readings([1, 1, 1, 0.2, 1, 1, 1, 0.4])).not.toContain(true);
	expect(readings(Array(100).fill(0.5))).not.toContain(true);
});

it('what this process has used grows with what it does', () => {
	const before = cpuReading(0).used;
	const end = performance.now() + 50;
	while (performance.now() < end);
	expect(cpuReading(0).used).toBeGreaterThan(before);
});
