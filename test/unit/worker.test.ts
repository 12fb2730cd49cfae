import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {applyChanges, type Checkpoint, emptyCheckpoint} from '../../worker/checkpoint.ts';
import {ClientError} from '../../worker/client-error.ts';
import {
	type Decision,
	type ToSupervisor,
	type ToWorker,
	toSupervisorSchema,
	toWorkerSchema,
	type WorkerConfig,
} from '../../worker/protocol.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import {SupervisorLink} from '../../worker/supervisor-link.ts';
import type {OpenClawClient} from '../../worker/transport/client.ts';
import {polledTransport, type Transport} from '../../worker/transport/transport.ts';
import {type Start, Worker, type WorkerDeps} from '../../worker/worker.ts';
import {defaultPolicy, entryOf, HOUR, MemoryGateway, MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

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
	#life = new AbortController();

	/** A worker's whole life; it ends by itself, by {@link kill}, or after `ms`. */
	async live(task: Start['task'] = {kind: 'watch', initialDelay: 0}, ms = HOUR): Promise<void> {
		const life = new AbortController();
		this.#life = life;
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
		const {clock, openTransport} = this;
		const link = new SupervisorLink(message => {
			if (life.signal.aborted) return;
			if (message.kind === 'turn') queueMicrotask(() => link.granted(message.turn));
			this.#take(toSupervisorSchema.parse(overTheWire(message)));
		}, clock);
		const cancel = clock.after(ms, () => life.abort(new Error('the deadline')));
		const worker = new Worker(start, {link, clock, signal: life.signal, ...(openTransport && {openTransport})});
		this.worker = worker;
		await worker.run();
		cancel();
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
				scopes: admin.scopes,
				reason: 'disallowed-scope',
				remedy: null,
				at,
			},
			{
				kind: 'approved',
				requestId: 'r1',
				deviceId: 'device-1',
				clientId: 'cli',
				scopes: ['operator.read'],
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
		const sizes = sandbox.messages.slice(seen).map(message => JSON.stringify(message).length);
		expect(sandbox.decided('approved')).toEqual(['r1']);
		expect(Math.max(...sizes)).toBeLessThan(1000);
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
		expect(sandbox.decisions.map(({kind}) => kind)).toEqual(['refused', 'refused', 'approved', 'alarm']);
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
		const beats = sandbox.of('heartbeat');
		expect(sandbox.messages[0]?.kind).toBe('heartbeat');
		expect(beats.length).toBeGreaterThanOrEqual(12);
		expect(new Set(beats.slice(1).map(({progress}) => progress))).toEqual(new Set([1]));
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
		sandbox.config = {gateway: {url: '', tokenFile: '', tokenCommand: [], fingerprint: null, allowInsecure: false}};
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
	async function survive(asks: readonly Ask[], deaths: readonly Death[], onRefused: Policy['onRefused']) {
		const sandbox = new Sandbox();
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

	it.each(['answered', 'refused', 'granted in silence', 'lost'] satisfies First[])(
		'loses and doubles nothing, whichever message or call is the last of a worker whose first approval is %s',
		async first => {
			const asks: Ask[] = [
				{isAllowed: true, first, at: 0},
				{isAllowed: false, first, at: 0},
				{isAllowed: true, first: 'answered', at: 2},
			];
			const undisturbed = await survive(asks, [], 'hold');
			expectSound(undisturbed, asks);
			const count = undisturbed.sandbox.messages.length + undisturbed.sandbox.gateway.calls.length;
			expect(count).toBeGreaterThan(10);
			for (let after = 0; after < count; after++) {
				for (const isGranted of [false, true]) {
					expectSound(await survive(asks, [{after, isGranted}], 'hold'), asks);
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
				async (asks, deaths, onRefused) => expectSound(await survive(asks, deaths, onRefused), asks),
			),
			{numRuns: 200},
		);
	}, 60_000);
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
		const outcome = {error: null, failure: null, approved: 1, refused: 1, retries: 0, pending: 1};
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

	it('says that the time is over when it is', async () => {
		const sandbox = new Sandbox();
		sandbox.gateway.before = () => sandbox.clock.sleep(MINUTE);
		await sandbox.live(once);
		expect(sandbox.of('passed')).toMatchObject([{outcome: {error: 'out of time', failure: 'timeout'}}]);
	});
});
