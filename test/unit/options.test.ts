import {InvalidArgumentError} from 'commander';
import {describe, expect, it} from 'vitest';
import {durationUpTo} from '../../supervisor/commands/options.ts';

describe('a duration on the command line', () => {
	const read = durationUpTo(60_000);

	it.each([
		['12', 12_000],
		['0.5', 500],
		['500ms', 500],
		['1m', 60_000],
		['60', 60_000],
	])('%j is %d ms', (text, ms) => {
		expect(read(text)).toBe(ms);
	});

	it.each(['61', '60001ms', '1h', '0', '0s'])('%j is out of bounds, which are named', text => {
		expect(() => read(text)).toThrow(InvalidArgumentError);
		expect(() => read(text)).toThrow('It must be between 1ms and 60s.');
	});

	it.each(['soon', '', '-1', '1e3', '12 seconds'])('%j is not one, and what is one is said', text => {
		expect(() => read(text)).toThrow(InvalidArgumentError);
		expect(() => read(text)).toThrow(/not a duration; write seconds/);
	});
});
