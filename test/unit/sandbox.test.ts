import {describe, expect, it} from 'vitest';
import {emptyCheckpoint} from '../../worker/checkpoint.ts';
import {type Decision, toSupervisorSchema} from '../../worker/protocol.ts';
import {MINUTE, SECOND} from './fixtures.ts';
import {PuppetSandbox, snapshotOf, specOf, workerConfigOf} from './sandbox-fixtures.ts';

const gateway = {
	url: 'ws://127.0.0.1:18789',
	tokenFile: '/token',
	tokenCommand: [],
	fingerprint: null,
	allowInsecure: false,
};

function approvalOf(requestId: string): Decision {
	const scopes = ['operator.read'];
	return {kind: 'approved', requestId, deviceId: 'd', clientId: 'cli', scopes, latencyMs: 7, at: 1_800_000_000_000};
}

function refusalOf(requestId: string): Decision {
	return {
		kind: 'refused',
		requestId,
		deviceId: 'd',
		clientId: 'odd',
		clientMode: 'odd',
		scopes: [],
		reason: 'unknown-client',
		remedy: null,
		at: 1_800_000_000_000,
	};
}

describe('a sandbox', () => {
	it('is starting until its worker is heard of, running then, stopping when asked, and stopped when the worker is gone', async () => {
		const puppets = new PuppetSandbox();
		const {sandbox, workers} = puppets;
		expect(sandbox.status()).toMatchObject({state: 'starting', pid: null});
		sandbox.start();
		sandbox.start();
		expect(workers).toHaveLength(1);
		expect(sandbox.status()).toMatchObject({state: 'starting', pid: 1, healthy: false});
		workers[0]?.beat();
		expect(sandbox.status()).toMatchObject({state: 'running', pid: 1, healthy: true});
		const stopped = sandbox.stop(10 * SECOND);
		expect(sandbox.status().state).toBe('stopping');
		expect(workers[0]?.heard).toContainEqual({kind: 'stop'});
		workers[0]?.exit(0);
		await stopped;
		expect(sandbox.status()).toMatchObject({state: 'stopped', pid: null, restarts: 0, lastExit: null});
		expect(puppets.changes).toBeGreaterThan(3);
	});

	it('that is disabled is idle, and gets no worker', async () => {
		const {sandbox, workers} = new PuppetSandbox(specOf({}, {enabled: false}));
		sandbox.start();
		expect(sandbox.status().state).toBe('idle');
		expect(workers).toEqual([]);
		await sandbox.stop(0);
		expect(sandbox.status().state).toBe('idle');
		expect(await sandbox.pass(SECOND)).toMatchObject({error: 'the sandbox is disabled in the configuration'});
	});

	it('whose worker does not end when asked has it killed, sooner when asked again', async () => {
		const patient = new PuppetSandbox();
		patient.sandbox.start();
		void patient.sandbox.stop(10 * SECOND);
		await patient.clock.sleep(10 * SECOND - 1);
		expect(patient.worker.isKilled).toBe(false);
		await patient.clock.sleep(1);
		expect(patient.worker.isKilled).toBe(true);

		const hurried = new PuppetSandbox();
		hurried.sandbox.start();
		void hurried.sandbox.stop(10 * SECOND);
		void hurried.sandbox.stop(0);
		expect(hurried.worker.isKilled).toBe(true);
	});

	it('whose worker ends gets the next one after the delay of its restart policy, and none once it is stopped', async () => {
		const {sandbox, workers, clock} = new PuppetSandbox();
		sandbox.start();
		workers[0]?.exit();
		expect(sandbox.status()).toMatchObject({
			state: 'backoff',
			restarts: 1,
			lastExit: {reason: 'crash', signal: 'SIGKILL'},
		});
		await clock.sleep(99);
		expect(workers).toHaveLength(1);
		await clock.sleep(1);
		expect(workers).toHaveLength(2);
		workers[1]?.exit(0);
		expect(sandbox.status().lastExit).toMatchObject({reason: 'exit', code: 0});
		await sandbox.stop(0);
		await clock.sleep(MINUTE);
		expect(workers).toHaveLength(2);
	});

	it('that is stopped and started during a backoff has one worker, and the next backoff its whole length', async () => {
		const {sandbox, workers, clock} = new PuppetSandbox();
		sandbox.start();
		for (let exits = 1; exits <= 8; exits++) {
			workers.at(-1)?.exit();
			if (exits < 8) await clock.sleep(30 * SECOND);
		}
		await sandbox.stop(0);
		sandbox.start();
		expect(workers).toHaveLength(9);
		workers.at(-1)?.exit();
		await clock.sleep(25 * SECOND);
		expect(workers).toHaveLength(9);
		await clock.sleep(5 * SECOND);
		expect(workers).toHaveLength(10);
	});

	it('for whose worker the host has no memory now is tried again later', async () => {
		const puppets = new PuppetSandbox();
		puppets.forkError = new Error('spawn ENOMEM');
		puppets.sandbox.start();
		expect(puppets.sandbox.status()).toMatchObject({state: 'backoff', pid: null});
		expect(puppets.lines('no worker could be started')).toMatchObject([{error: 'spawn ENOMEM'}]);
		puppets.forkError = null;
		await puppets.clock.sleep(30 * SECOND);
		expect(puppets.workers).toHaveLength(1);
	});

	it('hands to the next worker what the last one told of', async () => {
		const {sandbox, workers, clock} = new PuppetSandbox();
		sandbox.start();
		expect(workers[0]?.start).toMatchObject({checkpoint: emptyCheckpoint, avoidGatewayUntil: null});
		workers[0]?.beat();
		const changes = {failures: 3, lastError: 'no answer', ledger: {hasApproved: true}};
		workers[0]?.say({kind: 'checkpoint', changes, decisions: [approvalOf('r1')]});
		workers[0]?.exit();
		await clock.sleep(100);
		expect(workers[1]?.start.checkpoint).toMatchObject({
			failures: 3,
			lastError: 'no answer',
			ledger: {hasApproved: true},
		});
		expect(sandbox.status()).toMatchObject({
			approved: 1,
			failures: 3,
			lastError: 'no answer',
			lastApproval: {requestId: 'r1', latencyMs: 7},
		});
	});
});

describe('failures and the last error', () => {
	it('outlive the worker that told of them, and stand in the status when all is over', async () => {
		const {sandbox, workers} = new PuppetSandbox();
		sandbox.start();
		workers[0]?.beat();
		workers[0]?.say({kind: 'checkpoint', changes: {failures: 5, lastError: 'no answer within 10 s'}, decisions: []});
		const stopped = sandbox.stop(SECOND);
		workers[0]?.exit(0);
		await stopped;
		expect(sandbox.status()).toMatchObject({state: 'stopped', failures: 5, lastError: 'no answer within 10 s'});
	});
});

describe('a worker that waits for a turn for longer than its loop may go without progress', () => {
	it.each([
		['gets it', 'granted'],
		['needs it no more, since the gateway gave what it was wanted for', 'cancelled'],
	] as const)('is alive when it %s', async (_, how) => {
		const puppets = new PuppetSandbox();
		const {sandbox, turns, clock} = puppets;
		sandbox.start();
		turns.request('other', 1, 'list', () => {});
		puppets.worker.say({kind: 'turn', turn: 1, call: 'list'});
		for (let waited = 0; waited < 3 * MINUTE; waited += 5 * SECOND) {
			await clock.sleep(5 * SECOND);
			puppets.worker.beat(7);
			sandbox.inspect();
		}
		if (how === 'granted') turns.over('other', 1, 'answered');
		else puppets.worker.say({kind: 'turn-over', turn: 1, outcome: 'cancelled'});
		sandbox.inspect();
		expect(puppets.worker.isKilled).toBe(false);
		// And is watched as before from then on.
		for (let waited = 0; waited <= 51 * SECOND; waited += SECOND) {
			await clock.sleep(SECOND);
			puppets.worker.beat(7);
		}
		sandbox.inspect();
		expect(puppets.worker.isKilled).toBe(true);
	});
});

describe('a worker that fails', () => {
	it.each([
		['silent', 'hang'],
		['without progress', 'stalled'],
		['too large', 'memory'],
	] as const)('%s is killed once, and its exit is a %s', async (how, reason) => {
		const puppets = new PuppetSandbox();
		const {sandbox, clock} = puppets;
		sandbox.start();
		puppets.worker.beat();
		for (let waited = 0; waited <= MINUTE; waited += SECOND) {
			await clock.sleep(SECOND);
			if (how !== 'silent') puppets.worker.beat(how === 'without progress' ? 1 : waited);
		}
		if (how === 'too large') puppets.worker.rss = 2 ** 30;
		sandbox.inspect();
		sandbox.inspect();
		expect(puppets.worker.isKilled).toBe(true);
		expect(puppets.lines(`worker is ended: ${reason}`)).toHaveLength(1);
		puppets.worker.exit();
		expect(sandbox.status().lastExit).toMatchObject({reason, signal: 'SIGKILL'});
	});

	it('to be heard while we were held up ourselves is forgiven', async () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		puppets.worker.beat();
		puppets.clock.holdUp(10 * MINUTE);
		puppets.sandbox.forgive();
		puppets.sandbox.inspect();
		expect(puppets.worker.isKilled).toBe(false);
	});

	it.each([
		['a URL', {gateway}],
		['a relay inside', {gateway: null, inside: {execInput: ['x'], port: null, tokenFile: null, tokenCommand: []}}],
		['what the host knows', {target: {...workerConfigOf().target, exec: []}}],
	])(
		'by its gateway, reached by %s, is followed by one that leaves that alone where there is the CLI',
		async (_, way) => {
			const brought = (transport: 'auto' | 'gateway') => {
				const puppets = new PuppetSandbox(specOf({...way, transport}));
				puppets.sandbox.start();
				puppets.worker.rss = 2 ** 30;
				puppets.sandbox.inspect();
				puppets.worker.exit();
				return puppets;
			};
			const auto = brought('auto');
			const now = auto.clock.now();
			await auto.clock.sleep(100);
			expect(auto.worker.start.avoidGatewayUntil).toBe(now + MINUTE);
			const alone = brought('gateway');
			await alone.clock.sleep(100);
			expect(alone.worker.start.avoidGatewayUntil).toBeNull();
		},
	);
});

describe('what is done in a sandbox', () => {
	it('is logged in whole, however much it asks for in vain', () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		for (let junk = 0; junk < 500; junk++) {
			puppets.worker.say({kind: 'log', level: 'warn', message: 'noise', fields: {}});
			puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [refusalOf(`junk-${junk}`)]});
		}
		const done: Decision[] = [
			...Array.from({length: 200}, (_, index) => approvalOf(`r${index}`)),
			{kind: 'rejected', requestId: 'junk-1', at: 0},
			{kind: 'alarm', reason: 'approving r1 granted more than was decided: %s %d', at: 0},
		];
		for (const decision of done) puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [decision]});
		expect(puppets.lines('approved').map(({requestId}) => requestId)).toEqual(
			Array.from({length: 200}, (_, index) => `r${index}`),
		);
		expect(puppets.lines('request rejected')).toMatchObject([{requestId: 'junk-1'}]);
		expect(puppets.lines('alarm')).toMatchObject([{level: 'error', reason: expect.stringContaining('%s %d')}]);
		// What was asked for in vain is rationed, and counted all the same.
		expect(puppets.lines('refused').length).toBeLessThanOrEqual(51);
		expect(puppets.sandbox.status()).toMatchObject({refused: 500, approved: 200});
	});

	it('is never crowded out by what its worker prints', () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		for (let line = 0; line < 500; line++) puppets.worker.print('junk');
		puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [refusalOf('r1')]});
		expect(puppets.lines('worker printed').length).toBeLessThanOrEqual(51);
		expect(puppets.lines('refused')).toHaveLength(1);
	});
});

it('no worker can make its supervisor fail with a time that no date can show', () => {
	const beat = (times: object) =>
		toSupervisorSchema.safeParse({kind: 'heartbeat', progress: 1, snapshot: {...snapshotOf(), ...times}}).success;
	expect(beat({lastListAt: 8.64e15, nextPollAt: 8.64e15})).toBe(true);
	for (const time of [1e300, -1, Number.POSITIVE_INFINITY, Number.NaN]) {
		expect(beat({lastListAt: time})).toBe(false);
		expect(beat({nextPollAt: time})).toBe(false);
		const decision = {...approvalOf('r1'), at: time};
		expect(toSupervisorSchema.safeParse({kind: 'checkpoint', changes: {}, decisions: [decision]}).success).toBe(false);
	}
});

describe('a pass that is waited for', () => {
	const outcome = {error: null, failure: null, approved: 1, refused: 0, retries: 0, pending: 0};

	it('is made by whichever worker there is, and answered once', async () => {
		const {sandbox, workers, clock} = new PuppetSandbox();
		const early = sandbox.pass(MINUTE);
		sandbox.start();
		const [asked] = workers[0]?.heard ?? [];
		expect(asked).toMatchObject({kind: 'pass'});
		workers[0]?.exit();
		await clock.sleep(100);
		expect(workers[1]?.heard).toEqual([asked]);
		if (asked?.kind === 'pass') workers[1]?.say({kind: 'passed', ids: [asked.id, 'nobody'], outcome});
		expect(await early).toEqual(outcome);
	});

	it('fails when its time is over, and when the sandbox is no longer watched', async () => {
		const {sandbox, clock, workers} = withWorker();
		const late = sandbox.pass(SECOND);
		await clock.sleep(SECOND);
		expect((await late).error).toBe('no pass was finished in time');
		const lost = sandbox.pass(MINUTE);
		const stopped = sandbox.stop(SECOND);
		workers[0]?.exit(0);
		await stopped;
		expect((await lost).error).toBe('the sandbox is no longer watched');
	});

	function withWorker(): PuppetSandbox {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		return puppets;
	}
});

describe('another spec', () => {
	/** A sandbox that is stopped, and has a past: an alarm, a pace, settled requests, failures. */
	async function withPast(change = {}): Promise<PuppetSandbox> {
		const puppets = new PuppetSandbox(specOf(change));
		puppets.sandbox.start();
		puppets.worker.beat(1, snapshotOf({lastListAt: 1_800_000_000_000}));
		const changes = {
			failures: 2,
			lastError: 'no answer',
			cadence: {mode: 'slow' as const},
			ledger: {hasApproved: true, alarm: 'approving r1 was answered for another device'},
		};
		puppets.worker.say({kind: 'checkpoint', changes, decisions: [approvalOf('r1')]});
		const stopped = puppets.sandbox.stop(SECOND);
		puppets.worker.exit(0);
		await stopped;
		return puppets;
	}

	it.each([
		['another way in', {target: {...workerConfigOf().target, exec: ['enter', 'beta']}}],
		['another environment', {target: {...workerConfigOf().target, env: {OPENCLAW_STATE_DIR: '/other'}}}],
		['another gateway', {gateway}],
	])('with %s finds nothing of the past but what was counted', async (_, change) => {
		const {sandbox, ...puppets} = await withPast();
		sandbox.adopt(specOf(change));
		sandbox.start();
		expect(puppets.workers.at(-1)?.start.checkpoint).toEqual(emptyCheckpoint);
		expect(sandbox.status()).toMatchObject({approved: 1, failures: 0, lastError: null, lastListAt: null});
	});

	it('with other settings goes on where the last worker stood; its alarm is over only where the sandbox’s own configuration changed', async () => {
		const bounds = await withPast();
		bounds.sandbox.adopt(specOf({runTimeout: SECOND}));
		expect(bounds.sandbox.record.checkpoint).toMatchObject({failures: 2, ledger: {hasApproved: true}});
		expect(bounds.sandbox.record.checkpoint.ledger.alarm).not.toBeNull();

		const own = await withPast();
		own.sandbox.adopt(specOf({policy: {...workerConfigOf().policy, onRefused: 'ignore'}}));
		expect(own.sandbox.record.checkpoint.ledger).toMatchObject({hasApproved: true, alarm: null});
	});

	it('whose host openclaw has moved keeps the alarm', async () => {
		const target = {...workerConfigOf().target, exec: [], openclaw: '/usr/bin/openclaw'};
		const puppets = await withPast({target});
		puppets.sandbox.adopt(specOf({target: {...target, openclaw: '/opt/openclaw'}}));
		expect(puppets.sandbox.record.checkpoint.ledger.alarm).not.toBeNull();
	});

	it('that enables or disables it makes it idle, or lets it start', async () => {
		const puppets = await withPast();
		puppets.sandbox.adopt(specOf({}, {enabled: false}));
		puppets.sandbox.start();
		expect(puppets.sandbox.status().state).toBe('idle');
		puppets.sandbox.adopt(specOf());
		puppets.sandbox.start();
		expect(puppets.workers).toHaveLength(2);
	});
});
