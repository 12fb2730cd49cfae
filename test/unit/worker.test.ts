import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {applyChanges, type Checkpoint, emptyCheckpoint} from '../../worker/checkpoint.ts';
import {ClientError} from '../../worker/client-error.ts';
import {
	type Decision,
	type HeldRequest,
	type ToSupervisor,
	type ToWorker,
	toSupervisorSchema,
	toWorkerSchema,
	type WorkerConfig,
} from '../../worker/protocol.ts';
import {digestOf} from '../../worker/requests/gives.ts';
import {Ledger} from '../../worker/requests/ledger.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import {SupervisorLink} from '../../worker/supervisor-link.ts';
import type {OpenClawClient} from '../../worker/transport/client.ts';
import {polledTransport, type Transport} from '../../worker/transport/transport.ts';
import {type Start, Worker, type WorkerDeps} from '../../worker/worker.ts';
import {
	defaultPolicy,
	entryOf,
	HOUR,
	MemoryGateway,
	MINUTE,
	requestOf,
	SECOND,
	SimulatedClock,
	subjectOf,
} from './fixtures.ts';

const admin = {scopes: ['operator.read', 'operator.admin']};

function configOf(policy: Policy, change: Partial<WorkerConfig> = {}): WorkerConfig {
	return {
		name: 'alpha',
		target: {exec: ['enter', 'alpha'], env: {}, envFile: null, approveUnset: [], openclaw: null},
		gateway: null,
		inside: null,
		transport: 'auto',
		policy,
		maxApprovals: 8,
		isAudited: false,
		runTimeout: 10 * SECOND,
		passEnv: [],
		heartbeatInterval: 5 * SECOND,
		cadence: {
			fastDeadline: 10 * MINUTE,
			fastInterval: SECOND,
			slowInterval: 30 * SECOND,
			fastReentryPolls: 5,
			fastReentryInterval: SECOND,
		},
		...change,
	};
}

/** The supervisor's side of one sandbox, as far as its workers can tell: what they said, and the checkpoint that comes of it. */
class Sandbox {
	readonly clock = new SimulatedClock();
	readonly gateway = new MemoryGateway();
	readonly messages: ToSupervisor[] = [];
	checkpoint: Checkpoint | null = null;
	policy: Policy = defaultPolicy;
	config: Partial<WorkerConfig> = {};
	/** How the workers reach the gateway. */
	openTransport: WorkerDeps['openTransport'] = async () => polledTransport(this.gateway, null);
	/** What is to be done when a message has come. */
	onMessage: (message: ToSupervisor) => void = () => {};
	worker: Worker | null = null;
	tidy: WorkerDeps['tidy'];
	#life = new AbortController();
	#isStopping = false;

	/** A worker's whole life; it ends by itself, by {@link kill}, or after `ms`. */
	async live(task: Start['task'] = {kind: 'watch'}, ms = HOUR): Promise<void> {
		const life = new AbortController();
		this.#life = life;
		this.#isStopping = false;
		const start = toWorkerSchema.parse(
			overTheWire({
				kind: 'start',
				config: configOf(this.policy, this.config),
				owner: 'run/worker',
				task,
				checkpoint: this.checkpoint,
				avoidGatewayUntil: null,
			} satisfies ToWorker),
		) as Start;
		const {clock, openTransport, tidy} = this;
		const link = new SupervisorLink(message => {
			if (life.signal.aborted && !this.#isStopping) return;
			if (message.kind === 'turn') queueMicrotask(() => link.granted(message.turn));
			this.#take(toSupervisorSchema.parse(overTheWire(message)));
		}, clock);
		const cancel = clock.after(ms, () => life.abort(new Error('the deadline')));
		const deps = {...(openTransport && {openTransport}), ...(tidy && {tidy})};
		const worker = new Worker(start, {link, clock, signal: life.signal, ...deps});
		this.worker = worker;
		await worker.run();
		cancel();
	}

	/** The worker is told to end, and what it still says is heard. */
	stop(): void {
		this.#isStopping = true;
		this.#life.abort(new Error('stopped'));
	}

	/** It reaches its gateway over a socket. */
	connect(): void {
		this.openTransport = async () => ({...polledTransport(this.gateway, null), kind: 'gateway', isEventDriven: true});
	}

	/** All that it does is written down at once. */
	audit(): void {
		this.config = {isAudited: true};
		this.onMessage = message => {
			if (message.kind !== 'intent') return;
			const {intent} = message;
			queueMicrotask(() => this.worker?.receive({kind: 'recorded', intent, error: null}));
		};
	}

	/** What was to be done, and what was, in the order in which that was told. */
	get deeds(): string[] {
		return this.messages.flatMap(message => {
			if (message.kind === 'intent') return `intent ${message.requestId} ${message.scopes}`;
			if (message.kind !== 'checkpoint') return [];
			return message.decisions.flatMap(decision =>
				'requestId' in decision ? `${decision.kind} ${decision.requestId}` : [],
			);
		});
	}

	/** Nothing more is heard of the worker, and it does nothing more. */
	kill(): void {
		this.#life.abort(new Error('killed'));
	}

	of<K extends ToSupervisor['kind']>(kind: K): Extract<ToSupervisor, {kind: K}>[] {
		return this.messages.filter((message): message is Extract<ToSupervisor, {kind: K}> => message.kind === kind);
	}

	get decisions(): Decision[] {
		return this.of('checkpoint').flatMap(({decisions}) => decisions);
	}

	/** The ids of what was decided so. */
	decided(kind: 'approved' | 'refused' | 'rejected'): string[] {
		return this.decisions.flatMap(decision =>
			decision.kind === kind && 'requestId' in decision ? decision.requestId : [],
		);
	}

	#take(message: ToSupervisor): void {
		this.messages.push(message);
		if (message.kind === 'checkpoint') {
			this.checkpoint = applyChanges(this.checkpoint ?? emptyCheckpoint, message.changes);
		}
		this.onMessage(message);
	}
}

/** The way through the channel between two processes. */
function overTheWire(value: unknown): unknown {
	return JSON.parse(JSON.stringify(value));
}

const gatewayTarget = {url: '', tokenFile: '', tokenCommand: [], fingerprint: null, allowInsecure: false};

describe('an approval that is answered with a yes and has not come true', () => {
	/** A program between us and OpenClaw swallows what becomes of the first `lies` approvals. */
	const lying = (lies: number) => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		gateway.pending = [entryOf()];
		const grant = gateway.grant.bind(gateway);
		gateway.grant = id => (gateway.callsOf('approve') <= lies ? {deviceId: null, scopes: null} : grant(id));
		return sandbox;
	};

	it('is made again until it has, told as failed each time, and counted once', async () => {
		const sandbox = lying(3);
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.gateway.paired).toHaveLength(1);
		expect(sandbox.gateway.callsOf('approve')).toBe(4);
		const told = sandbox.decisions.map(decision => [decision.kind, 'isAgain' in decision]);
		const [failed, again] = [
			['failed', false],
			['approved', true],
		];
		expect(told).toEqual([['approved', false], failed, again, failed, again, failed, again]);
		const warned = sandbox.of('heartbeat').map(({snapshot}) => snapshot.warnings);
		expect(warned).toContainEqual([expect.stringContaining('could not be settled in 3 tries')]);
		expect(warned.at(-1)).toEqual([]);
	});

	it('is made again by the next worker, and over a socket within seconds', async () => {
		const sandbox = lying(2);
		const {gateway} = sandbox;
		sandbox.connect();
		await sandbox.live(undefined, SECOND);
		await sandbox.live(undefined, 10 * SECOND);
		expect(gateway.paired).toHaveLength(1);
		expect(sandbox.decided('approved')).toHaveLength(3);
	});

	it('has one outcome for each intent where all is recorded', async () => {
		const sandbox = lying(2);
		sandbox.audit();
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.of('intent')).toHaveLength(3);
		expect(sandbox.decided('approved')).toHaveLength(3);
	});
});

describe('a worker that watches', () => {
	it('tells each approval and refusal once, with what its successor has to know of it', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.pending = [entryOf({ts: clock.wall() - 250}), entryOf({requestId: 'r2', deviceId: 'device-2', ...admin})];
		await sandbox.live(undefined, 3 * SECOND);
		const at = clock.wall() - 3 * SECOND;
		expect(sandbox.decisions).toEqual([
			{
				kind: 'refused',
				requestId: 'r2',
				deviceId: 'device-2',
				clientId: 'cli',
				clientMode: 'cli',
				role: 'operator',
				scopes: admin.scopes,
				reason: 'disallowed-scope',
				remedy: null,
				at,
			},
			{
				kind: 'approved',
				action: 'approve',
				...subjectOf('r1'),
				latencyMs: 250,
				at,
			},
		]);
		const about = (id: string) => sandbox.of('checkpoint').map(({changes}) => changes.ledger?.requests?.[id]?.kind);
		expect(about('r2').filter(Boolean)).toEqual(['refused']);
		expect(about('r1').filter(Boolean)).toEqual(['attempted', 'approved']);
	});

	it('sends no more than what has changed: of an approval, not what else is remembered', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = Array.from({length: 200}, (_, index) =>
			entryOf({requestId: `refused-${index}`, deviceId: `device-${index}`, ...admin}),
		);
		await sandbox.live(undefined, SECOND);
		const seen = sandbox.messages.length;
		sandbox.gateway.pending.push(entryOf());
		await sandbox.live(undefined, SECOND);
		const sizes = sandbox.messages
			.slice(seen)
			// What waits for a person is told whole, once a worker.
			.flatMap(message => (message.kind === 'held' ? [] : JSON.stringify(message).length));
		expect(sandbox.decided('approved')).toEqual(['r1']);
		expect(Math.max(...sizes)).toBeLessThan(1000);
	});

	it('tells what it forgets with what it tells next, at the latest with the end of the pass', async () => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		const ask = (requestId: string) => gateway.pending.push(entryOf({requestId, deviceId: `device of ${requestId}`}));
		ask('r1');
		gateway.before = call => {
			if (gateway.callsOf('list') === 2 && call === 'list') ask('r2');
		};
		await sandbox.live(undefined, 10 * SECOND);
		expect(sandbox.decided('approved')).toEqual(['r1', 'r2']);
		const told = sandbox
			.of('checkpoint')
			.map(({changes}) => Object.entries(changes.ledger?.requests ?? {}))
			.map(requests => requests.map(([id, record]) => `${id} ${record?.kind ?? 'forgotten'}`).join());
		expect(told.filter(Boolean)).toEqual([
			'r1 attempted',
			'r1 approved',
			'r1 forgotten,r2 attempted',
			'r2 approved',
			'r2 forgotten',
		]);
		gateway.before = () => {};
		ask('r3');
		await sandbox.live(undefined, SECOND);
		expect(Object.keys(sandbox.checkpoint?.ledger.requests ?? {})).toEqual(['r3']);
	});

	it('tells of approvals over a socket a moment later and at once, what it tries before it does, and nothing late where somebody waits', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		sandbox.connect();
		const ask = (requestId: string) => gateway.pending.push(entryOf({requestId, deviceId: `device of ${requestId}`}));
		ask('r1');
		ask('r2');
		const began = clock.now();
		const told: string[] = [];
		sandbox.onMessage = message => {
			if (message.kind !== 'checkpoint') return;
			for (const [id, record] of Object.entries(message.changes.ledger?.requests ?? {}))
				told.push(`${clock.now() - began} ${id} ${record?.kind ?? 'forgotten'}`);
		};
		gateway.before = call => void (call.startsWith('approve') && told.push(`${clock.now() - began} ${call}`));
		clock.after(10 * SECOND, () => {
			ask('r3');
			sandbox.worker?.receive({kind: 'pass', id: 'p1'});
		});
		await sandbox.live(undefined, 20 * SECOND);
		expect(told).toEqual([
			'0 r1 attempted',
			'0 approve r1',
			'0 r1 approved',
			'0 r2 attempted',
			'0 approve r2',
			'250 r2 approved',
			'10000 r1 forgotten',
			'10000 r2 forgotten',
			'10000 r3 attempted',
			'10000 approve r3',
			'10000 r3 approved',
		]);
		expect(sandbox.of('passed')).toMatchObject([{ids: ['p1'], outcome: {approved: 1}}]);
	});

	it('sends no checkpoint for polls that change nothing', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.paired = [{deviceId: 'device-1'}];
		await sandbox.live(undefined, 10 * MINUTE);
		const settled = sandbox.of('checkpoint').length;
		expect(settled).toBeLessThan(12);
		await sandbox.live(undefined, 40 * MINUTE);
		expect(sandbox.of('checkpoint')).toHaveLength(settled);
		expect(sandbox.gateway.callsOf('list')).toBeGreaterThan(80);
	});

	it('tells how to allow the browser, where that is what is refused', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = [entryOf({clientId: 'openclaw-control-ui', clientMode: 'webchat', ...admin})];
		await sandbox.live(undefined, SECOND);
		expect(sandbox.decisions).toMatchObject([{kind: 'refused', remedy: expect.stringMatching(/openclaw-control-ui/)}]);
	});

	it('makes all it tells safe to show, and puts nothing foreign into a log message', async () => {
		const sandbox = new Sandbox();
		const odd = '\u001b[31m%s %d %j';
		const {gateway} = sandbox;
		gateway.pending = [
			entryOf({requestId: 'r0', deviceId: odd, clientId: odd, clientMode: odd, scopes: [odd, 'x'.repeat(128)]}),
			entryOf({requestId: odd}),
			entryOf({requestId: 'r1'}),
		];
		gateway.answer = () => ({deviceId: null, scopes: [odd]});
		let isFirst = true;
		gateway.before = call => {
			if (call === 'approve r1' && isFirst) {
				isFirst = false;
				throw new ClientError('refused', 'openclaw says %s');
			}
			if (gateway.callsOf('list') > 5) throw new ClientError('unreachable', 'gateway closed: %s');
		};
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['refused', 'refused', 'failed', 'approved', 'alarm']);
		const alarm = sandbox.decisions.find(({kind}) => kind === 'alarm');
		expect(alarm).toMatchObject({reason: expect.stringContaining('%s')});
		expect(JSON.stringify(sandbox.decisions)).not.toMatch(/\\u001b/);
		for (const {message} of sandbox.of('log')) expect(message).not.toContain('%');
		expect(sandbox.of('log').map(({fields}) => fields.error)).toContain('openclaw says %s');
	});

	it('beats from its start, and by the clock, also while a call hangs: but then without progress', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.before = () => clock.sleep(MINUTE);
		await sandbox.live(undefined, MINUTE);
		const beats = sandbox.messages.filter(message => message.kind === 'heartbeat' || message.kind === 'alive');
		expect(sandbox.messages[0]?.kind).toBe('heartbeat');
		expect(beats.length).toBeGreaterThanOrEqual(12);
		expect(new Set(beats.slice(1).map(({progress}) => progress))).toEqual(new Set([1]));
	});

	it('is woken to beat only where nothing else made it beat, so that an idle sandbox costs little', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		sandbox.config = {heartbeatInterval: 10 * SECOND};
		gateway.paired = [{deviceId: 'device-1'}];
		const beats: number[] = [];
		sandbox.onMessage = ({kind}) => {
			if (kind === 'heartbeat' || kind === 'alive') beats.push(clock.now());
		};
		await sandbox.live(undefined, 10 * MINUTE);
		const [, ...gaps] = beats.map((at, index) => at - (beats[index - 1] ?? at));
		expect(Math.max(...gaps)).toBeLessThanOrEqual(10 * SECOND);
		// A poll every half minute, and two beats in between.
		const idle = beats.filter(at => at >= (beats[0] ?? 0) + MINUTE);
		expect(idle.length).toBeLessThanOrEqual(9 * 2 * 3 + 1);
	});

	it.each([
		['are fast', {}],
		['put its beats off', {slowInterval: 14.9 * SECOND}],
	])('looks after its transport by the clock, also where polls %s', async (_, change) => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		const {cadence} = configOf(defaultPolicy);
		sandbox.config = {heartbeatInterval: 10 * SECOND, cadence: {...cadence, ...change}};
		gateway.paired = [{deviceId: 'device-1'}];
		const looks: number[] = [];
		sandbox.openTransport = async () => ({...polledTransport(gateway, null), look: () => looks.push(clock.now())});
		await sandbox.live(undefined, 5 * MINUTE);
		const [, ...gaps] = looks.map((at, index) => at - (looks[index - 1] ?? at));
		expect(Math.max(...gaps)).toBeLessThanOrEqual(10 * SECOND);
	});

	it('is tidied with each heartbeat', async () => {
		const sandbox = new Sandbox();
		let tidied = 0;
		sandbox.tidy = () => tidied++;
		await sandbox.live(undefined, 5 * MINUTE);
		const beats = sandbox.messages.filter(({kind}) => kind === 'heartbeat' || kind === 'alive').length;
		expect(beats).toBeGreaterThan(20);
		expect(tidied).toBeGreaterThanOrEqual(beats);
	});

	it('shows where it stands: mode, interval, the last list and the next poll', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.paired = [{deviceId: 'device-1'}];
		await sandbox.live(undefined, 10 * SECOND);
		const at = clock.wall() - 7 * SECOND;
		expect(sandbox.of('heartbeat').at(-1)?.snapshot).toEqual({
			mode: 'slow',
			interval: 30,
			transport: 'cli',
			route: null,
			transportReason: null,
			widePaired: 0,
			lastListAt: at,
			nextPollAt: at + 30 * SECOND,
			warnings: [],
			pending: 0,
		});
		expect(sandbox.of('log')).toMatchObject([{message: 'slow mode', fields: {interval: 30}}]);
	});

	it('shows as pending what is listed, also where the listing shows that an approval in doubt was granted', async () => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		gateway.pending = [entryOf(), entryOf({requestId: 'r2', deviceId: 'device-2', ...admin})];
		gateway.before = call => {
			if (call !== 'approve r1') return;
			gateway.grant('r1');
			throw new ClientError('timeout', 'no answer');
		};
		await sandbox.live(undefined, 500);
		expect(sandbox.decided('approved')).toEqual(['r1']);
		expect(sandbox.of('heartbeat').at(-1)?.snapshot.pending).toBe(1);
	});

	it('says of what is still pending why it is, also where that was decided long ago', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.pending = [entryOf({clientId: 'odd', clientMode: 'odd'})];
		clock.after(MINUTE, () => sandbox.worker?.receive({kind: 'pass', id: 'p1'}));
		await sandbox.live(undefined, 2 * MINUTE);
		expect(sandbox.of('passed')).toMatchObject([
			{outcome: {refused: 0, pending: 1, refusals: [{reason: 'unknown-client', count: 1}]}},
		]);
	});

	it('answers each pass that was asked for with the first that began afterwards', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.paired = [{deviceId: 'device-1'}];
		clock.after(MINUTE, () => {
			gateway.pending = [entryOf()];
			for (const id of ['p1', 'p2']) sandbox.worker?.receive({kind: 'pass', id});
		});
		await sandbox.live(undefined, 2 * MINUTE);
		const outcome = {error: null, failure: null, approved: 1, refused: 0, retries: 0, pending: 0};
		expect(sandbox.of('passed')).toEqual([{kind: 'passed', ids: ['p1', 'p2'], outcome}]);
	});

	it('polls at once, and fast for a while, when it is kicked', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.paired = [{deviceId: 'device-1'}];
		await sandbox.live(undefined, 20 * SECOND);
		const before = gateway.callsOf('list');
		clock.after(SECOND, () => sandbox.worker?.receive({kind: 'kick'}));
		await sandbox.live(undefined, 20 * SECOND);
		expect(gateway.callsOf('list') - before).toBe(6);
	});

	it('says once by which transport it goes, and whenever that changes', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		let change: () => void = () => {};
		const transport: {-readonly [K in keyof Transport]: Transport[K]} = polledTransport(gateway, 'not connected yet');
		sandbox.config = {gateway: gatewayTarget};
		sandbox.openTransport = async (_, {onChange}) => {
			change = onChange;
			return transport;
		};
		clock.after(MINUTE, () => {
			Object.assign(transport, {kind: 'gateway', reason: null, isEventDriven: true});
			change();
			change();
		});
		clock.after(2 * MINUTE, () => {
			Object.assign(transport, {kind: 'cli', reason: 'gateway closed', isEventDriven: false});
			change();
		});
		await sandbox.live(undefined, 3 * MINUTE);
		expect(sandbox.of('log').filter(({message}) => message.startsWith('transport'))).toMatchObject([
			{level: 'info', message: 'transport: gateway', fields: {}},
			{level: 'warn', message: 'transport: cli', fields: {reason: 'gateway closed'}},
		]);
	});

	it('says nothing of a gateway that nobody has asked for and that is not there, but its loss', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		const transport: {-readonly [K in keyof Transport]: Transport[K]} = polledTransport(gateway, null);
		let change: (to: Partial<Transport>) => void = () => {};
		sandbox.openTransport = async (_, {onChange}) => {
			change = to => {
				Object.assign(transport, to);
				onChange();
			};
			return transport;
		};
		clock.after(SECOND, () => change({reason: 'no gateway listens'}));
		clock.after(2 * SECOND, () => change({kind: 'gateway', reason: null}));
		clock.after(3 * SECOND, () => change({kind: 'cli', reason: 'gateway closed'}));
		await sandbox.live(undefined, 4 * SECOND);
		const lines = sandbox.of('log').filter(({message}) => message.startsWith('transport'));
		expect(lines.map(({level, fields}) => [level, fields.reason])).toEqual([
			['debug', 'no gateway listens'],
			['info', undefined],
			['info', 'gateway closed'],
		]);
	});

	it('that has nothing but the gateway says that it is lost, and not that it goes by it', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		const transport: {-readonly [K in keyof Transport]: Transport[K]} = {
			...polledTransport(gateway, null),
			kind: 'gateway',
		};
		sandbox.config = {transport: 'gateway', gateway: gatewayTarget};
		sandbox.openTransport = async (_, {onChange}) => {
			clock.after(MINUTE, () => {
				Object.assign(transport, {reason: 'gateway closed'});
				onChange();
			});
			return transport;
		};
		await sandbox.live(undefined, 2 * MINUTE);
		const lines = sandbox.of('log').filter(({message}) => /gateway/.test(message));
		expect(lines.map(({level, message, fields}) => [level, message, fields.reason])).toEqual([
			['info', 'transport: gateway', undefined],
			['warn', 'transport: the gateway is not connected', 'gateway closed'],
		]);
	});

	it('waits for its turn, and says so where that makes polls rarer', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		const inTurn = (
			turns: Parameters<NonNullable<WorkerDeps['openTransport']>>[1]['cli']['turns'],
		): OpenClawClient => ({
			isStale: false,
			list: async signal => {
				const turn = await turns.take('list', signal);
				// The host is crowded: what was asked for first is done first.
				await clock.sleep(SECOND);
				turn.over('answered');
				return gateway.list(signal);
			},
			approve: (approval, signal) => gateway.approve(approval, signal),
			reject: (id, signal) => gateway.reject(id, signal),
		});
		sandbox.openTransport = async (_, {cli}) => polledTransport(inTurn(cli.turns), null);
		await sandbox.live(undefined, 10 * SECOND);
		expect(sandbox.of('turn').length).toBeGreaterThan(3);
		expect(sandbox.of('turn-over').map(({outcome}) => outcome)).toContain('answered');
		expect(sandbox.of('heartbeat').at(-1)?.snapshot.warnings).toEqual([]);
		// While it polls fast, its lists are wanted sooner than those of sandboxes that do not.
		expect(new Set(sandbox.of('turn').map(({call}) => call))).toEqual(new Set(['urgent-list']));
		sandbox.config = {cadence: {...configOf(sandbox.policy).cadence, fastDeadline: 0}};
		await sandbox.live(undefined, 10 * SECOND);
		expect(sandbox.of('turn').at(-1)).toEqual({kind: 'turn', turn: 1, call: 'list'});
	});
});

describe('what a worker hands on', () => {
	it('goes on with the failures in a row, and says anew neither why nor that', async () => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		gateway.before = () => {
			throw new ClientError('unreachable', 'gateway closed');
		};
		await sandbox.live(undefined, 2500);
		expect(sandbox.checkpoint).toMatchObject({failures: 3, lastError: 'gateway closed'});
		await sandbox.live(undefined, 1500);
		expect(sandbox.checkpoint).toMatchObject({failures: 5, lastError: 'gateway closed'});
		expect(sandbox.of('log')).toHaveLength(1);
		gateway.before = () => {};
		await sandbox.live(undefined, 500);
		expect(sandbox.checkpoint).toMatchObject({failures: 0, lastError: null});
		expect(sandbox.of('log').at(-1)).toMatchObject({message: 'the sandbox answers again', fields: {failures: 5}});
	});

	it('is where polling stands, from the first poll on, so that a worker that never ends one buys no fast polling', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.before = () => sandbox.kill();
		while (sandbox.clock.now() < 1_000_000 + HOUR) {
			await sandbox.live();
			await sandbox.clock.sleep(10 * SECOND);
		}
		expect(sandbox.checkpoint?.cadence?.mode).toBe('slow');
	});

	it('knows of an alarm when it knows of the approval that raised it', async () => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		gateway.pending = [entryOf(), entryOf({requestId: 'r2', deviceId: 'device-2'})];
		gateway.answer = () => ({deviceId: null, scopes: ['operator.admin']});
		sandbox.onMessage = () => sandbox.decided('approved').length > 0 && sandbox.kill();
		await sandbox.live();
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['approved', 'alarm']);
		expect(gateway.callsOf('approve')).toBe(1);
	});

	it('has no alarm any more when it was cleared, and approvals go on', async () => {
		const sandbox = new Sandbox();
		const {gateway, clock} = sandbox;
		gateway.pending = [entryOf(), entryOf({requestId: 'r2', deviceId: 'device-2'})];
		gateway.answer = ({requestId}) => ({deviceId: null, scopes: requestId === 'r1' ? ['operator.admin'] : null});
		clock.after(MINUTE, () => {
			expect(sandbox.of('heartbeat').at(-1)?.snapshot.warnings).toEqual([expect.stringMatching(/^alarm: /)]);
			sandbox.worker?.receive({kind: 'clear-alarm'});
			expect(sandbox.checkpoint?.ledger.alarm).toBeNull();
		});
		await sandbox.live(undefined, 2 * MINUTE);
		expect(sandbox.decided('approved')).toEqual(['r1', 'r2']);
		expect(sandbox.of('heartbeat').at(-1)?.snapshot.warnings).toEqual([]);
	});

	/** How the first approval of a request goes: an answer that comes, an error, or a silence after which it is granted or not. */
	type First = 'answered' | 'refused' | 'granted in silence' | 'lost';
	interface Ask {
		readonly isAllowed: boolean;
		readonly first: First;
		/** When it is asked for, in seconds. */
		readonly at: number;
	}
	/** The worker dies after so many messages and calls, and an approval that it has begun was granted all the same, or not. */
	interface Death {
		readonly after: number;
		readonly isGranted: boolean;
	}

	/** Makes these requests and lets workers die so, one after the other; the last one lives on. */
	async function survive(
		asks: readonly Ask[],
		deaths: readonly Death[],
		onRefused: Policy['onRefused'],
		isEventDriven = false,
	) {
		const sandbox = new Sandbox();
		if (isEventDriven) sandbox.connect();
		sandbox.policy = {...defaultPolicy, onRefused, refusalHold: 5 * SECOND};
		const {clock, gateway} = sandbox;
		const granted: unknown[] = [];
		gateway.answer = ({requestId}) => {
			granted.push(requestId);
			return {deviceId: null, scopes: null};
		};
		for (const [index, {isAllowed, at}] of asks.entries()) {
			const entry = entryOf({requestId: `r${index}`, deviceId: `device-${index}`, ...(isAllowed ? {} : admin)});
			clock.after(at * SECOND, () => gateway.pending.push(entry));
		}
		const tried = new Set<string>();
		let death: Death | undefined;
		let left = 0;
		/** Whether this is the worker's last moment; ids are those of the approvals that are under way. */
		const isLast = (ids: readonly string[]): boolean => {
			if (!death || left-- > 0) return false;
			sandbox.kill();
			for (const id of ids) {
				const isPending = gateway.pending.some(({requestId}) => requestId === id);
				if (death.isGranted && isPending) gateway.grant(id);
			}
			return true;
		};
		sandbox.onMessage = message => {
			const records = message.kind === 'checkpoint' ? Object.entries(message.changes.ledger?.requests ?? {}) : [];
			isLast(records.flatMap(([id, record]) => (record?.kind === 'attempted' ? id : [])));
		};
		gateway.before = call => {
			const [verb, id = ''] = call.split(' ');
			if (isLast(verb === 'approve' ? [id] : [])) return;
			if (verb !== 'approve' || tried.has(id)) return;
			tried.add(id);
			const how = asks[Number(id.slice(1))]?.first;
			if (how === 'granted in silence') gateway.grant(id);
			if (how === 'granted in silence' || how === 'lost') throw new ClientError('timeout', 'no answer');
			if (how === 'refused') throw new ClientError('refused', 'exit 7');
		};
		for (death of deaths) {
			left = death.after;
			await sandbox.live();
		}
		death = undefined;
		await sandbox.live(undefined, 5 * MINUTE);
		return {sandbox, granted};
	}

	function expectSound({sandbox, granted}: Awaited<ReturnType<typeof survive>>, asks: readonly Ask[]): void {
		const ids = (isAllowed: boolean) =>
			asks.flatMap((ask, index) => (ask.isAllowed === isAllowed ? `r${index}` : [])).sort();
		expect(granted.toSorted()).toEqual(ids(true));
		expect(sandbox.decided('approved').sort()).toEqual(ids(true));
		expect(sandbox.decided('refused').sort()).toEqual(ids(false));
		expect(sandbox.checkpoint?.ledger.requests).toEqual(sandbox.policy.onRefused === 'ignore' ? expect.anything() : {});
		for (const {changes, decisions} of sandbox.of('checkpoint')) {
			expect(Object.keys(changes).length + decisions.length).toBeGreaterThan(0);
		}
	}

	const firsts = ['answered', 'refused', 'granted in silence', 'lost'] satisfies First[];
	it.each(firsts.flatMap(first => [true, false].map(isEventDriven => ({first, isEventDriven}))))(
		'loses and doubles nothing, whichever message or call is the last of a worker whose first approval is $first, event-driven: $isEventDriven',
		async ({first, isEventDriven}) => {
			const asks: Ask[] = [
				{isAllowed: true, first, at: 0},
				{isAllowed: false, first, at: 0},
				{isAllowed: true, first: 'answered', at: 2},
			];
			const undisturbed = await survive(asks, [], 'hold', isEventDriven);
			expectSound(undisturbed, asks);
			const count = undisturbed.sandbox.messages.length + undisturbed.sandbox.gateway.calls.length;
			expect(count).toBeGreaterThan(10);
			for (let after = 0; after < count; after++) {
				for (const isGranted of [false, true]) {
					expectSound(await survive(asks, [{after, isGranted}], 'hold', isEventDriven), asks);
				}
			}
		},
		60_000,
	);

	it('loses and doubles nothing, however many workers die, wherever they do', async () => {
		const ask = fc.record({
			isAllowed: fc.boolean(),
			first: fc.constantFrom<First>('answered', 'refused', 'granted in silence', 'lost'),
			at: fc.nat(20),
		});
		const death = fc.record({after: fc.nat(12), isGranted: fc.boolean()});
		await fc.assert(
			fc.asyncProperty(
				fc.array(ask, {maxLength: 6}),
				fc.array(death, {maxLength: 12}),
				fc.constantFrom<Policy['onRefused']>('hold', 'reject', 'ignore'),
				fc.boolean(),
				async (asks, deaths, onRefused, isEventDriven) =>
					expectSound(await survive(asks, deaths, onRefused, isEventDriven), asks),
			),
			{numRuns: 200},
		);
	}, 60_000);
});

describe('what a worker has approved over a socket', () => {
	function connected(): Sandbox {
		const sandbox = new Sandbox();
		sandbox.connect();
		sandbox.gateway.pending = [entryOf()];
		return sandbox;
	}

	it('stands on record before what it is about to do next, in the same pass and in another one', async () => {
		const sandbox = connected();
		const {clock, gateway} = sandbox;
		sandbox.audit();
		gateway.pending.push(entryOf({requestId: 'r2', deviceId: 'device-2'}));
		clock.after(100, () => {
			// Under the id of one that is settled.
			gateway.pending = [entryOf({scopes: ['operator.write']})];
			sandbox.worker?.receive({kind: 'kick'});
		});
		await sandbox.live(undefined, 10 * SECOND);
		expect(sandbox.deeds).toEqual([
			'intent r1 operator.read',
			'approved r1',
			'intent r2 operator.read',
			'approved r2',
			'intent r1 operator.write',
			'approved r1',
		]);
	});

	it('is told when it is stopped before that', async () => {
		const sandbox = connected();
		sandbox.clock.after(100, () => {
			expect(sandbox.decided('approved')).toEqual([]);
			sandbox.stop();
		});
		await sandbox.live();
		expect(sandbox.decided('approved')).toEqual(['r1']);
		expect(sandbox.gateway.callsOf('approve')).toBe(1);
	});

	it('is told at once where a list would not show a successor that it was', async () => {
		const sandbox = connected();
		const {clock, gateway} = sandbox;
		// A device that asks for what it has.
		gateway.paired = [{deviceId: 'device-1', publicKey: 'key-1', scopes: ['operator.read']}];
		clock.after(100, () => sandbox.kill());
		await sandbox.live();
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['approved']);
		expect(sandbox.checkpoint?.ledger.approvals).toMatchObject([{count: 1}]);
	});

	it('keeps nothing back of what a list has shown since', async () => {
		const sandbox = connected();
		const {clock, gateway} = sandbox;
		gateway.connection = 1;
		gateway.paired = [{deviceId: 'device-2', publicKey: 'key-2', scopes: ['operator.read']}];
		gateway.before = call => {
			if (call === 'approve r1') throw new ClientError('timeout', 'no answer');
		};
		clock.after(300, () => {
			// It comes true, and a person removes another device.
			gateway.grant('r1');
			gateway.paired = gateway.paired.filter(({deviceId}) => deviceId !== 'device-2');
			gateway.before = () => {};
			sandbox.worker?.receive({kind: 'kick'});
		});
		clock.after(400, () => sandbox.kill());
		await sandbox.live();
		expect(sandbox.decided('approved')).toEqual(['r1']);
		gateway.connection = 2;
		gateway.pending = [entryOf({requestId: 'r2', deviceId: 'device-2', publicKey: 'key-2'})];
		await sandbox.live(undefined, 10 * SECOND);
		expect(sandbox.decided('approved')).toEqual(['r1']);
	});

	it('is told at once with a pass that failed then', async () => {
		const sandbox = connected();
		const {clock, gateway} = sandbox;
		gateway.pending.push(entryOf({requestId: 'r2', deviceId: 'device-2'}));
		gateway.before = call => {
			if (call === 'approve r2') throw new ClientError('refused', 'no');
			if (call === 'list' && gateway.callsOf('list') === 2) throw new ClientError('unreachable', 'gone');
		};
		clock.after(100, () => sandbox.kill());
		await sandbox.live();
		expect(sandbox.checkpoint).toMatchObject({failures: 1, lastError: expect.stringContaining('gone')});
	});

	it('brings what else is to be logged of its pass, also where something else is told sooner', async () => {
		const sandbox = connected();
		const {clock, gateway} = sandbox;
		gateway.before = call => {
			if (gateway.callsOf('list') < 3) throw new ClientError('unreachable', 'gone');
			if (call === 'approve r1') clock.after(100, () => sandbox.worker?.receive({kind: 'kick'}));
		};
		await sandbox.live(undefined, 2 * MINUTE);
		expect(sandbox.decided('approved')).toEqual(['r1']);
		const logged = sandbox.of('log').map(({message}) => message);
		expect(logged.slice(2, 4)).toEqual(['the sandbox cannot be polled', 'the sandbox answers again']);
	});

	it('does not keep the clearing of an alarm waiting', async () => {
		const sandbox = connected();
		const {clock, gateway} = sandbox;
		gateway.answer = () => ({deviceId: null, scopes: ['operator.admin']});
		let [before, after]: (string | null | undefined)[] = [];
		clock.after(MINUTE, () => {
			before = sandbox.checkpoint?.ledger.alarm;
			sandbox.worker?.receive({kind: 'clear-alarm'});
			after = sandbox.checkpoint?.ledger.alarm;
		});
		await sandbox.live(undefined, 2 * MINUTE);
		expect([before, after]).toEqual([expect.stringContaining('operator.admin'), null]);
	});

	it.each(['pass', 'probe'] as const)('is told before the result of a %s that somebody waits for', async kind => {
		const sandbox = connected();
		await sandbox.live({kind, until: sandbox.clock.now() + 10 * SECOND});
		expect(sandbox.decided('approved')).toEqual(kind === 'pass' ? ['r1'] : []);
		expect(sandbox.messages.at(-1)).toMatchObject({kind: 'passed', outcome: {approved: kind === 'pass' ? 1 : 0}});
	});
});

describe('a worker that is forked for one pass', () => {
	/** Within ten seconds of the beginning. */
	const until = new SimulatedClock().now() + 10 * SECOND;
	const once = {kind: 'pass', until} as const;

	it('tells what it decided, and what it came to, and ends', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = [entryOf(), entryOf({requestId: 'r2', ...admin})];
		await sandbox.live(once);
		expect(sandbox.decided('approved')).toEqual(['r1']);
		expect(sandbox.decided('refused')).toEqual(['r2']);
		const refusals = [{reason: 'disallowed-scope', count: 1}];
		const outcome = {error: null, failure: null, approved: 1, refused: 1, retries: 0, pending: 1, refusals};
		expect(sandbox.messages.at(-1)).toEqual({kind: 'passed', ids: ['once'], outcome});
	});

	it('approves and rejects nothing where it is to probe, and says what it would refuse', async () => {
		const sandbox = new Sandbox();
		sandbox.policy = {...defaultPolicy, onRefused: 'reject'};
		sandbox.gateway.pending = [entryOf(), entryOf({requestId: 'r2', ...admin})];
		await sandbox.live({kind: 'probe', until});
		expect(sandbox.gateway.calls).toEqual(['list']);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['refused']);
		expect(sandbox.of('passed')).toMatchObject([{outcome: {error: null, approved: 0, pending: 2}}]);
	});

	it.each([
		['an approval of somebody else', {}],
		['more than was decided', {scopes: ['operator.read', 'operator.admin']}],
	])('tells what it forgets, so that no successor takes for its own %s', async (_, change) => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		// A killed supervisor's worker was approving; the request is gone, and was not granted.
		const ledger = new Ledger(defaultPolicy, 30 * SECOND);
		ledger.attempt(requestOf(), []);
		sandbox.checkpoint = {...emptyCheckpoint, ledger: ledger.state};
		await sandbox.live(once);
		expect(sandbox.checkpoint?.ledger.requests).toEqual({});
		// Later a person gives the device something at the gateway, and then a supervisor starts.
		gateway.paired = [{deviceId: 'device-1', publicKey: 'key-1', scopes: ['operator.read'], ...change}];
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decided('approved')).toEqual([]);
		expect(sandbox.checkpoint?.ledger.alarm ?? null).toBeNull();
	});

	it('tells what it forgets of a try, also where it watches and is killed before its pass is over', async () => {
		const sandbox = new Sandbox();
		const {gateway} = sandbox;
		sandbox.policy = {...defaultPolicy, onRefused: 'reject'};
		const ledger = new Ledger(sandbox.policy, 30 * SECOND);
		gateway.pending = [entryOf({requestId: 'r2', deviceId: 'device-2', ...admin})];
		ledger.plan(await gateway.list(new AbortController().signal), sandbox.clock.now());
		ledger.attempt(requestOf(), []);
		sandbox.checkpoint = {...emptyCheckpoint, ledger: ledger.state};
		// It has seen that r1 is gone, and waits for its rejection of r2.
		gateway.before = async call => {
			if (call.startsWith('reject')) sandbox.kill();
		};
		await sandbox.live();
		gateway.before = async () => {};
		// Before the next worker a person gives the device something at the gateway.
		gateway.paired = [{deviceId: 'device-1', publicKey: 'key-1', ...admin}];
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decided('approved')).toEqual([]);
		expect(sandbox.checkpoint?.ledger.alarm ?? null).toBeNull();
	});

	it('says that the time is over when it is', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.before = () => sandbox.clock.sleep(MINUTE);
		await sandbox.live(once);
		expect(sandbox.of('passed')).toMatchObject([{outcome: {error: 'out of time', failure: 'timeout'}}]);
	});
});

describe("a person's decision", () => {
	const wide = entryOf({requestId: 'r2', ...admin});

	/** A watching worker that has told what waits for a person, and what is to be done then; ends after a minute. */
	async function watching(sandbox: Sandbox, act: (held: HeldRequest, decide: (change?: object) => void) => void) {
		let isTold = false;
		const {onMessage} = sandbox;
		sandbox.onMessage = message => {
			onMessage(message);
			const [held] = message.kind === 'held' ? message.requests : [];
			if (!held || isTold) return;
			isTold = true;
			const {requestId, digest} = held;
			act(held, change =>
				sandbox.worker?.receive({kind: 'decide', id: 'd1', action: 'approve', requestId, digest, ...change}),
			);
		};
		await sandbox.live(undefined, MINUTE / 2);
		return sandbox.of('decided');
	}

	function holding(): Sandbox {
		const sandbox = new Sandbox();
		sandbox.policy = {...defaultPolicy, refusalHold: HOUR};
		sandbox.gateway.pending = [wide];
		return sandbox;
	}

	it('is about what waits for one: told whole, whenever it has changed', async () => {
		const sandbox = holding();
		await watching(sandbox, () => {});
		const {clock} = sandbox;
		expect(sandbox.of('held')).toEqual([
			{
				kind: 'held',
				requests: [
					{
						requestId: 'r2',
						deviceId: 'device-1',
						clientId: 'cli',
						clientMode: 'cli',
						role: 'operator',
						roles: ['operator'],
						scopes: admin.scopes,
						gives: admin.scopes,
						reason: 'disallowed-scope',
						since: clock.wall() - MINUTE / 2,
						rejectAt: clock.wall() - MINUTE / 2 + HOUR,
						digest: expect.any(String),
					},
				],
			},
		]);
		sandbox.gateway.pending = [];
		await sandbox.live(undefined, SECOND);
		expect(sandbox.of('held').at(-1)).toEqual({kind: 'held', requests: []});
	});

	it('is about what waits by now, which is told once a second where a sandbox changes it without end', async () => {
		const sandbox = holding();
		sandbox.config = {cadence: {...configOf(defaultPolicy).cadence, fastInterval: 20}};
		let count = 0;
		sandbox.gateway.before = call => {
			if (call === 'list') sandbox.gateway.pending = [{...wide, requestId: `x${count++}`}];
		};
		await sandbox.live(undefined, 10 * SECOND);
		expect(count).toBeGreaterThan(200);
		expect(sandbox.of('held').length).toBeLessThan(20);
		expect(sandbox.of('held').length).toBeGreaterThan(10);
	});

	it('is done at once, over the policy, and told as that of a person', async () => {
		const sandbox = holding();
		const begin = sandbox.clock.now();
		let doneAt = 0;
		sandbox.gateway.before = call => {
			if (call === 'approve r2') doneAt = sandbox.clock.now();
		};
		expect(await watching(sandbox, (_, decide) => decide())).toMatchObject([{id: 'd1', result: 'done'}]);
		expect(doneAt).toBe(begin);
		expect(sandbox.decisions).toMatchObject([
			{kind: 'refused', requestId: 'r2'},
			{kind: 'approved', by: 'person', requestId: 'r2', scopes: admin.scopes},
		]);
		expect(sandbox.of('held').at(-1)?.requests).toEqual([]);
		expect(sandbox.of('heartbeat').at(-1)?.snapshot.warnings).toEqual([]);
	});

	it.each([
		['for a request that asks for something else by now', {scopes: [...admin.scopes, 'operator.write']}],
		['for a request of another key', {publicKey: 'key-2'}],
		['for a request of another client', {clientId: 'other'}],
	])('is not done %s', async (_, change) => {
		const sandbox = holding();
		const decided = await watching(sandbox, (_held, decide) => {
			sandbox.gateway.pending = [{...wide, ...change}];
			decide();
		});
		expect(decided).toMatchObject([{result: 'failed', detail: expect.stringContaining('another one')}]);
		expect(sandbox.gateway.callsOf('approve')).toBe(0);
	});

	it('is not done where the device would get more by now', async () => {
		const sandbox = holding();
		const decided = await watching(sandbox, (_held, decide) => {
			sandbox.gateway.paired = [{deviceId: 'device-1', scopes: ['operator.approvals']}];
			decide();
		});
		expect(decided).toMatchObject([{result: 'failed'}]);
		expect(sandbox.gateway.callsOf('approve')).toBe(0);
	});

	it.each([
		['what is pending no more', {requestId: 'r7'}],
		['what is no id', {requestId: '--all'}],
		['an approval without a digest', {digest: null}],
	])('is not done about %s', async (_, change) => {
		const sandbox = holding();
		expect(await watching(sandbox, (_held, decide) => decide(change))).toMatchObject([{result: 'failed'}]);
		expect(sandbox.gateway.callsOf('approve')).toBe(0);
	});

	it('to reject needs no digest, and is done where nothing would be approved too', async () => {
		const sandbox = holding();
		sandbox.gateway.answer = () => ({deviceId: 'another', scopes: null});
		sandbox.gateway.pending = [entryOf({deviceId: 'device-3'}), wide];
		const decided = await watching(sandbox, (_held, decide) => decide({action: 'reject', digest: null}));
		expect(sandbox.checkpoint?.ledger.alarm).not.toBeNull();
		expect(decided).toMatchObject([{result: 'done', detail: 'rejected'}]);
		expect(sandbox.decisions.at(-1)).toMatchObject({kind: 'rejected', by: 'person', requestId: 'r2'});
	});

	it('to approve is refused during an alarm, with the words that clear it', async () => {
		const sandbox = holding();
		sandbox.gateway.answer = () => ({deviceId: 'another', scopes: null});
		sandbox.gateway.pending = [entryOf({deviceId: 'device-3'}), wide];
		const decided = await watching(sandbox, (_held, decide) => sandbox.clock.after(SECOND, decide));
		expect(decided).toMatchObject([{result: 'failed', detail: expect.stringMatching(/alarm.*pairkeeper reload/)}]);
	});

	it('that fails is told so, is not tried again, and is told as granted where a later listing shows it', async () => {
		const sandbox = holding();
		sandbox.gateway.before = call => {
			if (call !== 'approve r2') return;
			sandbox.clock.after(5 * SECOND, () => sandbox.gateway.grant('r2'));
			throw new ClientError('timeout', 'no answer');
		};
		expect(await watching(sandbox, (_, decide) => decide())).toMatchObject([{result: 'failed', detail: 'no answer'}]);
		expect(sandbox.gateway.callsOf('approve')).toBe(1);
		expect(sandbox.decisions).toMatchObject([
			{kind: 'refused'},
			{kind: 'failed', action: 'approve', by: 'person', error: 'no answer'},
			{kind: 'approved', by: 'person', requestId: 'r2'},
		]);
	});

	it('is the whole task of a worker that is forked for it', async () => {
		const sandbox = holding();
		const until = sandbox.clock.now() + 10 * SECOND;
		const [request] = sandbox.gateway.listing.pending;
		const digest = request ? digestOf(request, []) : null;
		await sandbox.live({kind: 'decide', until, action: 'approve', requestId: 'r2', digest});
		expect(sandbox.of('decided')).toEqual([{kind: 'decided', id: 'once', result: 'done', detail: 'approved'}]);
		expect(sandbox.gateway.calls).toEqual(['list', 'approve r2']);
	});
});

describe('where all is recorded', () => {
	/** A sandbox whose supervisor answers intents so; `null`: not at all. */
	function audited(answer: (() => string | null) | null): Sandbox {
		const sandbox = new Sandbox();
		sandbox.config = {isAudited: true};
		sandbox.policy = {...defaultPolicy, onRefused: 'reject'};
		sandbox.gateway.pending = [entryOf(), entryOf({requestId: 'r2', deviceId: 'device-2', ...admin})];
		sandbox.onMessage = message => {
			if (message.kind !== 'intent' || !answer) return;
			const error = answer();
			sandbox.worker?.receive({kind: 'recorded', intent: message.intent, error});
		};
		return sandbox;
	}

	it('each approve and reject is announced before it is made, and has one outcome', async () => {
		const sandbox = audited(() => null);
		let announced = 0;
		sandbox.gateway.before = call => {
			if (call === 'list') return;
			announced++;
			expect(sandbox.of('intent')).toHaveLength(announced);
		};
		await sandbox.live(undefined, MINUTE);
		const {action: _, ...subject} = {action: 'approve', ...subjectOf('r1')};
		expect(sandbox.of('intent')).toMatchObject([
			{intent: 1, action: 'approve', ...subject},
			{intent: 2, action: 'reject', requestId: 'r2'},
		]);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['refused', 'approved', 'rejected']);
	});

	it('nothing is done that cannot be recorded', async () => {
		const sandbox = audited(() => 'no space left on device');
		await sandbox.live(undefined, 10 * SECOND);
		expect(new Set(sandbox.gateway.calls)).toEqual(new Set(['list']));
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['refused']);
		expect(sandbox.of('log')).toContainEqual(
			expect.objectContaining({level: 'error', fields: expect.objectContaining({error: 'no space left on device'})}),
		);
	});

	it('a supervisor that does not answer is not waited for longer than a call', async () => {
		const sandbox = audited(null);
		await sandbox.live(undefined, 25 * SECOND);
		expect(sandbox.gateway.callsOf('approve')).toBe(0);
		expect(sandbox.of('intent').length).toBeGreaterThan(1);
		const outcomes = sandbox.decisions.filter(({kind}) => kind === 'failed');
		expect(outcomes.length).toBeGreaterThanOrEqual(sandbox.of('intent').length - 1);
	});

	it('a failed approve is one intent and one outcome each time', async () => {
		const sandbox = audited(() => null);
		sandbox.gateway.pending = [entryOf()];
		sandbox.gateway.before = call => {
			if (call !== 'list' && sandbox.gateway.callsOf('approve') < 3) throw new ClientError('refused', 'exit 7');
		};
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.of('intent')).toHaveLength(3);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['failed', 'failed', 'approved']);
	});
});

describe('what people did at the gateway', () => {
	const twoDevices = [
		{deviceId: 'device-1', publicKey: 'key-1', scopes: ['operator.read'], createdAtMs: 1},
		{deviceId: 'device-2', publicKey: 'key-2', scopes: ['operator.read'], createdAtMs: 2},
	];
	const reasons = (sandbox: Sandbox) =>
		sandbox.decisions.flatMap(decision => (decision.kind === 'refused' ? decision.reason : decision.kind));

	/** The first device is removed after ten seconds, and asks again ten seconds later. */
	function removing(connection: number | null, paired = twoDevices): Sandbox {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.connection = connection;
		gateway.paired = paired;
		clock.after(10 * SECOND, () => {
			gateway.paired = gateway.paired.slice(1);
		});
		clock.after(50 * SECOND, () => gateway.pending.push(entryOf()));
		return sandbox;
	}

	it.each([
		['within one connection', removing(1)],
		['within one connection, though it was the only one', removing(1, twoDevices.slice(0, 1))],
		['between two calls of the CLI that show the same state', removing(null)],
	])('a device that they have removed %s gets nothing again, over restarts, and is not touched', async (_, sandbox) => {
		await sandbox.live(undefined, 45 * SECOND);
		await sandbox.live(undefined, 10 * MINUTE);
		expect(reasons(sandbox)).toEqual(['revoked']);
		expect(sandbox.gateway.callsOf('reject')).toBe(0);
	});

	it.each([
		[
			'another connection',
			(sandbox: Sandbox) => sandbox.clock.after(5 * SECOND, () => (sandbox.gateway.connection = 2)),
			1,
		],
		['the CLI, where nothing shows that it is the same gateway', () => {}, null],
	] as const)('a device that is gone by %s was not removed by anybody', async (_, act, connection) => {
		const sandbox = removing(connection, twoDevices.slice(0, 1));
		act(sandbox);
		await sandbox.live(undefined, 10 * MINUTE);
		expect(reasons(sandbox)).toEqual(['approved']);
	});

	it('a removed device that somebody approves is as any other', async () => {
		const sandbox = removing(1);
		sandbox.clock.after(2 * MINUTE, () => sandbox.gateway.grant('r1'));
		sandbox.clock.after(4 * MINUTE, () => sandbox.gateway.pending.push(entryOf({requestId: 'r2'})));
		await sandbox.live(undefined, 10 * MINUTE);
		expect(reasons(sandbox)).toEqual(['revoked', 'approved']);
	});

	it('an approval that is not ours is a warning for an hour, over restarts', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = [entryOf(admin)];
		sandbox.clock.after(20 * SECOND, () => sandbox.gateway.grant('r1'));
		await sandbox.live(undefined, 2 * MINUTE);
		const warnings = () => sandbox.of('heartbeat').at(-1)?.snapshot.warnings;
		expect(warnings()).toEqual([expect.stringMatching(/r1.*disable it/)]);
		await sandbox.live(undefined, 50 * MINUTE);
		expect(warnings()).toHaveLength(1);
		await sandbox.live(undefined, 20 * MINUTE);
		expect(warnings()).toEqual([]);
		expect(reasons(sandbox)).toEqual(['disallowed-scope']);
	});

	it('an approval that came before ours is not ours', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = [entryOf()];
		sandbox.gateway.before = call => {
			if (call === 'approve r1') sandbox.gateway.grant('r1');
		};
		await sandbox.live(undefined, 10 * SECOND);
		expect(reasons(sandbox)).toEqual(['failed']);
		expect(sandbox.of('heartbeat').at(-1)?.snapshot.warnings).toHaveLength(1);
	});

	it('a request that expires is no approval', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.paired = [
			{deviceId: 'device-1', tokens: [{role: 'operator', scopes: ['operator.read'], revokedAtMs: 7}]},
		];
		sandbox.gateway.pending = [entryOf({scopes: []})];
		sandbox.clock.after(20 * SECOND, () => sandbox.gateway.drop('r1'));
		await sandbox.live(undefined, 2 * MINUTE);
		expect(reasons(sandbox)).toEqual(['revoked']);
		expect(sandbox.of('heartbeat').at(-1)?.snapshot.warnings).toEqual([]);
	});
});

describe('an alarm', () => {
	it('is raised by an approval whose answer never came and that gave more than was decided', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = [entryOf()];
		sandbox.gateway.before = call => {
			if (call !== 'approve r1') return;
			sandbox.gateway.grant('r1');
			sandbox.gateway.paired = [{deviceId: 'device-1', scopes: ['operator.read', 'operator.admin']}];
			throw new ClientError('timeout', 'no answer');
		};
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['failed', 'approved', 'alarm']);
		expect(sandbox.checkpoint?.ledger.alarm).toContain('operator.admin');
	});

	it.each([
		['that cannot be read', {deviceId: null, scopes: null, isUnreadable: true}, true],
		['that names nothing', {deviceId: null, scopes: null}, false],
		['that names what it asked for', {deviceId: 'device-1', scopes: ['operator.write']}, false],
		['that names what OpenClaw implies', {deviceId: 'device-1', scopes: ['operator.write', 'operator.read']}, false],
		['that names more', {deviceId: 'device-1', scopes: ['operator.write', 'operator.approvals']}, true],
	])('is raised by an answer %s: %#', async (_, answer, isAlarm) => {
		const sandbox = new Sandbox();
		sandbox.gateway.pending = [entryOf({scopes: ['operator.write']})];
		sandbox.gateway.answer = () => answer;
		await sandbox.live(undefined, MINUTE);
		expect(sandbox.decisions.some(({kind}) => kind === 'alarm')).toBe(isAlarm);
	});

	it('is raised by more than 600 approvals within an hour, which then end', async () => {
		const sandbox = new Sandbox();
		const {clock, gateway} = sandbox;
		gateway.connection = 1;
		let asked = 0;
		const ask = () => {
			gateway.pending.push(entryOf({requestId: `r${asked}`, deviceId: `d${asked++}`}));
			if (asked < 700) clock.after(4 * SECOND, ask);
		};
		ask();
		sandbox.config = {cadence: {...configOf(defaultPolicy).cadence, fastDeadline: HOUR}};
		await sandbox.live();
		expect(sandbox.decided('approved')).toHaveLength(600);
		expect(sandbox.decisions.filter(({kind}) => kind === 'alarm')).toMatchObject([
			{reason: expect.stringContaining('600 approvals')},
		]);
		clock.after(SECOND, () => sandbox.worker?.receive({kind: 'clear-alarm'}));
		await sandbox.live(undefined, 20 * MINUTE);
		expect(sandbox.decided('approved')).toHaveLength(700);
	}, 60_000);
});
