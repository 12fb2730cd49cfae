import {describe, expect, it} from 'vitest';
import {diagnose, stepTimeout, type Vitals} from '../../supervisor/liveness.ts';
import {SECOND} from './fixtures.ts';

const limits = {heartbeatTimeout: 20 * SECOND, stepTimeout: 50 * SECOND, workerMemory: 192 * 2 ** 20};
const well: Vitals = {lastBeatAt: 0, lastStepAt: 0, isWaitingForTurn: false, rss: 2 ** 20};
const diagnoseAt = (now: number, vitals: Partial<Vitals> = {}) => diagnose({...well, ...vitals}, limits, now);

describe('a worker', () => {
	it('is well while it beats and steps', () => {
		expect(diagnoseAt(20 * SECOND)).toBeNull();
	});

	it('hangs when it has been silent for too long, as a stopped one or one with a blocked event loop is', () => {
		expect(diagnoseAt(20 * SECOND + 1)).toBe('hang');
	});

	it('is stalled when it beats but takes no step', () => {
		expect(diagnoseAt(50 * SECOND, {lastBeatAt: 50 * SECOND})).toBeNull();
		expect(diagnoseAt(50 * SECOND + 1, {lastBeatAt: 50 * SECOND})).toBe('stalled');
	});

	it('is not stalled while the host owes it a turn, but may hang even then', () => {
		expect(diagnoseAt(1000 * SECOND, {lastBeatAt: 1000 * SECOND, isWaitingForTurn: true})).toBeNull();
		expect(diagnoseAt(1000 * SECOND, {isWaitingForTurn: true})).toBe('hang');
	});

	it('is too large above its limit, and not where nobody knows its size', () => {
		expect(diagnoseAt(0, {rss: limits.workerMemory})).toBeNull();
		expect(diagnoseAt(0, {rss: limits.workerMemory + 1})).toBe('memory');
		expect(diagnoseAt(0, {rss: null})).toBeNull();
	});

	it('may stay in one step for the longest wait or call that its configuration allows', () => {
		const bounds = {
			slowInterval: 30_000,
			fastInterval: 1000,
			fastReentryInterval: 1000,
			runTimeout: 10_000,
			heartbeatTimeout: 20_000,
		};
		expect(stepTimeout(bounds)).toBe(50_000);
		expect(stepTimeout({...bounds, runTimeout: 120_000})).toBe(141_000);
		expect(stepTimeout({...bounds, fastInterval: 60_000})).toBe(80_000);
	});
});
