import {expect, it} from 'vitest';
import {hasSameValues} from '../../worker/same.ts';

const value = {};

it.each([
	[{a: 1, b: value}, {b: value, a: 1}, true],
	[{a: value}, {a: {}}, false],
	[{a: 1}, {a: 1, b: 1}, false],
	[{a: undefined, b: 1}, {b: 1, c: 2}, false],
	[['a', 'b'], ['a', 'b'], true],
	[['a', 'b'], ['b', 'a'], false],
	[['a'], ['a', 'b'], false],
])('%o and %o hold the very same values: %s', (one, other, isSame) => {
	expect(hasSameValues<object>(one, other)).toBe(isSame);
	expect(hasSameValues<object>(other, one)).toBe(isSame);
});
