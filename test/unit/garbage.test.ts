import {runInNewContext} from 'node:vm';
import {describe, expect, it} from 'vitest';
import {collectGarbage, Garbage} from '../../worker/host/garbage.ts';

const MIB = 2 ** 20;
const MINUTE = 60_000;

/** A process whose objects take so many MiB, of which a collection leaves so many. */
function processWith(used: number, live: number) {
	const state = {now: 0, used: used * MIB, live: live * MIB, collections: 0};
	const garbage = new Garbage({
		now: () => state.now,
		used: () => state.used,
		collect: () => {
			state.collections++;
			state.used = state.live;
		},
	});
	const lookAt = (now: number, change: Partial<typeof state> = {}) => {
		Object.assign(state, change, {now});
		garbage.look();
		return state.collections;
	};
	return {lookAt};
}

describe('the garbage of a worker', () => {
	it('is collected where there is much of it, and is looked at twice a minute at most', () => {
		const {lookAt} = processWith(60, 8);
		expect(lookAt(0)).toBe(0);
		expect(lookAt(29_999)).toBe(0);
		expect(lookAt(30_000)).toBe(1);
		expect(lookAt(31_000, {used: 60 * MIB})).toBe(1);
		expect(lookAt(60_000)).toBe(2);
	});

	it('is left alone where there is little', () => {
		const {lookAt} = processWith(11.9, 8);
		expect(lookAt(MINUTE)).toBe(0);
		expect(lookAt(2 * MINUTE, {used: 12 * MIB})).toBe(1);
	});

	it('is left alone where there is little, though hardly anything lived at the last collection', () => {
		const {lookAt} = processWith(12, 2);
		expect(lookAt(MINUTE)).toBe(1);
		expect(lookAt(2 * MINUTE, {used: 11.9 * MIB})).toBe(1);
	});

	it('is not taken for more than it is: what lives is not collected again and again', () => {
		const {lookAt} = processWith(60, 40);
		expect(lookAt(MINUTE)).toBe(1);
		expect(lookAt(2 * MINUTE, {used: 59 * MIB})).toBe(1);
		expect(lookAt(3 * MINUTE, {used: 60 * MIB, live: 8 * MIB})).toBe(2);
		expect(lookAt(4 * MINUTE, {used: 13 * MIB})).toBe(3);
	});

	it('does not stay for what lived at the last collection: that counts less and less', () => {
		const {lookAt} = processWith(60, 40);
		expect(lookAt(MINUTE)).toBe(1);
		let minute = 1;
		while (lookAt(++minute * MINUTE, {used: 20 * MIB, live: 8 * MIB}) === 1) expect(minute).toBeLessThan(30);
		// Whatever lives for good is collected now and then.
		const {lookAt: lookAtLarge} = processWith(60, 40);
		for (let at = 1; at <= 60; at++) lookAtLarge(at * MINUTE, {used: 45 * MIB});
		expect(lookAtLarge(61 * MINUTE)).toBeLessThan(15);
	});

	it('goes when it is collected, and no other context gets the means', () => {
		let kept: object | undefined = {};
		const ref = new WeakRef(kept);
		kept = undefined;
		return new Promise<void>(resolve => {
			// What a WeakRef was made for lives to the end of its job.
			setImmediate(() => {
				collectGarbage();
				expect(ref.deref()).toBeUndefined();
				expect(runInNewContext('typeof gc')).toBe('undefined');
				resolve();
			});
		});
	});
});
