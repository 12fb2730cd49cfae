import {describe, expect, it} from 'vitest';
import {readStretch, stretchesInWords, stretchOf, stretchWarning} from '../../worker/stretch.ts';
import {SECOND} from './fixtures.ts';

describe('a stretched interval', () => {
	it('is one that became longer for want of turns, by a tenth and a second at least', () => {
		expect(stretchOf(30 * SECOND, 3 * SECOND)).toBeNull();
		expect(stretchOf(30 * SECOND, 8 * SECOND)).toEqual({seconds: 38, regular: 30});
		expect(stretchOf(SECOND, SECOND)).toBeNull();
		expect(stretchOf(SECOND / 4, SECOND / 2)).toBeNull();
		expect(stretchOf(SECOND, 37_460)).toEqual({seconds: 38.5, regular: 1});
	});

	it('is told with the way out, and what is told can be read again', () => {
		const stretch = {seconds: 38.5, regular: 1};
		expect(stretchWarning(stretch)).toMatch(/^polled every 38.5 s instead of 1 s: .*maxConcurrentCalls.*gateway/);
		expect(readStretch(stretchWarning(stretch))).toEqual(stretch);
		expect(readStretch('alarm: odd; nothing is approved until a reload')).toBeNull();
	});

	it('is told of several from the least to the most', () => {
		expect(
			stretchesInWords([
				{seconds: 68, regular: 30},
				{seconds: 38.5, regular: 1},
			]),
		).toMatch(/^polled every 38.5 to 68 s instead of 1 to 30 s: /);
	});
});
