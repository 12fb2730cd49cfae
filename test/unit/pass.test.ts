import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {ClientError} from '../../worker/client-error.ts';
import {Ledger} from '../../worker/requests/ledger.ts';
import {ledgerSchema} from '../../worker/requests/ledger-schema.ts';
import {type PassEvent, runPass} from '../../worker/requests/pass.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import {defaultPolicy, entryOf, MemoryGateway, SECOND, SimulatedClock} from './fixtures.ts';

const admin = {scopes: ['operator.admin']};
const refusedError = (message: string, caused: readonly string[] = []) => new ClientError('refused', message, {caused});

/** A sandbox with a gateway in memory, and the passes made on it. */
function sandbox({policy = defaultPolicy, maxApprovals = 8}: {policy?: Policy; maxApprovals?: number} = {}) {
	const gateway = new MemoryGateway();
	const clock = new SimulatedClock();
	const events: PassEvent[] = [];
	let ledger = new Ledger(policy, 30 * SECOND);
	const stopping = new AbortController();
	return {
		gateway,
		clock,
		events,
		stopping,
		get ledger() {
			return ledger;
		},
		/** The events of one kind, by request id. */
		told: (kind: PassEvent['kind']) =>
			events.flatMap(event => {
				if (event.kind !== kind) return [];
				if ('requestId' in event) return [event.requestId];
				return 'request' in event ? [event.request.requestId] : [''];
			}),
		/** The next worker takes over. */
		replaceWorker() {
			ledger = new Ledger(policy, 30 * SECOND, ledgerSchema.parse(JSON.parse(JSON.stringify(ledger.state))));
		},
		pass: () =>
			runPass({
				client: gateway,
				ledger,
				clock,
				maxApprovals,
				via: () => 'cli',
				intend: async () => {},
				report: told => events.push(...told),
				signal: stopping.signal,
			}),
	};
}

describe('a pass', () => {
	it('approves what is allowed, in listed order, and refuses the rest', async () => {
		const {gateway, pass, told} = sandbox();
		gateway.pending = [
			entryOf({requestId: 'b'}),
			entryOf({requestId: 'x', clientMode: 'odd'}),
			entryOf({requestId: 'a'}),
		];
		expect(await pass()).toMatchObject({
			error: null,
			approved: 2,
			refused: 1,
			retries: 0,
			undecided: 0,
			allowed: ['b', 'a'],
		});
		expect(gateway.calls).toEqual(['list', 'approve b', 'approve a']);
		expect(told('refused')).toEqual(['x']);
		expect(told('approved')).toEqual(['b', 'a']);
	});

	it('says so before each approval, so that nothing is lost with the worker', async () => {
		const {gateway, pass, events} = sandbox();
		gateway.pending = [entryOf()];
		gateway.before = call => {
			if (call !== 'list') expect(events.at(-1)).toEqual({kind: 'attempt', requestId: 'r1'});
		};
		await pass();
		expect(events.map(({kind}) => kind)).toEqual(['listed', 'attempt', 'approved']);
	});

	it('with nothing pending is one list', async () => {
		const {gateway, pass} = sandbox();
		expect(await pass()).toMatchObject({error: null, undecided: 0, paired: false});
		expect(gateway.calls).toEqual(['list']);
	});

	it('approves no more than maxApprovals, and goes on in the next one', async () => {
		const {gateway, pass} = sandbox({maxApprovals: 3});
		gateway.pending = Array.from({length: 8}, (_, index) => entryOf({requestId: `r${index}`}));
		expect(await pass()).toMatchObject({approved: 3, undecided: 5});
		expect(await pass()).toMatchObject({approved: 3, undecided: 2});
		expect(await pass()).toMatchObject({approved: 2, undecided: 0});
	});

	it('counts approvals that fail among those it may try', async () => {
		const {gateway, pass} = sandbox({maxApprovals: 2});
		gateway.pending = Array.from({length: 8}, (_, index) => entryOf({requestId: `r${index}`}));
		gateway.before = call => {
			if (call !== 'list') throw refusedError('no');
		};
		await pass();
		expect(gateway.callsOf('approve')).toBe(2);
	});

	it('that may approve nothing approves and rejects nothing', async () => {
		const {gateway, pass} = sandbox({maxApprovals: 0, policy: {...defaultPolicy, onRefused: 'reject'}});
		gateway.pending = [entryOf(), entryOf({requestId: 'r2', ...admin})];
		await pass();
		expect(gateway.calls).toEqual(['list']);
	});

	it('ends at once, with the reason, when it is stopped', async () => {
		const {gateway, pass, stopping} = sandbox();
		gateway.pending = [entryOf(), entryOf({requestId: 'r2'})];
		gateway.before = call => {
			if (call === 'approve r1') stopping.abort(new Error('stopped'));
		};
		await expect(pass()).rejects.toThrow('stopped');
		expect(gateway.calls).toEqual(['list', 'approve r1']);
	});
});

describe('after a failed approval', () => {
	it('it lists and decides again at once, and so survives the self-approval trap in the same pass', async () => {
		// 2026.5.27: the first attempt on the CLI's own device replaces the request by one that adds operator.pairing.
		const {gateway, pass, told} = sandbox();
		gateway.pending = [entryOf()];
		gateway.before = call => {
			if (call !== 'approve r1') return;
			gateway.pending = [entryOf({requestId: 'r2', scopes: ['operator.pairing', 'operator.read']})];
			throw refusedError('unknown requestId', ['r2']);
		};
		expect(await pass()).toMatchObject({error: null, approved: 1, retries: 0, undecided: 0});
		expect(gateway.calls).toEqual(['list', 'approve r1', 'list', 'approve r2']);
		expect(told('superseded')).toEqual(['r1']);
	});

	it('an administrator request that the failure left behind is refused and rejected in the same pass', async () => {
		// 2026.5.27: approving a stale id makes the CLI ask for operator.admin itself.
		const {gateway, pass, told} = sandbox();
		gateway.pending = [entryOf()];
		gateway.before = call => {
			if (call !== 'approve r1') return;
			gateway.pending = [entryOf({requestId: 'r2', ...admin})];
			throw refusedError('scope upgrade pending approval (requestId: r2)', ['r2']);
		};
		expect(await pass()).toMatchObject({approved: 0, refused: 1, undecided: 0});
		expect(gateway.calls).toEqual(['list', 'approve r1', 'list', 'reject r2']);
		expect(told('refused')).toEqual(['r2']);
		expect(gateway.pending).toEqual([]);
	});

	it('it tries no request twice', async () => {
		const {gateway, pass} = sandbox();
		gateway.pending = [entryOf()];
		gateway.before = call => {
			if (call !== 'list') throw refusedError('exit 7');
		};
		expect(await pass()).toMatchObject({error: null, approved: 0, retries: 1, undecided: 1});
		expect(gateway.callsOf('approve')).toBe(1);
	});

	it('it goes on with the others', async () => {
		const {gateway, pass, told} = sandbox();
		gateway.pending = [entryOf(), entryOf({requestId: 'r2'})];
		gateway.before = call => {
			if (call === 'approve r1') throw refusedError('exit 7');
		};
		expect(await pass()).toMatchObject({approved: 1, retries: 1, undecided: 1});
		expect(told('failed')).toEqual(['r1']);
	});

	it('it lists three times at most, however often the request is replaced', async () => {
		const {gateway, pass} = sandbox();
		let id = 1;
		gateway.pending = [entryOf()];
		gateway.before = call => {
			if (call === 'list') return;
			gateway.pending = [entryOf({requestId: `r${++id}`})];
			throw refusedError('unknown requestId');
		};
		await pass();
		expect(gateway.callsOf('list')).toBe(3);
		expect(gateway.callsOf('approve')).toBe(3);
	});

	it('it is tried again when its wait is over', async () => {
		const {gateway, pass, clock} = sandbox();
		gateway.pending = [entryOf()];
		let isFirst = true;
		gateway.before = call => {
			if (call === 'list' || !isFirst) return;
			isFirst = false;
			throw refusedError('exit 7');
		};
		await pass();
		await clock.sleep(SECOND);
		expect(await pass()).toMatchObject({approved: 1, retries: 0, undecided: 0});
	});
});

describe('an approval that times out', () => {
	const inDoubt = () => {
		const all = sandbox();
		all.gateway.pending = [entryOf()];
		all.gateway.before = call => {
			if (call !== 'approve r1') return;
			all.gateway.grant('r1');
			throw new ClientError('timeout', 'no answer within 10 s');
		};
		return all;
	};

	it('and was granted all the same is counted, once', async () => {
		const {pass, told} = inDoubt();
		expect(await pass()).toMatchObject({approved: 1, retries: 0, undecided: 0});
		expect(await pass()).toMatchObject({approved: 0});
		expect(told('approved')).toEqual(['r1']);
	});

	it('is counted once by the next worker, when this one dies before it is settled', async () => {
		const all = inDoubt();
		const {gateway, pass, told} = all;
		let isDying = true;
		const grant = gateway.before;
		gateway.before = call => {
			if (call === 'list' && isDying && gateway.callsOf('approve') > 0) throw refusedError('the worker dies');
			return grant(call);
		};
		expect(await pass()).toMatchObject({approved: 0, error: expect.any(ClientError)});
		isDying = false;
		all.replaceWorker();
		expect(await pass()).toMatchObject({approved: 1});
		all.replaceWorker();
		expect(await pass()).toMatchObject({approved: 0});
		expect(told('approved')).toEqual(['r1']);
	});

	it('and was not granted is tried again', async () => {
		const {gateway, pass, clock, told} = sandbox();
		gateway.pending = [entryOf()];
		gateway.before = call => {
			if (call === 'approve r1' && gateway.callsOf('approve') === 1) throw new ClientError('timeout', 'too late');
		};
		expect(await pass()).toMatchObject({approved: 0, retries: 1});
		await clock.sleep(SECOND);
		expect(await pass()).toMatchObject({approved: 1});
		expect(told('approved')).toEqual(['r1']);
	});
});

describe('an answer to approve', () => {
	const answered = async (answer: ReturnType<MemoryGateway['answer']>, had: readonly string[] = []) => {
		const all = sandbox();
		all.gateway.paired = [{deviceId: 'device-1', publicKey: 'key-1', scopes: had}];
		all.gateway.pending = [entryOf(), entryOf({requestId: 'r2', deviceId: 'device-2'})];
		all.gateway.answer = entry => (entry.requestId === 'r1' ? answer : {deviceId: null, scopes: null});
		const outcome = await all.pass();
		return {...all, outcome, alarm: all.ledger.alarm};
	};

	it.each([
		['that names another device', {deviceId: 'device-9', scopes: null}],
		['that names wider scopes', {deviceId: 'device-1', scopes: ['operator.read', 'operator.admin']}],
		['that names wider scopes and no device', {deviceId: null, scopes: ['operator.write']}],
	])('%s raises an alarm, and nothing more is approved', async (_, answer) => {
		const {alarm, gateway, told, pass} = await answered(answer);
		expect(alarm).toMatch(/^approving r1 /);
		expect(told('alarm')).toHaveLength(1);
		gateway.pending = [entryOf({requestId: 'r3'})];
		await pass();
		expect(gateway.callsOf('approve')).toBe(1);
	});

	it.each([
		['that names none', {deviceId: null, scopes: null}, []],
		['that names what was decided', {deviceId: 'device-1', scopes: ['operator.read']}, []],
		['that names less', {deviceId: 'device-1', scopes: []}, []],
		['that names what the device had too', {deviceId: 'device-1', scopes: ['operator.read', 'x']}, ['x']],
	])('%s is no reason for one', async (_, answer, had) => {
		const {alarm, gateway} = await answered(answer, had);
		expect(alarm).toBeNull();
		expect(gateway.callsOf('approve')).toBe(2);
	});

	it('is quoted in the alarm without anything that could move a cursor', async () => {
		const scopes = ['\u001b]0;pwned\u0007', '\u202eevil', `long${'x'.repeat(500)}`, 'line\nbreak'];
		const {alarm} = await answered({deviceId: 'device-1', scopes});
		expect(alarm).toMatch(/granted more than was decided/);
		expect(alarm).not.toMatch(/[\p{Cc}\p{Cf}]/u);
		expect(alarm?.length).toBeLessThan(500);
	});

	it('is not needed for the approval to count', async () => {
		const {outcome} = await answered({deviceId: 'device-9', scopes: null});
		expect(outcome).toMatchObject({approved: 1});
	});

	it('is trusted again after a reload', async () => {
		const {ledger, pass, gateway} = await answered({deviceId: 'device-9', scopes: null});
		ledger.clearAlarm();
		await pass();
		expect(gateway.callsOf('approve')).toBe(2);
	});
});

describe('a list that fails', () => {
	it('fails the pass, and settles nothing', async () => {
		const {gateway, pass} = sandbox();
		gateway.pending = [entryOf()];
		gateway.before = () => {
			throw new ClientError('timeout', 'no answer within 10 s');
		};
		expect(await pass()).toMatchObject({error: {failure: 'timeout'}, approved: 0, allowed: []});
		gateway.before = () => {};
		expect(await pass()).toMatchObject({error: null, approved: 1});
	});

	it('for a reason nobody thought of fails the pass too, and not the worker', async () => {
		const {gateway, pass} = sandbox();
		gateway.before = () => {
			throw new RangeError('odd');
		};
		expect((await pass()).error).toMatchObject({failure: 'unreachable', message: 'odd'});
	});

	it('after a failed approval fails the pass, which keeps what it has done', async () => {
		const {gateway, pass} = sandbox();
		gateway.pending = [entryOf({requestId: 'r0'}), entryOf()];
		gateway.before = call => {
			if (call === 'approve r1' || gateway.callsOf('list') === 2) throw refusedError('gone');
		};
		expect(await pass()).toMatchObject({error: {failure: 'refused'}, approved: 1, retries: 1});
	});
});

it('a rejection that fails is tried again in a later pass', async () => {
	const {gateway, pass, clock, told} = sandbox({policy: {...defaultPolicy, onRefused: 'reject'}});
	gateway.pending = [entryOf(admin)];
	gateway.before = call => {
		if (call === 'reject r1' && gateway.callsOf('reject') === 1) throw refusedError('exit 7');
	};
	expect(await pass()).toMatchObject({error: null, retries: 1});
	await clock.sleep(SECOND);
	await pass();
	expect(told('rejected')).toEqual(['r1']);
	expect(gateway.pending).toEqual([]);
});

it('whatever a gateway lists and answers, a pass is bounded and grants nothing that the policy does not', async () => {
	const scopes = fc.subarray(['operator.read', 'operator.write', 'operator.admin', 'operator.approvals']);
	const entry = fc.record({
		requestId: fc.constantFrom('r1', 'r2', 'r3', 'r4', '--url=ws://x', '__proto__'),
		clientMode: fc.constantFrom('cli', 'odd'),
		clientId: fc.constant('x'),
		scopes: fc.oneof(scopes, fc.constant('all')),
	});
	const call = fc.constantFrom('ok', 'ok', 'ok', 'fail', 'timeout', 'replace');
	await fc.assert(
		fc.asyncProperty(
			fc.array(entry, {maxLength: 6}),
			fc.array(call),
			fc.array(entry),
			async (pending, script, more) => {
				const {gateway, pass} = sandbox();
				gateway.pending = pending.map(entryOf);
				const steps = [...script];
				// A request that widens under its own id between list and approval is for the alarm to find.
				const fresh = more.map((change, index) => entryOf({...change, requestId: `fresh-${index}`}));
				const granted: unknown[] = [];
				gateway.answer = asked => {
					granted.push(asked);
					return {deviceId: null, scopes: null};
				};
				gateway.before = what => {
					const next = what === 'list' ? 'ok' : steps.shift();
					if (next === 'replace') gateway.pending = fresh.splice(0, 2);
					if (next === 'fail') throw refusedError('exit 1');
					if (next === 'timeout') throw new ClientError('timeout', 'late');
				};
				await pass();
				expect(gateway.callsOf('list')).toBeLessThanOrEqual(3);
				expect(gateway.callsOf('approve')).toBeLessThanOrEqual(8);
				for (const {clientMode, scopes} of granted as (typeof pending)[number][]) {
					expect(clientMode).toBe('cli');
					expect(defaultPolicy.scopes).toEqual(expect.arrayContaining([...scopes]));
				}
			},
		),
		{numRuns: 300},
	);
}, 30_000);
