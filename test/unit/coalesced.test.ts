import {expect, it} from 'vitest';
import {Coalesced} from '../../supervisor/coalesced.ts';

it('however often it is asked for, one runs and one waits, which is done for all who asked meanwhile', async () => {
	const runs: boolean[] = [];
	const gates: PromiseWithResolvers<void>[] = [];
	const job = new Coalesced(
		async (want: boolean) => {
			runs.push(want);
			const gate = Promise.withResolvers<void>();
			gates.push(gate);
			await gate.promise;
			return runs.length;
		},
		(one, other) => one || other,
	);
	const first = job.ask(false);
	const others = Array.from({length: 1000}, (_, index) => job.ask(index === 500));
	expect(runs).toEqual([false]);
	gates[0]?.resolve();
	expect(await first).toBe(1);
	await Promise.resolve();
	gates[1]?.resolve();
	expect(new Set(await Promise.all(others))).toEqual(new Set([2]));
	expect(runs).toEqual([false, true]);
	const last = job.ask(false);
	gates[2]?.resolve();
	expect(await last).toBe(3);
});

it('one that fails does so for those who waited for it, and the next one runs', async () => {
	let fails = true;
	const job = new Coalesced(
		async () => {
			if (fails) throw new Error('no');
			return 'done';
		},
		() => {},
	);
	await expect(job.ask(undefined)).rejects.toThrow('no');
	fails = false;
	expect(await job.ask(undefined)).toBe('done');
});
