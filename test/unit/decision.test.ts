import {expect, it} from 'vitest';
import type {DeedEvent} from '../../worker/requests/carry-out.ts';
import {carryOutDecision} from '../../worker/requests/decision.ts';
import {digestOf} from '../../worker/requests/gives.ts';
import {Ledger, MAX_APPROVALS_AN_HOUR} from '../../worker/requests/ledger.ts';
import {defaultPolicy, entryOf, MemoryGateway, requestOf, SECOND, SimulatedClock} from './fixtures.ts';

it('the decision that would be one approval too many in an hour is not done, and the alarm that it raises is told', async () => {
	const gateway = new MemoryGateway();
	const clock = new SimulatedClock();
	const ledger = new Ledger(defaultPolicy, 30 * SECOND);
	for (let count = 0; count < MAX_APPROVALS_AN_HOUR; count++)
		ledger.approved(requestOf({requestId: `r${count}`}), 'policy', clock.now());
	gateway.pending = [entryOf()];
	const events: DeedEvent[] = [];
	const decided = await carryOutDecision(
		{action: 'approve', requestId: 'r1', digest: digestOf(requestOf(), [])},
		{
			client: gateway,
			ledger,
			clock,
			via: () => 'cli',
			intend: async () => {},
			report: told => events.push(...told),
			signal: new AbortController().signal,
		},
	);
	expect(decided).toMatchObject({result: 'failed', detail: expect.stringContaining('within an hour')});
	expect(events).toEqual([{kind: 'alarm', reason: expect.stringContaining('within an hour')}]);
	expect(gateway.calls).toEqual(['list']);
});

it.each([
	['that the policy refuses', ['operator.admin']],
	['that it would have allowed, too', ['operator.read']],
])(
	'of a request %s and that somebody else has granted meanwhile, no person of ours is the author',
	async (_, scopes) => {
		const gateway = new MemoryGateway();
		const ledger = new Ledger(defaultPolicy, 30 * SECOND);
		const request = entryOf({scopes});
		gateway.pending = [request];
		const clock = new SimulatedClock();
		const paired = [{deviceId: 'device-1', publicKey: 'key-1', scopes, tokens: [{role: 'operator', scopes}]}];
		if (scopes.includes('operator.admin')) ledger.plan(gateway.listing, clock.now());
		// Right before our approval arrives.
		gateway.before = call => {
			if (!call.startsWith('approve')) return;
			gateway.pending = [];
			gateway.paired = paired;
		};
		const decided = await carryOutDecision(
			{action: 'approve', requestId: 'r1', digest: digestOf(requestOf({scopes}), [])},
			{
				client: gateway,
				ledger,
				clock,
				via: () => 'gateway',
				intend: async () => {},
				report: () => {},
				signal: new AbortController().signal,
			},
		);
		expect(decided).toMatchObject({result: 'failed', detail: 'unknown requestId'});
		expect(ledger.plan(gateway.listing, clock.now()).vanished).toEqual([
			{kind: 'foreign', requestId: 'r1', deviceId: 'device-1', roles: [expect.any(String)]},
		]);
	},
);
