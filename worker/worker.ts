import {isDeepStrictEqual} from 'node:util';
import {type Checkpoint, changesBetween, emptyCheckpoint, isOnlySettled} from './checkpoint.ts';
import {ClientError} from './client-error.ts';
import type {Cancel, Clock} from './clock.ts';
import {shownHeld} from './held.ts';
import {Intents} from './intents.ts';
import {decisionsIn, logLinesOf, subjectOf, summaryOf} from './messages.ts';
import type {Snapshot, ToWorker, WorkerConfig} from './protocol.ts';
import {type Rate, RateLimit} from './rate-limit.ts';
import type {Deed} from './requests/carry-out.ts';
import {carryOutDecision} from './requests/decision.ts';
import {Ledger} from './requests/ledger.ts';
import {type PassOutcome, runPass} from './requests/pass.ts';
import type {Held} from './requests/plan.ts';
import {attemptIn, recordOf} from './requests/record.ts';
import {
	initialObservations,
	isSameSnapshot,
	type Observations,
	observe,
	snapshotOf,
	type WorkerEvent,
} from './snapshot.ts';
import type {Link} from './supervisor-link.ts';
import {openTransport} from './transport/open.ts';
import type {Transport, TransportDeps} from './transport/transport.ts';
import type {Turns} from './turns.ts';
import {inStep} from './watch/in-step.ts';
import {Wakes} from './watch/wakes.ts';
import {watch} from './watch/watch.ts';

/** How often it is told what waits for a person: each time all of it, and a sandbox decides how often that changes. */
const HELD_TELLS: Rate = {burst: 5, perSecond: 1};

/**
 * How long it may take until it is told what has been approved, and that a pass is over, in milliseconds: the status is written no more often. Where all
 * sandboxes ask at one moment, no approval waits for what is to be said of another one.
 */
const GATHERING = 250;

/** What a worker is told first. */
export type Start = Extract<ToWorker, {kind: 'start'}>;

/** What a worker is told while it runs. */
export type Request = Extract<ToWorker, {kind: 'kick' | 'pass' | 'clear-alarm' | 'decide' | 'recorded'}>;

/** All by which a worker touches the world. */
export interface WorkerDeps {
	readonly link: Link;
	readonly clock: Clock;
	/** Ends the worker when it aborts. */
	readonly signal: AbortSignal;
	/** Is called with each heartbeat: whether there is garbage to collect. */
	readonly tidy?: () => void;
	/** How the sandbox is reached, where it is not as its configuration says. */
	readonly openTransport?: (config: WorkerConfig, deps: TransportDeps) => Promise<Transport>;
}

/** What there is to tell. */
interface Untold {
	readonly events: readonly WorkerEvent[];
	readonly decisions: ReturnType<typeof decisionsIn>;
	readonly lines: ReturnType<typeof logLinesOf>;
}

const noUntold: Untold = {events: [], decisions: [], lines: []};

/** One sandbox's worker: runs its task, and tells the supervisor what happens. */
export class Worker {
	readonly #start: Start;
	readonly #deps: WorkerDeps;
	readonly #wakes = new Wakes();
	readonly #ledger: Ledger;
	/** When the task has to be done, monotonic milliseconds. */
	readonly #deadline: number;
	#observations: Observations;
	/** The checkpoint as the supervisor has it. */
	#told: Checkpoint;
	/** What waits for a person, as the supervisor knows it. */
	#toldHeld: readonly Held[] | null = null;
	/** What has happened since the supervisor was last told, in its words and as it happened. */
	#untold: Untold = noUntold;
	#cancelTelling: Cancel | null = null;
	readonly #heldTells: RateLimit;
	#isHeldDue = false;
	/** The task runs, so that it is to be heard of. */
	#isBeating = false;
	#cancelBeat: Cancel = () => {};
	/** As the supervisor has it. */
	#toldSnapshot: Snapshot | null = null;
	readonly #intents: Intents;
	#transport: Transport | null = null;

	constructor(start: Start, deps: WorkerDeps) {
		const {config, checkpoint, task} = start;
		this.#start = start;
		this.#deps = deps;
		this.#told = checkpoint ?? emptyCheckpoint;
		this.#ledger = new Ledger(config.policy, config.cadence.slowInterval, this.#told.ledger);
		this.#deadline = task.kind === 'watch' ? Number.POSITIVE_INFINITY : task.until;
		this.#observations = initialObservations(config, this.#told);
		this.#heldTells = new RateLimit(HELD_TELLS, deps.clock);
		this.#intents = new Intents({
			send: message => deps.link.send(message),
			clock: deps.clock,
			timeout: () => this.#timeout(),
		});
	}

	/** Does what the worker was forked for; resolves when that is done or the signal aborts. */
	async run(): Promise<void> {
		const {task} = this.#start;
		this.#isBeating = true;
		this.#beat();
		try {
			this.#transport = await this.#openTransport();
			this.#onTransport();
			if (task.kind === 'watch') await this.#watch(this.#transport);
			else await this.#once(this.#transport, task);
		} finally {
			this.#tellUntold();
			this.#isBeating = false;
			this.#cancelBeat();
		}
	}

	/** Beats again an interval from now, unless it beats before for another reason: what costs an idle process is to be woken at all. */
	#beatLater(): void {
		this.#cancelBeat();
		const {clock} = this.#deps;
		const wait = inStep(this.#start.config.heartbeatInterval, clock.now());
		this.#cancelBeat = clock.after(wait, () => this.#beat());
	}

	/** The supervisor asks for something. */
	receive(request: Request): void {
		switch (request.kind) {
			case 'kick':
				this.#wakes.kick();
				return;
			case 'pass':
				this.#wakes.requestPass(request.id);
				return;
			case 'clear-alarm':
				// Somebody has looked at what raised it, and reloaded.
				this.#ledger.clearAlarm();
				this.#tell([]);
				this.#wakes.wake();
				return;
			case 'decide':
				this.#wakes.decide(request);
				return;
			case 'recorded':
				this.#intents.recorded(request);
				return;
			default:
				request satisfies never;
		}
	}

	#openTransport(): Promise<Transport> {
		const {config, owner, avoidGatewayUntil} = this.#start;
		const {link, clock, signal} = this.#deps;
		const turns: Turns = {
			take: async (kind, aborted) => {
				const turn = await link.take(kind === 'list' && this.#isUrgent ? 'urgent-list' : kind, aborted);
				this.#tell([{kind: 'turn'}]);
				return turn;
			},
		};
		const left = () => this.#deadline - clock.now();
		const timeout = () => this.#timeout();
		const open = this.#deps.openTransport ?? openTransport;
		return open(config, {
			cli: {target: config.target, timeout, owner, turns, passEnv: config.passEnv},
			turns: link,
			left,
			clock,
			avoidedUntil: avoidGatewayUntil,
			wake: () => this.#wakes.wake(),
			onChange: () => this.#onTransport(),
			signal,
		});
	}

	#watch(transport: Transport): Promise<void> {
		const {config} = this.#start;
		const {clock, signal} = this.#deps;
		return watch({
			cadence: config.cadence,
			maxApprovals: config.maxApprovals,
			transport,
			ledger: this.#ledger,
			clock,
			wakes: this.#wakes,
			intend: this.#intend,
			report: events => this.#tell(events),
			signal,
			resumed: this.#observations.cadence,
		});
	}

	/** One pass, one list, or one decision of a person, within the time that there is for it. */
	async #once(transport: Transport, task: Exclude<Start['task'], {kind: 'watch'}>): Promise<void> {
		const {config} = this.#start;
		const {clock, link} = this.#deps;
		const ending = new AbortController();
		const outOfTime = new ClientError('timeout', 'out of time');
		const cancel = clock.after(Math.max(Math.ceil(this.#deadline - clock.now()), 1), () => ending.abort(outOfTime));
		const deps = {
			client: transport.client,
			ledger: this.#ledger,
			clock,
			via: () => transport.kind,
			intend: this.#intend,
			report: (events: readonly WorkerEvent[]) => this.#tell(events),
			signal: AbortSignal.any([this.#deps.signal, ending.signal]),
		};
		const why = (error: unknown) =>
			error === outOfTime ? outOfTime : new ClientError('timeout', 'stopped', {cause: error});
		if (task.kind === 'decide') {
			const {action, requestId, digest} = task;
			const decided = await carryOutDecision({action, requestId, digest}, deps).catch((error: unknown) => ({
				result: 'failed' as const,
				detail: why(error).message,
			}));
			this.#tell([{kind: 'decided', id: 'once', ...decided}]);
		} else {
			const maxApprovals = task.kind === 'probe' ? 0 : config.maxApprovals;
			const outcome = await runPass({...deps, maxApprovals}).catch((error: unknown) => ({
				error: why(error),
				approved: 0,
				refused: 0,
				retries: 0,
			}));
			this.#beat();
			link.send({kind: 'passed', ids: ['once'], outcome: this.#summaryOf(outcome)});
		}
		cancel();
	}

	/** Whether a list is worth more than those of sandboxes where nobody asks: in fast mode, while it buys fast polls, with work pending, and in a pass of its own. */
	get #isUrgent(): boolean {
		const {cadence, pending} = this.#observations;
		return this.#start.task.kind !== 'watch' || pending > 0 || cadence?.mode !== 'slow' || cadence.reentryPolls > 0;
	}

	/** How long anything may take that begins now, in milliseconds. */
	#timeout(): number {
		const {config} = this.#start;
		return Math.max(Math.min(config.runTimeout, this.#deadline - this.#deps.clock.now()), 1);
	}

	/** Nothing is done that cannot be written down before, where the configuration says so; what was done before it stands there before it. */
	readonly #intend = async (deed: Deed, signal: AbortSignal): Promise<void> => {
		if (!this.#start.config.isAudited) return;
		this.#tellUntold();
		await this.#intents.announce(subjectOf(deed), signal);
	};

	/** What waits for a person, where that has changed. */
	#tellHeld(): void {
		const {held} = this.#observations;
		const told = this.#toldHeld;
		if (held === null || held === told) return;
		// Most often nothing does, which needs no comparison.
		if (held.length === told?.length && (held.length === 0 || isDeepStrictEqual(held, told))) return;
		const {clock, link} = this.#deps;
		if (!this.#heldTells.take()) {
			this.#tellHeldLater();
			return;
		}
		this.#toldHeld = held;
		const {requests, omitted} = shownHeld(held, {now: clock.now(), wall: clock.wall()});
		link.send({kind: 'held', requests: [...requests], ...(omitted > 0 ? {omitted} : {})});
	}

	/** What has changed by then is told once. */
	#tellHeldLater(): void {
		if (this.#isHeldDue) return;
		this.#isHeldDue = true;
		this.#deps.clock.after(Math.ceil(this.#heldTells.wait), () => {
			this.#isHeldDue = false;
			this.#tellHeld();
		});
	}

	/** The transport may have changed, or the reason why it is not the gateway. */
	#onTransport(): void {
		if (!this.#transport) return;
		const {kind: transport, route, reason: transportReason} = this.#transport;
		const before = this.#observations;
		if (transport === before.transport && transportReason === before.transportReason) return;
		this.#tell([{kind: 'transport', transport, route, transportReason}]);
		this.#beat();
	}

	/** The one place where the worker's state changes. */
	#tell(events: readonly WorkerEvent[]): void {
		const {config} = this.#start;
		const wall = this.#deps.clock.wall();
		const before = this.#observations;
		this.#observations = events.reduce((observations, event) => observe(observations, event, wall), before);
		const untold = this.#untold;
		this.#untold = {
			events: [...untold.events, ...events],
			decisions: [...untold.decisions, ...events.flatMap(event => decisionsIn(event, config.policy, wall))],
			lines: [...untold.lines, ...events.flatMap(event => logLinesOf(event, before, config))],
		};
		if (this.#canWait(events)) this.#cancelTelling ??= this.#deps.clock.after(GATHERING, () => this.#tellNow());
		else this.#tellNow();
	}

	/**
	 * Whether nobody waits to be told, and a successor that was not told finds it out by itself: that an approval whose try it knows of has succeeded, a list
	 * says, unless the device had all that before.
	 */
	#canWait(events: readonly WorkerEvent[]): boolean {
		if (this.#start.task.kind !== 'watch' || this.#transport?.isEventDriven !== true || events.length === 0)
			return false;
		const {requests} = this.#ledger.state;
		return events.every(event => {
			if (event.kind === 'approved') return attemptIn(recordOf(requests, event.request.requestId))?.had === false;
			if (event.kind !== 'polled') return false;
			const {error, approved} = event.outcome;
			return error === null && approved > 0 && event.passes.length === 0;
		});
	}

	#tellUntold(): void {
		if (this.#untold.events.length > 0) this.#tellNow();
	}

	/** All that has happened and was not told yet: what was decided, and what a successor has to know, in one message. */
	#tellNow(): void {
		this.#cancelTelling?.();
		this.#cancelTelling = null;
		const {events, decisions, lines} = this.#untold;
		this.#untold = noUntold;
		const {link} = this.#deps;
		this.#tellCheckpoint(decisions, {isPassOver: events.some(({kind}) => kind === 'polled')});
		for (const line of lines) link.send(line);
		this.#tellHeld();
		for (const event of events) {
			if (event.kind === 'decided') link.send(event);
			if (event.kind === 'polled') this.#tellPolled(event);
		}
	}

	/** That a settled approval is forgotten is told with what happens next, in this pass or with its end: a successor would forget it by itself. */
	#tellCheckpoint(decisions: ReturnType<typeof decisionsIn>, {isPassOver}: {readonly isPassOver: boolean}): void {
		const {cadence, failures, lastError} = this.#observations;
		const checkpoint = {cadence, failures, lastError, ledger: this.#ledger.state};
		const changes = changesBetween(this.#told, checkpoint) ?? {};
		if (!isPassOver && decisions.length === 0 && isOnlySettled(changes, this.#told)) return;
		this.#told = checkpoint;
		if (Object.keys(changes).length === 0 && decisions.length === 0) return;
		this.#deps.link.send({kind: 'checkpoint', changes, decisions});
	}

	#tellPolled({passes, outcome}: Extract<WorkerEvent, {kind: 'polled'}>): void {
		this.#beat();
		if (passes.length === 0) return;
		this.#deps.link.send({kind: 'passed', ids: [...passes], outcome: this.#summaryOf(outcome)});
	}

	/** Tells that it lives, and what has changed; looks after the transport first, which may change it. */
	#beat(): void {
		const {link} = this.#deps;
		if (this.#isBeating) this.#beatLater();
		this.#deps.tidy?.();
		this.#transport?.look?.();
		const snapshot = snapshotOf(this.#observations, {
			cadence: this.#start.config.cadence,
			alarm: this.#ledger.alarm,
			troubles: this.#ledger.troubles,
			foreignApproval: this.#ledger.foreignApproval(this.#deps.clock.now()),
			transportWarnings: this.#transport?.warnings ?? [],
			// By the gateway nothing waits, however long the last call of the CLI did.
			turnWait: this.#transport?.isEventDriven ? 0 : link.turnWait,
		});
		const {progress} = this.#observations;
		if (this.#toldSnapshot !== null && isSameSnapshot(snapshot, this.#toldSnapshot)) {
			link.send({kind: 'alive', progress});
			return;
		}
		this.#toldSnapshot = snapshot;
		link.send({kind: 'heartbeat', progress, snapshot});
	}

	#summaryOf(outcome: Pick<PassOutcome, 'approved' | 'refused' | 'retries' | 'error'>): ReturnType<typeof summaryOf> {
		const {alarm, state} = this.#ledger;
		return summaryOf(outcome, {pending: this.#observations.pending, alarm, requests: state.requests});
	}
}
