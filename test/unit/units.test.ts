import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {toMilliseconds} from '../../supervisor/config/duration.ts';
import {duration, size} from '../../supervisor/config/units.ts';

describe('a duration', () => {
	it.each([
		[30, 30_000],
		[0.5, 500],
		['500ms', 500],
		['30s', 30_000],
		['1.5h', 5_400_000],
		['1h30m', 5_400_000],
		['1h 30m', 5_400_000],
		['10 m', 600_000],
		['1d', 86_400_000],
		['0s', 0],
	])('of %j is %d ms', (value, ms) => {
		expect(toMilliseconds(value)).toBe(ms);
	});

	it.each([
		'',
		' ',
		'30',
		'-30s',
		'30 seconds',
		'1y',
		's',
		'1e3s',
		'1,5s',
		'0x10s',
		'never',
		'30s!',
		'\u0663s',
		'1h30',
	])('is not %j', value => {
		expect(toMilliseconds(value)).toBeNull();
		expect(duration().safeParse(value).success).toBe(false);
	});

	it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, null, true, [], {}])('is not %j', value => {
		expect(duration().safeParse(value).success).toBe(false);
	});

	it('is never longer than a timer can wait, unless that is said', () => {
		expect(duration().safeParse('24d').success).toBe(true);
		expect(duration().safeParse('25d').success).toBe(false);
		expect(duration().safeParse(`${'9'.repeat(400)}s`).success).toBe(false);
		expect(duration({max: Number.MAX_SAFE_INTEGER}).parse('400d')).toBe(400 * 86_400_000);
	});

	it('is zero only where that is allowed', () => {
		expect(duration().safeParse(0).error?.issues[0]?.message).toBe('must be between 0.001 s and 2147483 s, not 0 s');
		expect(duration({min: 0}).parse(0)).toBe(0);
	});

	it('never throws, and gives milliseconds within its bounds or nothing', () => {
		const text = fc
			.array(fc.constantFrom('1', '9', '.', ' ', 'ms', 's', 'm', 'h', 'd', '-'))
			.map(parts => parts.join(''));
		fc.assert(
			fc.property(fc.oneof(fc.double(), text, fc.string()), value => {
				const parsed = duration().safeParse(value);
				if (parsed.success) expect(parsed.data >= 1 && parsed.data <= 2 ** 31 - 1).toBe(true);
			}),
		);
	});
});

describe('a size', () => {
	it.each([
		[1, 1],
		['192M', 192 * 2 ** 20],
		['1.5 GiB', 1.5 * 2 ** 30],
		['64kb', 65_536],
		['100', 100],
	])('of %j is %d bytes', (value, bytes) => {
		expect(size.parse(value)).toBe(bytes);
	});

	it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '', 'M', '-1M', '1P', '1 2M', '0.1', null, []])(
		'is not %j',
		value => {
			expect(size.safeParse(value).success).toBe(false);
		},
	);
});
