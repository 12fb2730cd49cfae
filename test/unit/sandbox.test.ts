import {describe, expect, it} from 'vitest';
import {emptyCheckpoint} from '../../worker/checkpoint.ts';
import {type Decision, toSupervisorSchema} from '../../worker/protocol.ts';
import {MINUTE, SECOND, subjectOf} from './fixtures.ts';
import {heldOf, PuppetSandbox, snapshotOf, specOf, workerConfigOf} from './sandbox-fixtures.ts';

const gateway = {
	url: 'ws://127.0.0.1:18789',
	tokenFile: '/token',
	tokenCommand: [],
	fingerprint: null,
	allowInsecure: false,
};

function approvalOf(requestId: string): Decision {
	return {kind: 'approved', action: 'approve', ...subjectOf(requestId), latencyMs: 7, at: 1_800_000_000_000};
}

function refusalOf(requestId: string): Decision {
	return {
		kind: 'refused',
		requestId,
		deviceId: 'd',
		clientId: 'odd',
		clientMode: 'odd',
		role: null,
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
		expect(sandbox.status()).toMatchObject({state: 'running', pid: 1, healthy: false});
		workers[0]?.beat(2, snapshotOf({lastListAt: 1_800_000_000_000}));
		expect(sandbox.status()).toMatchObject({state: 'running', healthy: true});
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

describe('a worker that says more than the supervisor has time for', () => {
	const log = {kind: 'log', level: 'info', message: 'a line', fields: {}} as const;

	it('is ended, and another one is started as after a crash', async () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		for (let said = 0; said < 5000; said++) puppets.worker.say(log);
		expect(puppets.worker.isKilled).toBe(true);
		expect(puppets.lines('worker is ended')).toHaveLength(1);
		puppets.worker.exit();
		expect(puppets.sandbox.status().lastExit).toMatchObject({reason: 'crash', signal: 'SIGKILL'});
		await puppets.clock.sleep(100);
		expect(puppets.workers).toHaveLength(2);
		puppets.worker.say(log);
		expect(puppets.worker.isKilled).toBe(false);
	});

	it('is heard to the end all the same, so that no approval goes unrecorded', () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		for (let said = 0; said < 5000; said++)
			puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [approvalOf(`r${said}`)]});
		expect(puppets.worker.isKilled).toBe(true);
		expect(puppets.sandbox.status().approved).toBe(5000);
	});

	it('is none that polls as fast as it is told, or meets a listing full of requests', async () => {
		for (const interval of [10, SECOND]) {
			const cadence = {...specOf().worker.cadence, fastInterval: interval};
			const puppets = new PuppetSandbox(specOf({cadence}));
			puppets.sandbox.start();
			const decisions = Array.from({length: 500}, (_, index) => approvalOf(`r${index}`));
			puppets.worker.say({kind: 'checkpoint', changes: {}, decisions});
			for (let polls = 0; polls < 1000; polls++) {
				for (let said = 0; said < 10; said++) puppets.worker.say(log);
				await puppets.clock.sleep(interval);
			}
			expect(puppets.worker.isKilled).toBe(false);
		}
	});

	it('is one that floods for long, though never much at once', async () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		for (let s = 0; s < 60; s++) {
			for (let said = 0; said < 400; said++) puppets.worker.say(log);
			await puppets.clock.sleep(SECOND);
		}
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
	it('is counted and logged once, however often it had to be done', () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		const again: Decision = {
			kind: 'approved',
			action: 'approve',
			...subjectOf('r1'),
			latencyMs: 9,
			at: 0,
			isAgain: true,
		};
		for (const decision of [approvalOf('r1'), again])
			puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [decision]});
		expect(puppets.sandbox.status()).toMatchObject({approved: 1, lastApproval: {latencyMs: 7}});
		expect(puppets.lines('approved')).toHaveLength(1);
	});

	it('is logged in whole, however much it asks for in vain', () => {
		const puppets = new PuppetSandbox();
		puppets.sandbox.start();
		for (let junk = 0; junk < 500; junk++) {
			puppets.worker.say({kind: 'log', level: 'warn', message: 'noise', fields: {}});
			puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [refusalOf(`junk-${junk}`)]});
		}
		const done: Decision[] = [
			...Array.from({length: 200}, (_, index) => approvalOf(`r${index}`)),
			{kind: 'rejected', action: 'reject', ...subjectOf('junk-1'), at: 0},
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

describe('what waits for a person', () => {
	it('is known while the next worker is being started, as what was, and replaced by what that one tells', async () => {
		const {sandbox, workers, clock} = new PuppetSandbox();
		sandbox.start();
		workers[0]?.say({kind: 'held', requests: [heldOf()]});
		expect(sandbox.held).toMatchObject({requests: [heldOf()], isFresh: true});
		workers[0]?.exit();
		expect(sandbox.held).toMatchObject({requests: [heldOf()], isFresh: false});
		await clock.sleep(100);
		expect(sandbox.held).toMatchObject({requests: [heldOf()], isFresh: false});
		workers[1]?.say({kind: 'held', requests: []});
		expect(sandbox.held).toMatchObject({requests: [], isFresh: true});
	});

	it('is nothing where nobody watches any more', async () => {
		const {sandbox, workers} = new PuppetSandbox();
		sandbox.start();
		workers[0]?.say({kind: 'held', requests: [heldOf()]});
		const stopped = sandbox.stop(SECOND);
		workers[0]?.exit(0);
		await stopped;
		expect(sandbox.held.requests).toEqual([]);
	});
});

describe('a kick', () => {
	it('is for a worker that is there, and not about to end', () => {
		const {sandbox, worker} = started();
		expect(sandbox.kick()).toBe(true);
		void sandbox.stop(SECOND);
		expect(sandbox.kick()).toBe(false);
		expect(worker.heard.filter(({kind}) => kind === 'kick')).toHaveLength(1);
	});

	function started() {
		const puppets = new PuppetSandbox();
		expect(puppets.sandbox.kick()).toBe(false);
		puppets.sandbox.start();
		return {sandbox: puppets.sandbox, worker: puppets.worker};
	}
});

describe("a person's decision", () => {
	const approval = {action: 'approve', requestId: 'h1', digest: 'd1'} as const;
	const decided = {kind: 'decided', result: 'done', detail: 'approved'} as const;

	it('goes to the worker at once, and its answer comes back', async () => {
		const {sandbox, worker} = startedPuppets();
		const outcome = sandbox.decide(approval, 10 * SECOND);
		const message = worker.heard.find(({kind}) => kind === 'decide');
		expect(message).toMatchObject({kind: 'decide', ...approval});
		worker.say({...decided, id: message && 'id' in message ? message.id : ''});
		expect(await outcome).toEqual({result: 'done', detail: 'approved'});
	});

	it('is never handed to the next worker, since the first one may have carried it out', async () => {
		const puppets = startedPuppets();
		const outcome = puppets.sandbox.decide(approval, 10 * SECOND);
		puppets.worker.exit();
		expect(await outcome).toMatchObject({result: 'failed', detail: expect.stringMatching(/its worker ended/)});
		expect(await puppets.sandbox.decide(approval, SECOND)).toMatchObject({result: 'failed'});
		await puppets.clock.sleep(SECOND);
		expect(puppets.workers).toHaveLength(2);
		expect(puppets.worker.heard).toEqual([]);
	});

	it('that is not answered in time has failed, as far as is known', async () => {
		const {sandbox, clock} = startedPuppets();
		const outcome = sandbox.decide(approval, SECOND);
		await clock.sleep(SECOND);
		expect(await outcome).toMatchObject({result: 'failed', detail: expect.stringMatching(/may be done yet/)});
	});
});

describe('the records', () => {
	it('are told of an intent before the worker may go on, with what the policy says of the request', async () => {
		const puppets = startedPuppets();
		puppets.worker.say({kind: 'held', requests: [heldOf()]});
		expect(puppets.sandbox.held.requests).toEqual([heldOf()]);
		const subject = {...subjectOf('h1'), by: 'person'} as const;
		puppets.worker.say({kind: 'intent', intent: 7, action: 'approve', ...subject});
		puppets.worker.say({kind: 'intent', intent: 8, action: 'approve', ...subjectOf('r1')});
		expect(puppets.worker.heard).toEqual([]);
		puppets.intents[0]?.(null);
		puppets.intents[1]?.('the disk is full');
		await puppets.clock.sleep(1);
		expect(puppets.worker.heard).toEqual([
			{kind: 'recorded', intent: 7, error: null},
			{kind: 'recorded', intent: 8, error: 'the disk is full'},
		]);
		puppets.worker.beat();
		puppets.worker.say({kind: 'checkpoint', changes: {}, decisions: [approvalOf('h1')]});
		puppets.worker.exit();
		expect(puppets.sandbox.held).toMatchObject({isFresh: false});
		expect(puppets.witnessed).toEqual([
			'1 held in alpha',
			'intent approve h1 of alpha (disallowed-scope)',
			'intent approve r1 of alpha (allowed)',
			'approved in alpha by cli',
			'gone in alpha',
			'restarted in alpha (crash)',
		]);
	});
});

function startedPuppets(): PuppetSandbox {
	const puppets = new PuppetSandbox();
	puppets.sandbox.start();
	return puppets;
}
