import {type Checkpoint, changesBetween, emptyCheckpoint} from './checkpoint.ts';
import {ClientError} from './client-error.ts';
import {type Clock, every} from './clock.ts';
import {decisionsIn, logLinesOf, summaryOf} from './messages.ts';
import type {ToWorker, WorkerConfig} from './protocol.ts';
import {Ledger} from './requests/ledger.ts';
import {type PassOutcome, runPass} from './requests/pass.ts';
import {initialObservations, type Observations, observe, snapshotOf, type WorkerEvent} from './snapshot.ts';
import type {Link} from './supervisor-link.ts';
import type {OpenClawClient} from './transport/client.ts';
import {openTransport} from './transport/open.ts';
import type {Transport, TransportDeps} from './transport/transport.ts';
import type {Turns} from './turns.ts';
import {Wakes} from './watch/wakes.ts';
import {watch} from './watch/watch.ts';

/** What a worker is told first. */
export type Start = Extract<ToWorker, {kind: 'start'}>;

/** What a worker is told while it runs. */
export type Request = Extract<ToWorker, {kind: 'kick' | 'pass' | 'clear-alarm'}>;

/** All by which a worker touches the world. */
export interface WorkerDeps {
	readonly link: Link;
	readonly clock: Clock;
	/** Ends the worker when it aborts. */
	readonly signal: AbortSignal;
	/** How the sandbox is reached, where it is not as its configuration says. */
	readonly openTransport?: (config: WorkerConfig, deps: TransportDeps) => Promise<Transport>;
}

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
	#transport: Transport | null = null;

	constructor(start: Start, deps: WorkerDeps) {
		const {config, checkpoint, task} = start;
		this.#start = start;
		this.#deps = deps;
		this.#told = checkpoint ?? emptyCheckpoint;
		this.#ledger = new Ledger(config.policy, config.cadence.slowInterval, this.#told.ledger);
		this.#deadline = task.kind === 'watch' ? Number.POSITIVE_INFINITY : task.until;
		this.#observations = initialObservations(config, this.#told);
	}

	/** Does what the worker was forked for; resolves when that is done or the signal aborts. */
	async run(): Promise<void> {
		const {config, task} = this.#start;
		const {clock, signal} = this.#deps;
		const stopBeating = every(clock, config.heartbeatInterval, () => this.#beat());
		this.#beat();
		try {
			await clock.sleep(task.kind === 'watch' ? task.initialDelay : 0, signal);
			this.#transport = await this.#openTransport();
			this.#onTransport();
			if (task.kind === 'watch') await this.#watch(this.#transport);
			else await this.#once(this.#transport.client, task.kind);
		} finally {
			stopBeating();
		}
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
		}
	}

	#openTransport(): Promise<Transport> {
		const {config, owner, avoidGatewayUntil} = this.#start;
		const {link, clock, signal} = this.#deps;
		const turns: Turns = {
			take: async (kind, aborted) => {
				const turn = await link.take(kind, aborted);
				this.#tell([{kind: 'turn'}]);
				return turn;
			},
		};
		const left = () => this.#deadline - clock.now();
		const timeout = () => Math.max(Math.min(config.runTimeout, left()), 1);
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
			report: events => this.#tell(events),
			signal,
			resumed: this.#observations.cadence,
		});
	}

	/** One pass, or one list, within the time that there is for it. */
	async #once(client: OpenClawClient, kind: 'pass' | 'probe'): Promise<void> {
		const {config} = this.#start;
		const {clock, link} = this.#deps;
		const ending = new AbortController();
		const outOfTime = new ClientError('timeout', 'out of time');
		const cancel = clock.after(Math.max(Math.ceil(this.#deadline - clock.now()), 1), () => ending.abort(outOfTime));
		const outcome = await runPass({
			client,
			ledger: this.#ledger,
			clock,
			maxApprovals: kind === 'probe' ? 0 : config.maxApprovals,
			report: events => this.#tell(events),
			signal: AbortSignal.any([this.#deps.signal, ending.signal]),
		}).catch((error: unknown) => {
			const reason = error === outOfTime ? outOfTime : new ClientError('timeout', 'stopped', {cause: error});
			return {error: reason, approved: 0, refused: 0, retries: 0};
		});
		cancel();
		this.#beat();
		link.send({kind: 'passed', ids: ['once'], outcome: this.#summaryOf(outcome)});
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

	/** The one place where the worker's state changes. What happened at once is told at once: what was decided, and what a successor has to know. */
	#tell(events: readonly WorkerEvent[]): void {
		const {config} = this.#start;
		const {clock, link} = this.#deps;
		const wall = clock.wall();
		const before = this.#observations;
		this.#observations = events.reduce((observations, event) => observe(observations, event, wall), before);
		this.#tellCheckpoint(events.flatMap(event => decisionsIn(event, config.policy, wall)));
		for (const line of events.flatMap(event => logLinesOf(event, before, config))) link.send(line);
		for (const event of events) if (event.kind === 'polled') this.#tellPolled(event);
	}

	#tellCheckpoint(decisions: ReturnType<typeof decisionsIn>): void {
		const {cadence, failures, lastError} = this.#observations;
		const checkpoint = {cadence, failures, lastError, ledger: this.#ledger.state};
		const changes = changesBetween(this.#told, checkpoint) ?? {};
		this.#told = checkpoint;
		if (Object.keys(changes).length === 0 && decisions.length === 0) return;
		this.#deps.link.send({kind: 'checkpoint', changes, decisions});
	}

	#tellPolled({passes, outcome}: Extract<WorkerEvent, {kind: 'polled'}>): void {
		this.#beat();
		if (passes.length === 0) return;
		this.#deps.link.send({kind: 'passed', ids: [...passes], outcome: this.#summaryOf(outcome)});
	}

	#beat(): void {
		const {link} = this.#deps;
		const snapshot = snapshotOf(this.#observations, {
			cadence: this.#start.config.cadence,
			alarm: this.#ledger.alarm,
			troubles: this.#ledger.troubles,
			transportWarnings: this.#transport?.warnings ?? [],
			// By the gateway nothing waits, however long the last call of the CLI did.
			turnWait: this.#transport?.isEventDriven ? 0 : link.turnWait,
		});
		link.send({kind: 'heartbeat', progress: this.#observations.progress, snapshot});
	}

	#summaryOf(outcome: Pick<PassOutcome, 'approved' | 'refused' | 'retries' | 'error'>): ReturnType<typeof summaryOf> {
		return summaryOf(outcome, {pending: this.#observations.pending, alarm: this.#ledger.alarm});
	}
}
