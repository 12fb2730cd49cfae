import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {Ledger, MAX_FUTILE_AN_HOUR} from '../../worker/requests/ledger.ts';
import {ledgerSchema} from '../../worker/requests/ledger-schema.ts';
import type {Step} from '../../worker/requests/plan.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import {defaultPolicy, entryOf, listingOf, MINUTE, requestOf, SECOND} from './fixtures.ts';

const SLOW = 30 * SECOND;
const admin = {scopes: ['operator.read', 'operator.admin']};
const paired = (scopes: readonly string[] = []) => [{deviceId: 'device-1', publicKey: 'key-1', scopes}];
const kinds = (steps: readonly Step[]) => steps.map(({kind}) => kind);
const by = (change: Partial<Policy> = {}) => new Ledger({...defaultPolicy, ...change}, SLOW);

/** A ledger whose approval of this request has been begun. */
function attempting(requestId = 'r1', ledger = by()): Ledger {
	ledger.attempt(requestOf({requestId}), []);
	return ledger;
}

/** The ledger that the next worker makes of what this one hands on. */
function inherited(ledger: Ledger, policy = defaultPolicy): Ledger {
	return new Ledger(policy, SLOW, ledgerSchema.parse(JSON.parse(JSON.stringify(ledger.state))));
}

it.each([
	['nothing', []],
	['a request that is refused already', [entryOf({requestId: 'r1', scopes: ['operator.admin']})]],
])('stays the very same value where a listing shows %s, and is another one where that is new', (_, pending) => {
	const ledger = by();
	const before = ledger.state;
	ledger.plan(listingOf(pending), 0);
	const first = ledger.state;
	ledger.plan(listingOf(pending), SLOW);
	expect(ledger.state).toBe(first);
	expect(first === before).toBe(pending.length === 0);
	ledger.plan(listingOf([entryOf({requestId: 'r2', scopes: ['operator.admin']})]), 2 * SLOW);
	expect(ledger.state).not.toBe(first);
});

it('remembers little of what a gateway lists, however much it lists of one device', () => {
	const ledger = by();
	const names = (from: number) => Array.from({length: 256}, (_, index) => `scope-${from + index}`);
	const listed = Array.from({length: 400}, (_, index) => ({
		deviceId: 'device-1',
		scopes: names(256 * index),
		tokens: [{role: 'operator', scopes: ['operator.read']}],
	}));
	const listing = listingOf(
		Array.from({length: 256}, (_, index) => entryOf({requestId: `r${index}`})),
		listed,
	);
	for (const step of ledger.plan(listing, 0).steps) {
		if (step.kind !== 'approve') continue;
		ledger.attempt(step.request, listing.paired);
		ledger.failed(step.request.requestId, 0, {message: 'no'});
	}
	expect(JSON.stringify(ledger.state).length).toBeLessThan(2 * 2 ** 20);
}, 60_000);

it('tries no more than so much within an hour that leads to no approval, over restarts too', () => {
	const ledger = by({onRefused: 'reject'});
	for (let count = 1; count < MAX_FUTILE_AN_HOUR; count++) {
		if (count % 2 === 0) ledger.rejected(`r${count}`, count * (SECOND / 4));
		else ledger.failed(`r${count}`, count * (SECOND / 4));
	}
	expect(ledger.isSpent(15 * MINUTE)).toBe(false);
	attempting('r1', ledger).failed('r1', 15 * MINUTE);
	const heir = inherited(ledger, {...defaultPolicy, onRefused: 'reject'});
	for (const each of [ledger, heir]) {
		expect([each.isSpent(16 * MINUTE), each.untilDue(16 * MINUTE)]).toEqual([true, null]);
		expect(each.troubles.join()).toContain('nothing is tried');
		expect(each.isSpent(90 * MINUTE)).toBe(false);
	}
});

describe('a device that a person has removed', () => {
	const device = (id: string, createdAtMs = 1) => ({deviceId: id, publicKey: 'key-1', createdAtMs});
	const ask = listingOf([entryOf()], [device('other')]);

	it.each([
		['another connection', 1, 2],
		['the CLI', 1, null],
		['the gateway after the CLI', null, 1],
	])('gets nothing again where the next look is by %s, if the gateway is the same', (_, before, after) => {
		const ledger = by();
		ledger.plan(listingOf([], [device('device-1'), device('other')]), 0, before);
		expect(kinds(ledger.plan(ask, SECOND, after).steps)).toEqual(['refuse']);
		const another = by();
		another.plan(listingOf([], [device('device-1'), device('other', 2)]), 0, before);
		expect(kinds(another.plan(ask, SECOND, after).steps)).toEqual(['approve']);
	});

	it('is not forgotten, however many others are removed after it, and more than can be remembered are an alarm', () => {
		const ledger = by();
		const crowd = Array.from({length: 300}, (_, index) => device(`device-${index}`));
		ledger.plan(listingOf([], [device('device-1'), device('other')]), 0, 1);
		ledger.plan(listingOf([], [device('other')]), 0, 1);
		expect(ledger.blocked(0)).toBeNull();
		ledger.plan(listingOf([], [...crowd, device('other')]), 0, 1);
		expect(kinds(ledger.plan(ask, SECOND, 1).steps)).toEqual(['refuse']);
		expect(ledger.blocked(SECOND)).toMatch(/removed/);
		ledger.clearAlarm();
		expect(ledger.blocked(SECOND)).toBeNull();
		expect(kinds(inherited(ledger).plan(ask, SECOND, 1).steps)).not.toContain('approve');
	});
});

describe('a device that a person has removed after the sandbox removed as many as are remembered', () => {
	const device = (id: string) => ({deviceId: id, publicKey: 'key-1', createdAtMs: 1});
	const crowd = (prefix: string) => Array.from({length: 256}, (_, index) => device(`${prefix}-${index}`));
	const other = device('other');
	const ask = listingOf([entryOf()], [other]);

	/** Its crowd goes first, and then the device; another crowd goes with it. */
	function overflown(): Ledger {
		const ledger = by();
		ledger.plan(listingOf([], [...crowd('first'), device('device-1'), other]), 0, 1);
		ledger.plan(listingOf([], [device('device-1'), other]), 0, 1);
		expect(ledger.blocked(0)).toBeNull();
		return ledger;
	}

	it('gets nothing again, whether it asks before a reload or after it', () => {
		for (const asksBefore of [true, false]) {
			const ledger = overflown();
			expect(kinds(ledger.plan(asksBefore ? ask : listingOf([], [other]), SECOND, 1).steps)).not.toContain('approve');
			expect(ledger.blocked(SECOND)).toMatch(/removed/);
			ledger.clearAlarm();
			expect(ledger.blocked(SECOND)).toBeNull();
			expect(kinds(inherited(ledger).plan(ask, MINUTE, 1).steps)).not.toContain('approve');
		}
	});

	it('gets nothing again where it asks, whatever goes after it', () => {
		const ledger = overflown();
		ledger.plan(listingOf([entryOf()], [...crowd('second'), other]), SECOND, 1);
		ledger.plan(ask, SECOND, 1);
		ledger.clearAlarm();
		expect(kinds(ledger.plan(ask, MINUTE, 1).steps)).not.toContain('approve');
	});
});

describe('a request whose approval fails', () => {
	it('is due again after a second, then twice as long, up to the slow interval', () => {
		const ledger = attempting();
		let now = 0;
		const waits: number[] = [];
		for (let failure = 0; failure < 8; failure++) {
			ledger.failed('r1', now);
			let wait = 0;
			while (ledger.plan(listingOf([entryOf()]), now + wait).steps.length === 0) wait += 500;
			waits.push(wait / SECOND);
			now += wait;
		}
		expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
	});

	it('is counted as allowed and undecided while it waits', () => {
		const ledger = attempting();
		ledger.failed('r1', 0);
		expect(ledger.plan(listingOf([entryOf()]), 0)).toMatchObject({steps: [], allowed: ['r1'], undecided: 1});
	});

	it('does not hold up another one', () => {
		const ledger = attempting();
		ledger.failed('r1', 0);
		const {steps} = ledger.plan(listingOf([entryOf(), entryOf({requestId: 'r2'})]), 0);
		expect(steps).toEqual([{kind: 'approve', request: requestOf({requestId: 'r2'})}]);
	});

	it('waits on under the next worker', () => {
		const ledger = attempting();
		for (let failure = 0; failure < 5; failure++) ledger.failed('r1', 0);
		const next = inherited(ledger);
		expect(next.plan(listingOf([entryOf()]), 15 * SECOND).steps).toEqual([]);
		expect(kinds(next.plan(listingOf([entryOf()]), 16 * SECOND).steps)).toEqual(['approve']);
	});

	it('has a wait of sound length even after thousands of failures', () => {
		const ledger = attempting();
		for (let failure = 0; failure < 5000; failure++) ledger.failed('r1', 0);
		expect(kinds(ledger.plan(listingOf([entryOf()]), SLOW).steps)).toEqual(['approve']);
	});

	it('waits a second at least, however short the slow interval is', () => {
		const ledger = attempting('r1', new Ledger(defaultPolicy, 10));
		ledger.failed('r1', 0);
		expect(ledger.plan(listingOf([entryOf()]), 999).steps).toEqual([]);
		expect(kinds(ledger.plan(listingOf([entryOf()]), 1000).steps)).toEqual(['approve']);
	});
});

describe('a request whose approval fails and that another policy then refuses', () => {
	it.each([
		['of a client that is not known any more', {clients: [{mode: 'webchat'}]}],
		['that asks for too much now', {scopes: []}],
	])(
		'%s is no attempt any more: nothing is due, nobody is warned, and what a person approves is not ours',
		(_, change) => {
			const ledger = attempting();
			for (let failure = 0; failure < 5; failure++) ledger.failed('r1', 0, {message: 'exit 7'});
			const heir = inherited(ledger, {...defaultPolicy, ...change, onRefused: 'ignore'});
			expect(kinds(heir.plan(listingOf([entryOf()]), MINUTE).steps)).toEqual(['refuse']);
			expect(heir.untilDue(MINUTE)).toBeNull();
			expect(heir.troubles).toEqual([]);
			expect(heir.plan(listingOf([], paired(['operator.read'])), MINUTE).vanished).toMatchObject([{kind: 'foreign'}]);
		},
	);
});

describe('an approved request', () => {
	const approved = (had: readonly string[] = []) => {
		const ledger = by();
		ledger.attempt(requestOf(), listingOf([], had.length === 0 ? [] : paired(had)).paired);
		ledger.approved(requestOf(), 'policy', 0);
		return ledger;
	};
	const granted = paired(['operator.read']);

	it('is settled while it is listed beside a device that has all of it, and forgotten after', () => {
		const ledger = approved();
		const still = listingOf([entryOf()], granted);
		expect(ledger.plan(still, 0)).toMatchObject({steps: [], allowed: [], undecided: 0, unsettled: []});
		ledger.plan(listingOf([], granted), 0);
		expect(ledger.state.requests).toEqual({});
		expect(kinds(ledger.plan(listingOf([entryOf()]), 0).steps)).toEqual(['approve']);
	});

	it('is settled under the next worker and another policy too', () => {
		const heir = inherited(approved(), {...defaultPolicy, clients: []});
		expect(heir.plan(listingOf([entryOf()], granted), 0).steps).toEqual([]);
	});

	it.each([
		['and its device has nothing', [], []],
		['and its device had all of it before, so that nothing follows', ['operator.read'], granted],
	])('that is listed again %s is due again after a wait, and told once a try', (_, had, now) => {
		const ledger = approved(had);
		const still = listingOf([entryOf()], now);
		const request = requestOf();
		const due = {allowed: ['r1'], undecided: 1};
		expect(ledger.plan(still, 0)).toMatchObject({...due, steps: [], unsettled: [{request, by: 'policy'}]});
		expect(ledger.plan(still, 999)).toMatchObject({...due, steps: [], unsettled: []});
		expect(ledger.plan(still, 1000)).toMatchObject({...due, steps: [{kind: 'approve', request}], unsettled: []});
	});

	it('that is listed again and again waits longer each time, and is warned of until it is gone', () => {
		const ledger = approved();
		const still = listingOf([entryOf()]);
		let now = 0;
		const waits: number[] = [];
		for (let tries = 0; tries < 4; tries++) {
			let wait = 0;
			while (ledger.plan(still, now + wait).steps.length === 0) wait += 500;
			waits.push(wait / SECOND);
			now += wait;
			ledger.attempt(requestOf(), []);
			expect(ledger.approved(requestOf(), 'policy', now)).toBe(false);
		}
		expect(waits).toEqual([1, 2, 4, 8]);
		expect(ledger.troubles).toEqual([expect.stringMatching(/^request r1 could not be settled in 4 tries: .*listed/)]);
		expect(ledger.state.approvals).toMatchObject([{count: 1}]);
		ledger.plan(listingOf([], granted), now);
		expect(ledger.troubles).toEqual([]);
	});

	it('that is listed again while nothing may be approved is due when that is over', () => {
		const ledger = approved();
		ledger.raiseAlarm('granted more');
		const still = listingOf([entryOf()]);
		expect(ledger.plan(still, 0)).toMatchObject({steps: [], undecided: 0, unsettled: [{by: 'policy'}]});
		ledger.clearAlarm();
		expect(kinds(ledger.plan(still, SECOND).steps)).toEqual(['approve']);
	});

	it('under whose id something else is asked for is decided anew, and counted as another one', () => {
		const ledger = approved();
		const other = entryOf({scopes: ['operator.write']});
		expect(ledger.plan(listingOf([other], granted), 0)).toMatchObject({steps: [{kind: 'approve'}], unsettled: []});
		const request = requestOf({scopes: ['operator.write']});
		ledger.attempt(request, []);
		expect(ledger.approved(request, 'policy', 0)).toBe(true);
		const wide = listingOf([entryOf(admin)], granted);
		expect(kinds(ledger.plan(wide, 0).steps)).toEqual(['refuse']);
	});

	it('by a person that is listed again waits for a person again, and is not counted twice', () => {
		const ledger = by();
		const still = listingOf([entryOf(admin)]);
		ledger.plan(still, 0);
		ledger.attempt(requestOf(admin), [], 'person');
		expect(ledger.approved(requestOf(admin), 'person', 0)).toBe(true);
		expect(ledger.plan(still, 0)).toMatchObject({held: [{reason: 'disallowed-scope'}], unsettled: [{by: 'person'}]});
		ledger.attempt(requestOf(admin), [], 'person');
		expect(ledger.approved(requestOf(admin), 'person', 0)).toBe(false);
	});

	it('that is granted at last, and gone, is not told again', () => {
		const ledger = approved();
		ledger.plan(listingOf([entryOf()]), 0);
		const {vanished} = inherited(ledger).plan(listingOf([], granted), 0);
		expect(vanished).toMatchObject([{kind: 'ours', granted: true, isTold: true}]);
	});
});

describe('a request whose approval was begun and that is gone', () => {
	const begun = (had: readonly string[] = []) => {
		const ledger = by();
		ledger.attempt(requestOf(), listingOf([], paired(had)).paired);
		return ledger;
	};

	it('was granted when the device has now what it asked for', () => {
		const {vanished} = begun().plan(listingOf([], paired(['operator.read'])), 0);
		expect(vanished).toEqual([
			{kind: 'ours', by: 'policy', request: requestOf(), granted: true, isTold: false, alarm: null},
		]);
	});

	it('was superseded when the device has not', () => {
		expect(begun().plan(listingOf([], paired()), 0).vanished).toMatchObject([{granted: false}]);
		expect(begun().plan(listingOf([]), 0).vanished).toMatchObject([{granted: false}]);
	});

	it('was superseded when the device had it all before, since that proves nothing', () => {
		const had = ['operator.read'];
		expect(begun(had).plan(listingOf([], paired(had)), 0).vanished).toMatchObject([{granted: false}]);
	});

	it('is told once, and by the next worker if this one does not come to it', () => {
		const ledger = inherited(begun());
		expect(ledger.plan(listingOf([], paired(['operator.read'])), 0).vanished).toMatchObject([{granted: true}]);
		expect(ledger.plan(listingOf([], paired(['operator.read'])), 0).vanished).toEqual([]);
	});

	it('is not gone while it is listed', () => {
		expect(begun().plan(listingOf([entryOf()], paired()), 0).vanished).toEqual([]);
	});

	it('without a list of scopes was granted when its device is paired now', () => {
		const ledger = by();
		ledger.attempt(requestOf({scopes: null}), []);
		expect(ledger.plan(listingOf([], paired()), 0).vanished).toMatchObject([{granted: true}]);
	});
});

describe('a refused request', () => {
	it('is told once while it is listed, and keeps no poll from being quiet', () => {
		const ledger = by();
		const first = ledger.plan(listingOf([entryOf(admin)]), 0);
		expect(first).toMatchObject({steps: [{kind: 'refuse', reason: 'disallowed-scope'}], allowed: [], undecided: 0});
		expect(ledger.plan(listingOf([entryOf(admin)]), SECOND)).toMatchObject({steps: [], undecided: 0});
		expect(inherited(ledger).plan(listingOf([entryOf(admin)]), SECOND).steps).toEqual([]);
	});

	it('is told again when it went and came back', () => {
		const ledger = by();
		ledger.plan(listingOf([entryOf(admin)]), 0);
		ledger.plan(listingOf([]), 0);
		expect(kinds(ledger.plan(listingOf([entryOf(admin)]), 0).steps)).toEqual(['refuse']);
	});

	it('is decided anew under another policy', () => {
		const ledger = by();
		ledger.plan(listingOf([entryOf(admin)]), 0);
		const wide = {...defaultPolicy, clients: [{mode: 'cli', scopes: ['operator.read', 'operator.admin']}]};
		expect(kinds(inherited(ledger, wide).plan(listingOf([entryOf(admin)]), 0).steps)).toEqual(['approve']);
	});

	it('is held for a human, then rejected', () => {
		const ledger = by();
		ledger.plan(listingOf([entryOf(admin)]), 0);
		expect(ledger.plan(listingOf([entryOf(admin)]), MINUTE - 1).steps).toEqual([]);
		const {steps, undecided} = ledger.plan(listingOf([entryOf(admin)]), MINUTE);
		expect(steps).toEqual([{kind: 'reject', requestId: 'r1', request: requestOf(admin)}]);
		expect(undecided).toBe(1);
	});

	it('is rejected at once, or never, where the policy says so', () => {
		expect(kinds(by({onRefused: 'reject'}).plan(listingOf([entryOf(admin)]), 0).steps)).toEqual(['refuse', 'reject']);
		const ledger = by({onRefused: 'ignore'});
		expect(kinds(ledger.plan(listingOf([entryOf(admin)]), 0).steps)).toEqual(['refuse']);
		expect(ledger.plan(listingOf([entryOf(admin)]), 1000 * MINUTE).steps).toEqual([]);
	});

	it('is rejected once', () => {
		const ledger = by({onRefused: 'reject'});
		ledger.plan(listingOf([entryOf(admin)]), 0);
		ledger.rejected('r1', 0);
		expect(ledger.plan(listingOf([entryOf(admin)]), MINUTE).steps).toEqual([]);
		const heir = inherited(ledger, {...defaultPolicy, onRefused: 'reject'});
		expect(heir.plan(listingOf([entryOf(admin)]), MINUTE).steps).toEqual([]);
	});

	it('is rejected again after its own wait when that failed', () => {
		const ledger = by({onRefused: 'reject'});
		ledger.plan(listingOf([entryOf(admin)]), 0);
		ledger.failed('r1', 0);
		expect(ledger.plan(listingOf([entryOf(admin)]), 999).steps).toEqual([]);
		expect(kinds(ledger.plan(listingOf([entryOf(admin)]), 1000).steps)).toEqual(['reject']);
	});

	it('of an unknown client is never touched', () => {
		for (const onRefused of ['hold', 'reject', 'ignore'] as const) {
			const ledger = by({onRefused});
			const entry = entryOf({clientId: 'x', clientMode: 'y'});
			expect(kinds(ledger.plan(listingOf([entry]), 0).steps)).toEqual(['refuse']);
			expect(ledger.plan(listingOf([entry]), 1000 * MINUTE).steps).toEqual([]);
		}
	});

	it('that has no id OpenClaw could be told is never touched', () => {
		const ledger = by({onRefused: 'reject'});
		for (const requestId of ['--url=ws://x', '__proto__', undefined, 7]) {
			const {steps} = ledger.plan(listingOf([entryOf({requestId})]), 0);
			expect(kinds(steps)).toEqual(['refuse']);
			expect(
				inherited(ledger, {...defaultPolicy, onRefused: 'reject'}).plan(listingOf([entryOf({requestId})]), 0).steps,
			).toEqual([]);
		}
	});

	it('is rejected at once when it has replaced a narrower one of its device', () => {
		const ledger = by();
		ledger.plan(listingOf([entryOf({scopes: ['operator.admin']})]), 0);
		const wider = entryOf({requestId: 'r2', scopes: ['operator.admin', 'operator.read']});
		expect(kinds(ledger.plan(listingOf([wider]), SECOND).steps)).toEqual(['refuse', 'reject']);
	});

	it.each([
		['is no wider', entryOf({requestId: 'r2', scopes: ['operator.admin']})],
		['asks for other scopes', entryOf({requestId: 'r2', scopes: ['operator.approvals', 'operator.read']})],
		[
			'is of another device',
			entryOf({requestId: 'r2', deviceId: 'device-2', scopes: ['operator.admin', 'operator.read']}),
		],
	])('is held anew when the one that follows %s', (_, follower) => {
		const ledger = by();
		ledger.plan(listingOf([entryOf({scopes: ['operator.admin']})]), 0);
		expect(kinds(ledger.plan(listingOf([follower]), SECOND).steps)).toEqual(['refuse']);
	});

	it('that our own failed approval caused is rejected at once', () => {
		const ledger = by();
		ledger.failed('r1', 0, {caused: ['r1', 'r2']});
		const caused = entryOf({requestId: 'r2', ...admin});
		expect(kinds(inherited(ledger).plan(listingOf([caused]), 0).steps)).toEqual(['refuse', 'reject']);
	});

	it('that somebody else caused is held, and so is one whose cause was long ago', () => {
		const ledger = by();
		ledger.failed('r1', 0, {caused: ['r2', ...Array.from({length: 40}, (_, index) => `x${index}`)]});
		expect(ledger.state.caused).toHaveLength(32);
		expect(kinds(ledger.plan(listingOf([entryOf({requestId: 'r2', ...admin})]), 0).steps)).toEqual(['refuse']);
	});

	it('that is caused but allowed is approved', () => {
		const ledger = by();
		ledger.failed('r1', 0, {caused: ['r2']});
		expect(kinds(ledger.plan(listingOf([entryOf({requestId: 'r2'})]), 0).steps)).toEqual(['approve']);
	});
});

describe('an alarm', () => {
	it('ends all approvals until it is cleared, in the next worker too', () => {
		const ledger = by();
		ledger.raiseAlarm('odd');
		const next = inherited(ledger);
		expect(next.plan(listingOf([entryOf()]), 0)).toMatchObject({steps: [], undecided: 0});
		next.clearAlarm();
		expect(kinds(next.plan(listingOf([entryOf()]), 0).steps)).toEqual(['approve']);
	});

	it('does not hinder refusals', () => {
		const ledger = by({onRefused: 'reject'});
		ledger.raiseAlarm('odd');
		expect(kinds(ledger.plan(listingOf([entryOf(admin)]), 0).steps)).toEqual(['refuse', 'reject']);
	});
});

describe('what is remembered', () => {
	const entry = fc.record({
		requestId: fc.constantFrom('r1', 'r2', 'r3', 'constructor', '__proto__', 'toString', '--x'),
		scopes: fc.constantFrom(['operator.read'], ['operator.admin'], 'all'),
		clientMode: fc.constantFrom('cli', 'odd'),
	});
	const step = fc.record({
		pending: fc.array(
			entry.map(change => entryOf({clientId: 'x', ...change})),
			{maxLength: 4},
		),
		fails: fc.boolean(),
		ms: fc.nat(90_000),
	});

	it('is the same for the next worker, whatever has happened', () => {
		fc.assert(
			fc.property(fc.array(step, {maxLength: 20}), steps => {
				let now = 0;
				const ledger = by();
				let heir = by();
				for (const {pending, fails, ms} of steps) {
					now += ms;
					const listing = listingOf(pending);
					const plan = ledger.plan(listing, now);
					expect(heir.plan(listing, now)).toEqual(plan);
					for (const step of plan.steps) {
						if (step.kind === 'refuse') continue;
						const id = step.kind === 'approve' ? step.request.requestId : step.requestId;
						for (const each of [ledger, heir]) {
							if (step.kind === 'approve') each.attempt(step.request, listing.paired);
							if (fails) each.failed(id, now);
							else if (step.kind === 'approve') each.approved(requestOf({requestId: id}), 'policy', now);
							else each.rejected(id, now);
						}
					}
					expect(heir.state).toEqual(ledger.state);
					heir = inherited(ledger);
				}
			}),
			{numRuns: 300},
		);
	});

	it('is never more than what is listed', () => {
		fc.assert(
			fc.property(fc.array(step, {maxLength: 10}), steps => {
				const ledger = by();
				for (const {pending} of steps) {
					ledger.plan(listingOf(pending), 0);
					expect(Object.keys(ledger.state.requests).length).toBeLessThanOrEqual(pending.length);
				}
			}),
		);
	});
});

describe('a refusal is bound to what was refused', () => {
	const refusing = (change: Record<string, unknown> = {}) => {
		const ledger = by({refusalHold: MINUTE});
		ledger.plan(listingOf([entryOf({...admin, ...change})]), 0);
		return inherited(ledger);
	};

	it.each([
		['another client', {clientMode: 'webchat'}],
		['another id', {clientId: 'openclaw-control-ui'}],
		['another key', {publicKey: 'key-2'}],
		['other roles', {roles: []}],
		['another role', {role: undefined}],
		['fewer scopes', {scopes: ['operator.admin']}],
	])('one of %s under the same id is decided anew', (_, change) => {
		const {steps} = refusing().plan(listingOf([entryOf({...admin, ...change})]), SECOND);
		expect(kinds(steps)).toEqual(['refuse']);
	});

	it('one that asks for what is allowed by now is approved', () => {
		expect(kinds(refusing().plan(listingOf([entryOf()]), SECOND).steps)).toEqual(['approve']);
	});

	it('one whose approval was refused is not approved under the same id once it asks for more', () => {
		const ledger = attempting();
		ledger.failed('r1', 0, {message: 'exit 7'});
		expect(kinds(ledger.plan(listingOf([entryOf(admin)]), MINUTE).steps)).toEqual(['refuse']);
	});

	it("changing who asks buys the request no more time: a person's time runs from the first", () => {
		const ledger = refusing();
		for (let second = 1; second < 60; second++) {
			const clientMode = second % 2 === 0 ? 'cli' : 'webchat';
			const {steps} = ledger.plan(listingOf([entryOf({...admin, clientMode})]), second * SECOND);
			expect(kinds(steps)).toEqual(['refuse']);
		}
		const {steps} = ledger.plan(listingOf([entryOf({...admin, clientMode: 'cli'})]), MINUTE);
		expect(kinds(steps)).toEqual(['refuse', 'reject']);
	});

	it.each(['hold', 'reject'] as const)(
		'a revoked device is not touched where the policy says %s, whatever we caused',
		onRefused => {
			const ledger = by({onRefused});
			ledger.caused(['r1']);
			const device = {deviceId: 'device-1', scopes: [], tokens: [{role: 'operator', scopes: [], revokedAtMs: 7}]};
			for (const entry of [entryOf(admin), entryOf({scopes: null}), entryOf({scopes: []})]) {
				const {steps} = ledger.plan(listingOf([entry], [device]), 1000 * MINUTE);
				expect(kinds(steps)).toEqual(['refuse']);
			}
		},
	);
});

it('whatever a gateway lists, deciding about it never throws', () => {
	const field = fc.oneof(fc.string({unit: 'binary'}), fc.jsonValue(), fc.constantFrom('device-1', ['operator'], []));
	const entry = fc.record(
		{
			requestId: fc.constant('r1'),
			deviceId: field,
			role: field,
			roles: field,
			scopes: field,
			clientMode: fc.constant('cli'),
		},
		{requiredKeys: []},
	);
	const token = fc.record({role: field, scopes: field, revokedAtMs: field}, {requiredKeys: []});
	const device = fc.record(
		{deviceId: field, scopes: field, tokens: fc.oneof(field, fc.array(token))},
		{requiredKeys: []},
	);
	fc.assert(
		fc.property(
			fc.array(fc.oneof(entry, fc.jsonValue())),
			fc.array(fc.oneof(device, fc.jsonValue())),
			(pending, paired) => {
				by().plan(listingOf(pending, paired), 0, 1);
			},
		),
		{numRuns: 500},
	);
});
