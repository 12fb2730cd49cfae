import {describe, expect, it} from 'vitest';
import {checkLiveness, type Observation, progressTimeout} from '../../supervisor/sandbox/liveness.ts';
import {SECOND} from './fixtures.ts';

const limits = {heartbeatTimeout: 20 * SECOND, progressTimeout: 50 * SECOND, workerMemory: 192 * 2 ** 20};
const well: Observation = {lastBeatAt: 0, lastProgressAt: 0, isWaitingForTurn: false, rss: 2 ** 20};
const checkAt = (now: number, seen: Partial<Observation> = {}) => checkLiveness({...well, ...seen}, limits, now);

describe('a worker', () => {
	it('is well while it beats and makes progress', () => {
		expect(checkAt(20 * SECOND)).toBeNull();
	});

	it('hangs when it has been silent for too long, as a stopped one or one with a blocked event loop is', () => {
		expect(checkAt(20 * SECOND + 1)).toBe('hang');
	});

	it('is stalled when it beats but makes no progress', () => {
		expect(checkAt(50 * SECOND, {lastBeatAt: 50 * SECOND})).toBeNull();
		expect(checkAt(50 * SECOND + 1, {lastBeatAt: 50 * SECOND})).toBe('stalled');
	});

	it('is not stalled while the host owes it a turn, but may hang even then', () => {
		expect(checkAt(1000 * SECOND, {lastBeatAt: 1000 * SECOND, isWaitingForTurn: true})).toBeNull();
		expect(checkAt(1000 * SECOND, {isWaitingForTurn: true})).toBe('hang');
	});

	it('is too large above its limit, and not where nobody knows its size', () => {
		expect(checkAt(0, {rss: limits.workerMemory})).toBeNull();
		expect(checkAt(0, {rss: limits.workerMemory + 1})).toBe('memory');
		expect(checkAt(0, {rss: null})).toBeNull();
	});

	it('may go without progress for the longest wait or call that its configuration allows', () => {
		const bounds = {
			slowInterval: 30_000,
			fastInterval: 1000,
			fastReentryInterval: 1000,
			runTimeout: 10_000,
			heartbeatTimeout: 20_000,
		};
		expect(progressTimeout(bounds)).toBe(50_000);
		expect(progressTimeout({...bounds, runTimeout: 120_000})).toBe(141_000);
		expect(progressTimeout({...bounds, fastInterval: 60_000})).toBe(80_000);
	});
});
