import {expect, test} from 'vitest';
import {runCampaign} from '../../scripts/campaign/campaign.ts';
import {planOf} from '../../scripts/campaign/plan.ts';

test('a short campaign of faults approves nothing wrong, loses nothing, does nothing twice and leaves nothing behind', async () => {
	const {injected, wrong, lost, twice, leftOver, before, after, approved, right, audit} = await runCampaign({
		seed: 3,
		faults: 30,
		sandboxes: 2,
		smallFolder: null,
		say: () => {},
		signal: AbortSignal.timeout(280_000),
	});
	const {unrecorded, unended} = audit;
	expect({wrong, lost, twice, leftOver, unrecorded, unended}).toEqual({
		wrong: [],
		lost: [],
		twice: [],
		leftOver: [],
		unrecorded: [],
		unended: [],
	});
	expect(approved).toBe(right);
	// That there was a campaign.
	expect(Object.keys(injected).length).toBeGreaterThan(6);
	expect(right).toBeGreaterThan(5);
	// A dozen descriptors come and go with calls, connections and files.
	expect(after.descriptors).toBeLessThan(before.descriptors + 20);
});

test('what lies only after the last fault costs no request: somebody looks at that too', async () => {
	// What the last request meets: a call that hangs, and then, after all faults, one that lies.
	const {injected, lost, approved, right} = await runCampaign({
		seed: 19_382,
		faults: 3,
		sandboxes: 2,
		smallFolder: null,
		say: () => {},
		signal: AbortSignal.timeout(280_000),
	});
	expect(injected).toEqual({'gateway drop': 1, 'answer hang': 1, 'answer other-ids': 1});
	expect(lost).toEqual([]);
	expect(approved).toBe(right);
});

test('the same seed gives the same campaign, another one another', () => {
	expect(planOf(3, 500)).toEqual(planOf(3, 500));
	expect(planOf(4, 500)).not.toEqual(planOf(3, 500));
	const kinds = new Set(planOf(3, 500).map(({fault}) => fault.what));
	expect(kinds.size).toBe(12);
});
