import {describe, expect, it} from 'vitest';
import {describeRequest, shownAsk} from '../../supervisor/commands/pending-text.ts';
import {pendingRequest} from '../../supervisor/control/pending.ts';
import {shownHeld} from '../../worker/held.ts';
import {decisionsIn, subjectOf} from '../../worker/messages.ts';
import {defaultPolicy, requestOf} from './fixtures.ts';

/** A request that is held, as the clients are told of it. */
function pendingOf(change: Parameters<typeof requestOf>[0]) {
	const held = {
		request: requestOf(change),
		gives: [],
		reason: 'unknown-client',
		digest: 'd',
		since: 0,
		rejectAt: null,
	} as const;
	const [shown] = shownHeld([held], {now: 0, wall: 1_800_000_000_000}).requests;
	if (!shown) throw new Error('nothing is shown');
	return pendingRequest('alpha', shown);
}

describe('what a person is shown of a request', () => {
	it.each([
		['named beside the list', {role: 'node', roles: ['operator']}],
		['in the list only', {role: 'operator', roles: ['operator', 'node']}],
		['named without a list', {role: 'node', roles: null}],
	])('has every role that it is for, one %s too', (_, change) => {
		const request = pendingOf(change);
		expect(describeRequest(request, 0).find(line => line.startsWith('roles'))).toContain('node');
		expect(shownAsk(request)).toMatch(/^operator\.read; for roles: .*node/);
	});

	it('is short where the role is the usual one', () => {
		expect(shownAsk(pendingOf({}))).toBe('operator.read');
		expect(shownAsk(pendingOf({role: null, roles: null}))).toBe('operator.read');
	});
});

it('what there is no room for is counted', () => {
	const held = (index: number) =>
		({
			request: requestOf({
				requestId: `r${index}`,
				scopes: Array.from({length: 64}, (_, n) => `${'x'.repeat(120)}${n}`),
			}),
			gives: [],
			reason: 'disallowed-scope',
			digest: 'd',
			since: 0,
			rejectAt: null,
		}) as const;
	const all = Array.from({length: 300}, (_, index) => held(index));
	const {requests, omitted} = shownHeld(all, {now: 0, wall: 1_800_000_000_000});
	expect(requests.length).toBeGreaterThan(5);
	expect(requests.length).toBeLessThan(30);
	expect(requests.length + omitted).toBe(300);
	expect(JSON.stringify(requests).length).toBeLessThan(129 * 1024);
});

describe('what is on record of an approval', () => {
	const scopes = [...Array.from({length: 30}, () => 'operator.read'), 'operator.admin'];
	const request = requestOf({role: 'operator', roles: ['operator', 'node'], scopes});
	const whole = {scopes: ['operator.read', 'operator.admin'], role: 'operator,node'};

	it('has every scope and role of it, however often the request names another one', () => {
		const deed = {action: 'approve', by: 'person', request, transport: 'gateway'} as const;
		expect(subjectOf(deed)).toMatchObject(whole);
		expect(
			decisionsIn({kind: 'approved', by: 'person', request, transport: 'gateway', isNews: true}, defaultPolicy, 0),
		).toMatchObject([whole]);
	});

	it('has every scope, be they as many as a request may name', () => {
		const many = Array.from({length: 32}, (_, index) => `operator.${'x'.repeat(100)}${index}`);
		const deed = {action: 'approve', by: 'person', request: requestOf({scopes: many}), transport: 'gateway'} as const;
		expect(subjectOf(deed).scopes).toEqual(many);
	});
});
