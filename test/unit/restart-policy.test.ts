import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {isBlamedOnGateway, isCrashLooping, nextRestart} from '../../supervisor/sandbox/restart-policy.ts';
import {MINUTE, SECOND} from './fixtures.ts';

const policy = {minDelay: 100, maxDelay: 30 * SECOND, stableAfter: MINUTE};

/** The delays after so many exits in a row of workers that lived for `lifetime`. */
function delays(exits: number, {lifetime = 0, random = 0} = {}): number[] {
	let unstableExits = 0;
	return Array.from({length: exits}, () => {
		const restart = nextRestart(policy, unstableExits, lifetime, () => random);
		unstableExits = restart.unstableExits;
		return restart.delay;
	});
}

describe('a worker that ended', () => {
	it('is replaced at once when it had been stable', () => {
		expect(nextRestart(policy, 7, MINUTE)).toEqual({delay: 0, unstableExits: 0});
	});

	it('is replaced later and later when it had not, up to the longest delay', () => {
		expect(delays(11)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
	});

	it('is replaced up to half the delay earlier at random, but never before the shortest', () => {
		expect(delays(4, {random: 1})).toEqual([100, 100, 200, 400]);
	});

	it('is replaced for ever, within the bounds', () => {
		fc.assert(
			fc.property(fc.nat(), fc.double({min: 0, max: 1, noNaN: true}), fc.nat(MINUTE - 1), (exits, random, lifetime) => {
				const restart = nextRestart(policy, exits, lifetime, () => random);
				expect(restart.delay).toBeGreaterThanOrEqual(policy.minDelay);
				expect(restart.delay).toBeLessThanOrEqual(policy.maxDelay);
				expect(restart.unstableExits).toBe(exits + 1);
			}),
		);
		expect(delays(5000).at(-1)).toBe(30 * SECOND);
	});
});

describe('a crash loop', () => {
	it('is said from the third exit in a row, until a worker is stable', () => {
		expect([1, 2, 3, 4].map(exits => isCrashLooping(policy, exits, 0))).toEqual([false, false, true, true]);
		expect(isCrashLooping(policy, 9, MINUTE - 1)).toBe(true);
		expect(isCrashLooping(policy, 9, MINUTE)).toBe(false);
	});
});

describe('a gateway that brings workers down', () => {
	it.each([
		['memory', 0, true],
		['hang', 0, true],
		['crash', 1, false],
		['crash', 2, true],
		['stalled', 5, false],
		['exit', 5, false],
	] as const)('is blamed for %s, after %i unstable exits: %s', (reason, unstableExits, isBlamed) => {
		expect(isBlamedOnGateway(reason, unstableExits)).toBe(isBlamed);
	});
});
