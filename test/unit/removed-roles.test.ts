import {describe, expect, it} from 'vitest';
import {Ledger} from '../../worker/requests/ledger.ts';
import {ledgerSchema} from '../../worker/requests/ledger-schema.ts';
import type {Step} from '../../worker/requests/plan.ts';
import {shortHash} from '../../worker/requests/refusal.ts';
import {sightingOf} from '../../worker/requests/removed.ts';
import {defaultPolicy, entryOf, listingOf, MINUTE, requestOf, SECOND} from './fixtures.ts';

const policy = {...defaultPolicy, roles: ['operator', 'node']};
const token = (role: string, change: object = {}) => ({role, scopes: [], ...change});
const device = (change: object = {}) => ({
	deviceId: 'device-1',
	publicKey: 'key-1',
	createdAtMs: 1,
	roles: ['operator', 'node'],
	scopes: ['operator.read'],
	tokens: [token('node'), token('operator', {scopes: ['operator.read']})],
	...change,
});
const without = (role: string) =>
	device({
		roles: ['operator', 'node'].filter(each => each !== role),
		tokens: device().tokens.filter(each => each.role !== role),
	});
const ask = (role: string, change: object = {}) =>
	entryOf({role, roles: [role], scopes: role === 'operator' ? ['operator.read'] : [], ...change});
const told = (steps: readonly Step[]) => steps.map(step => (step.kind === 'refuse' ? step.reason : step.kind));

/** A ledger that has seen one listing of these devices after the other, over one connection. */
function having(...listings: readonly (readonly object[])[]): Ledger {
	const ledger = new Ledger(policy, 30 * SECOND);
	for (const paired of listings) ledger.plan(listingOf([], paired), 0, 1);
	return ledger;
}

/** The ledger that the next worker makes of what this one hands on. */
function inherited(ledger: Ledger): Ledger {
	return new Ledger(policy, 30 * SECOND, ledgerSchema.parse(JSON.parse(JSON.stringify(ledger.state))));
}

describe('a role that a person has removed of a device that has others', () => {
	it.each(['operator', 'node'])('%s is not given again, over restarts, and the others are', role => {
		const other = role === 'node' ? 'operator' : 'node';
		const ledger = having([device()], [without(role)]);
		for (const each of [ledger, inherited(ledger)]) {
			const pending = [ask(role), ask(other, {requestId: 'r2'}), ask(other, {requestId: 'r3', roles: [role]})];
			const {steps} = each.plan(listingOf(pending, [without(role)]), SECOND, 1);
			expect(told(steps)).toEqual(['revoked', 'approve', 'revoked']);
		}
	});

	it.each([
		['whose token alone is gone', [device()], [device({tokens: [token('operator')]})]],
		['that had no token', [device({tokens: []})], [device({roles: ['operator'], tokens: []})]],
		[
			'whose token had been revoked before',
			[device({tokens: [token('node', {revokedAtMs: 7}), token('operator')]})],
			[without('node')],
		],
		[
			'where no roles are listed beside the tokens',
			[device({roles: undefined})],
			[{...without('node'), roles: undefined}],
		],
		[
			'of a device that is listed in two entries',
			[device({tokens: []}), device({roles: [], tokens: [token('node')]})],
			[device({roles: ['operator'], tokens: []})],
		],
	])('%s is not given again', (_, before, after) => {
		const {steps} = having(before, after).plan(listingOf([ask('node')], after), SECOND, 1);
		expect(told(steps)).toEqual(['revoked']);
	});

	it.each([
		['over another connection', [device({createdAtMs: undefined})], [{...without('node'), createdAtMs: undefined}], 2],
		['where its tokens cannot be read', [device()], [device({tokens: 'none', roles: undefined})], 1],
		['where no roles are listed any more', [device({tokens: []})], [device({roles: undefined, tokens: []})], 1],
		['where it is listed in another order', [device()], [device({roles: ['node', 'operator']})], 1],
		['that it never had', [without('node')], [without('node')], 1],
	])('is none %s', (_, before, after, connection) => {
		const ledger = having(before);
		ledger.plan(listingOf([], after), 0, connection);
		expect(ledger.state.removed).toEqual([]);
	});

	it('is given back with what a person approves, and no other', () => {
		const bare = device({roles: ['third'], tokens: [token('third')]});
		const ledger = having([device({roles: ['operator', 'node', 'third']})], [bare]);
		const operator = requestOf({requestId: 'r1'});
		ledger.plan(listingOf([ask('operator'), ask('node', {requestId: 'r2'})], [bare]), SECOND, 1);
		ledger.attempt(operator, [], 'person');
		ledger.approved(operator, 'person', SECOND);
		const {steps} = ledger.plan(
			listingOf([ask('operator', {requestId: 'r3'}), ask('node', {requestId: 'r4'})], [bare]),
			MINUTE,
			1,
		);
		expect(told(steps)).toEqual(['approve', 'revoked']);
	});

	it('is given back by whoever approves it at the gateway', () => {
		const ledger = having([device()], [without('node')]);
		ledger.plan(listingOf([ask('node')], [without('node')]), SECOND, 1);
		expect(ledger.plan(listingOf([], [device()]), 2 * SECOND, 1).vanished).toMatchObject([{kind: 'foreign'}]);
		expect(ledger.state.removed).toEqual([]);
	});

	it('may be meant by a request that cannot be read', () => {
		const ledger = having([device()], [without('node')]);
		const {steps} = ledger.plan(listingOf([ask('operator', {scopes: 7})], [without('node')]), SECOND, 1);
		expect(told(steps)).toEqual(['malformed']);
		expect(ledger.plan(listingOf([ask('operator', {scopes: 7})], [without('node')]), 10 * MINUTE, 1).steps).toEqual([]);
	});

	it('counts among what is remembered, and is remembered before others where it is asked for', () => {
		const crowd = Array.from({length: 256}, (_, index) => device({deviceId: `other-${index}`}));
		const idle = crowd.map(each => ({...each, roles: ['operator']}));
		const ledger = having([device(), ...crowd], [without('node'), ...crowd]);
		expect(ledger.blocked(0)).toBeNull();
		ledger.plan(listingOf([ask('node')], [without('node'), ...idle]), SECOND, 1);
		expect(ledger.blocked(SECOND)).toMatch(/removed/);
		ledger.clearAlarm();
		expect(ledger.state.removed).toHaveLength(256);
		expect(told(inherited(ledger).plan(listingOf([ask('node')], [without('node')]), MINUTE, 1).steps)).toEqual([]);
	});
});

it('of a device that is listed with any number of roles nobody says which it has: comparing them is not worth a minute', () => {
	const entries = (prefix: string) =>
		Array.from({length: 4096}, (_, entry) =>
			device({roles: Array.from({length: 32}, (_, role) => `${prefix}${entry * 32 + role}`), tokens: []}),
		);
	expect(sightingOf(listingOf([], entries('a')), 1)?.devices.get('device-1')).toMatchObject({roles: null});
	expect(having(entries('a'), entries('b'), []).state.removed).toEqual([shortHash('device-1')]);
});

describe('a device of several roles that a person has removed', () => {
	const removed = () => having([device()], []);

	it('gets back what a person approves, and no other role', () => {
		const ledger = removed();
		const request = requestOf();
		ledger.attempt(request, [], 'person');
		ledger.approved(request, 'person', SECOND);
		const plan = () => ledger.plan(listingOf([ask('node', {requestId: 'r2'})], [without('node')]), MINUTE, 1);
		expect(told(plan().steps)).toEqual(['revoked']);
		expect(ledger.state.removed).toHaveLength(1);
	});

	it.each([
		['by pairkeeper', true],
		['at the gateway', false],
	])('gets its only role back with no other that a person gives it %s', (_, isOurs) => {
		const single = (role: string) => device({roles: [role], tokens: [token(role)], scopes: []});
		const ledger = having([single('operator'), device({deviceId: 'other'})], [device({deviceId: 'other'})]);
		const asked = ask('node', {requestId: 'r1'});
		expect(told(ledger.plan(listingOf([asked], [device({deviceId: 'other'})]), SECOND, 1).steps)).toEqual(['revoked']);
		if (isOurs) {
			const request = requestOf({role: 'node', roles: ['node'], scopes: []});
			ledger.attempt(request, [], 'person');
			ledger.approved(request, 'person', 2 * SECOND);
		}
		const paired = [{...single('node'), createdAtMs: 2}, device({deviceId: 'other'})];
		ledger.plan(listingOf([], paired), 3 * SECOND, 1);
		const {steps} = inherited(ledger).plan(listingOf([ask('operator', {requestId: 'r2'})], paired), MINUTE, 1);
		expect(told(steps)).toEqual(['revoked']);
		const node = ask('node', {requestId: 'r3', scopes: ['node.more']});
		expect(told(ledger.plan(listingOf([node], paired), MINUTE, 1).steps)).not.toEqual(['revoked']);
	});

	it('that is removed again gets back nothing of what was given between', () => {
		const ledger = having([device()], []);
		const request = requestOf();
		ledger.attempt(request, [], 'person');
		ledger.approved(request, 'person', SECOND);
		for (const paired of [[{...without('node'), createdAtMs: 2}], []]) ledger.plan(listingOf([], paired), SECOND, 1);
		expect(ledger.state.removed).toEqual([shortHash('device-1')]);
		expect(told(ledger.plan(listingOf([ask('operator', {requestId: 'r2'})]), MINUTE, 1).steps)).toEqual(['revoked']);
	});

	it('is refused in every role, one that it never had too', () => {
		const asks = ['operator', 'node', 'other'].map((role, index) => ask(role, {requestId: `r${index}`}));
		expect(told(removed().plan(listingOf(asks), SECOND, 1).steps)).toEqual(['revoked', 'revoked', 'revoked']);
	});
});

describe('more removals than are remembered', () => {
	it('are an alarm of their own, also where another one stood meanwhile', () => {
		const crowd = Array.from({length: 300}, (_, index) => device({deviceId: `other-${index}`}));
		const ledger = having([device(), ...crowd], crowd);
		ledger.raiseAlarm('approving r7 granted more than was decided: operator.admin');
		ledger.plan(listingOf([]), SECOND, 1);
		// Somebody has looked at the one alarm that there was.
		ledger.clearAlarm();
		expect(ledger.blocked(2 * SECOND)).toMatch(/removed/);
		ledger.clearAlarm();
		expect(ledger.blocked(2 * SECOND)).toBeNull();
		expect(ledger.state.removed).toHaveLength(256);
	});

	it('are remembered of every device that asks, though others that ask had many roles', () => {
		const roles = Array.from({length: 16}, (_, index) => `role-${index}`);
		const crowd = Array.from({length: 17}, (_, index) => device({deviceId: `other-${index}`, roles}));
		const asks = [
			ask('operator'),
			...crowd.map(({deviceId}) => ask('role-1', {deviceId, requestId: `of-${deviceId}`})),
		];
		const ledger = having([device(), ...crowd], crowd);
		const poor = crowd.map(each => ({...each, roles: []}));
		expect(told(ledger.plan(listingOf(asks, poor), SECOND, 1).steps)).toEqual(asks.map(() => 'revoked'));
		ledger.clearAlarm();
		const {steps} = inherited(ledger).plan(listingOf(asks, poor), MINUTE, 1);
		expect(steps.filter(({kind}) => kind === 'approve')).toEqual([]);
	});

	it('are an alarm, also where one of them is given back before anything is to be approved', () => {
		const one = (deviceId: string) => device({deviceId, roles: ['operator'], tokens: [token('operator')]});
		const crowd = Array.from({length: 300}, (_, index) => one(`other-${index}`));
		// A person removes one device; whoever holds the gateway's token then removes many, asks with one of them, and approves that himself.
		const ledger = having([one('device-1'), one('his'), ...crowd], [one('his'), ...crowd]);
		const his = ask('operator', {deviceId: 'his'});
		expect(told(ledger.plan(listingOf([his]), SECOND, 1).steps)).toEqual(['revoked']);
		ledger.plan(
			listingOf(
				[],
				[{...one('his'), scopes: ['operator.read'], tokens: [token('operator', {scopes: ['operator.read']})]}],
			),
			2 * SECOND,
			1,
		);
		expect(ledger.blocked(3 * SECOND)).toMatch(/^more than 256 devices, or roles of devices, were removed/);
	});
});

it('a device that a worker of an earlier version remembers as removed stays so, in every role', () => {
	const {state} = having();
	const old = ledgerSchema.parse(JSON.parse(JSON.stringify({...state, removed: [shortHash('device-1')]})));
	const ledger = new Ledger(policy, 30 * SECOND, old);
	expect(told(ledger.plan(listingOf([ask('operator'), ask('node', {requestId: 'r2'})]), 0, 1).steps)).toEqual([
		'revoked',
		'revoked',
	]);
});
