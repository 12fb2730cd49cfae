import {describe, expect, it} from 'vitest';
import {
	afterAttempt,
	noReconnectAttempts,
	probation,
	type ReconnectAttempt,
	type ReconnectAttempts,
	waitAfter,
} from '../../worker/transport/gateway/reconnect.ts';
import {MINUTE, SECOND} from '../unit/fixtures.ts';

const absent: ReconnectAttempt = {
	lasted: null,
	isRefused: false,
	isUnfit: false,
	isByRelay: false,
	hasRunCommand: false,
};
const refused: ReconnectAttempt = {...absent, isRefused: true};
const refusedByCommand: ReconnectAttempt = {...refused, hasRunCommand: true};

/** The waits after each of these attempts. */
function waits(attempts: readonly ReconnectAttempt[]): number[] {
	let state: ReconnectAttempts = noReconnectAttempts;
	return attempts.map(each => {
		state = afterAttempt(state, each);
		return waitAfter(state, each);
	});
}

describe('the wait after an attempt to connect', () => {
	it('doubles to two seconds where nobody is there, to five where we are refused, to half a minute where a program was run', () => {
		expect(waits(Array(6).fill(absent))).toEqual([250, 500, 1000, 2000, 2000, 2000]);
		expect(waits(Array(7).fill(refused))).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
		expect(waits(Array(9).fill(refusedByCommand))).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
	});

	it('is a minute where there is no way until somebody changes something, doubling to an hour', () => {
		const unfit = {...absent, isUnfit: true, isByRelay: true};
		expect(waits(Array(8).fill(unfit)).map(ms => ms / MINUTE)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
	});

	it('lets a relay look often for a minute, and ever less after that', () => {
		const all = waits(Array(18).fill({...absent, isByRelay: true})).map(ms => ms / SECOND);
		expect(all).toEqual([0.25, 0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5, 5, 10, 20, 40, 80, 120, 120]);
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
	const short: ReconnectAttempt = {...absent, lasted: 300};
	let state: ReconnectAttempts = noReconnectAttempts;
	const times = Array.from({length: 7}, () => {
		state = afterAttempt(state, short);
		return probation(state);
	});
	expect([probation(noReconnectAttempts), ...times]).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
	expect(probation(afterAttempt(state, {...short, lasted: MINUTE}))).toBe(250);
});
