import {describe, expect, it} from 'vitest';
import {afterTry, noTries, settlingTime, type Tries, type Try, waitAfter} from '../../worker/gateway/tries.ts';
import {HOUR, MINUTE, SECOND} from '../unit/fixtures.ts';

const absent: Try = {lasted: null, isRefused: false, hasRunCommand: false, isBrokenOff: false};
const refused: Try = {...absent, isRefused: true};
const refusedByCommand: Try = {...refused, hasRunCommand: true};
const broken: Try = {...absent, lasted: 15 * SECOND, isBrokenOff: true};

/** The waits after each of these tries. */
function waits(tries: readonly Try[]): number[] {
	let state: Tries = noTries;
	return tries.map(each => {
		state = afterTry(state, each);
		return waitAfter(state, each);
	});
}

/** The rests after each of these tries. */
function rests(tries: readonly Try[]): number[] {
	let state: Tries = noTries;
	return tries.map(each => {
		state = afterTry(state, each);
		return state.rest;
	});
}

describe('the wait after a try', () => {
	it('doubles to two seconds where nobody is there, to five where we are refused, to half a minute where a program was run', () => {
		expect(waits(Array(6).fill(absent))).toEqual([250, 500, 1000, 2000, 2000, 2000]);
		expect(waits(Array(7).fill(refused))).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
		expect(waits(Array(9).fill(refusedByCommand))).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
	});

	it('begins anew with the first program after an outage, however long that was', () => {
		expect(waits([...Array(20).fill(absent), refusedByCommand, refusedByCommand]).slice(-2)).toEqual([250, 500]);
	});

	it('is long for programs also where the gateway comes and goes', () => {
		const flapping = waits(Array.from({length: 40}, (_, index) => (index % 2 === 0 ? absent : refusedByCommand)));
		expect(flapping.at(-1)).toBe(30 * SECOND);
	});

	it.each([
		[4 * SECOND, false, 2000],
		[6 * SECOND, false, 250],
		[6 * SECOND, true, 30_000],
		[40 * SECOND, true, 250],
	])('begins anew after a connection that lasted: %i ms, program %s', (lasted, hasRunCommand, wait) => {
		const before = Array(20).fill({...absent, hasRunCommand});
		expect(waits([...before, {...absent, lasted, hasRunCommand}]).at(-1)).toBe(wait);
	});
});

it('a connection has to prove itself for longer after each that did not last', () => {
	const short: Try = {...absent, lasted: 300};
	let state: Tries = noTries;
	const times = Array.from({length: 7}, () => {
		state = afterTry(state, short);
		return settlingTime(state);
	});
	expect([settlingTime(noTries), ...times]).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
	expect(settlingTime(afterTry(state, {...short, lasted: MINUTE}))).toBe(250);
});

describe('a gateway that we broke with', () => {
	it('rests for a minute, and twice as long each time', () => {
		expect(rests(Array(8).fill(broken)).map(ms => ms / MINUTE)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
	});

	it('is forgiven when a connection has lasted longer than the rest, not before', () => {
		const good = (lasted: number): Try => ({...broken, lasted, isBrokenOff: false});
		expect(rests([broken, broken, good(MINUTE), broken]).at(-1)).toBe(4 * MINUTE);
		expect(rests([broken, broken, good(3 * MINUTE), broken]).at(-1)).toBe(MINUTE);
		expect(rests([broken, broken, {...broken, lasted: HOUR}]).at(-1)).toBe(MINUTE);
	});
});
