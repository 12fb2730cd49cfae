import {interval} from './cadence.ts';
import {type Checkpoint, changesBetween, emptyCheckpoint} from './checkpoint.ts';
import {ClientError, type OpenClawClient} from './client.ts';
import type {Clock} from './clock.ts';
import {Ledger} from './ledger.ts';
import {type PassOutcome, runPass} from './pass.ts';
import {
	ADMIN_SCOPE,
	adminRemedy,
	type MalformedRequest,
	matchingEntry,
	type PairingRequest,
	type RefusalReason,
} from './policy.ts';
import {type Decision, initialTransport, type PassSummary, type Snapshot, type ToWorker} from './protocol.ts';
import {keyOf} from './requests/record.ts';
import type {SupervisorLink} from './supervisor-link.ts';
import {printable, printableList} from './text.ts';
import {openTransport, type Transport} from './transport.ts';
import type {TurnKind} from './turns.ts';
import {Wakes} from './wakes.ts';
import {type WatchEvent, watch} from './watch.ts';

type Start = Extract<ToWorker, {kind: 'start'}>;

/** A poll that had to wait this much longer than its interval for a turn counts as stretched, in milliseconds. */
const STRETCH_TOLERANCE = 1000;

/** One sandbox's worker: runs its task, and turns what happens into messages. */
export class Worker {
	readonly wakes = new Wakes();
	readonly #start: Start;
	readonly #link: SupervisorLink;
	readonly #clock: Clock;
	readonly #signal: AbortSignal;
	readonly #ledger: Ledger;
	readonly #deadline: number;
	#cadence: Checkpoint['cadence'];
	#failures: number;
	#lastError: string | null;
	#sent: Checkpoint;
	#transport: Transport | null = null;
	#progress = 0;
	#snapshot: Snapshot;
	#interval: number;
	#ignored = 0;

	constructor(start: Start, {link, clock, signal}: {link: SupervisorLink; clock: Clock; signal: AbortSignal}) {
		const {config, checkpoint, task} = start;
		this.#start = start;
		this.#link = link;
		this.#clock = clock;
		this.#signal = signal;
		this.#ledger = new Ledger(config.policy, config.cadence.slowInterval, checkpoint?.ledger ?? null);
		this.#sent = checkpoint ?? emptyCheckpoint;
		this.#cadence = this.#sent.cadence;
		this.#failures = this.#sent.failures;
		this.#lastError = this.#sent.lastError;
		this.#deadline = task.kind === 'watch' ? Number.POSITIVE_INFINITY : clock.now() + task.budget;
		this.#interval = this.#cadence ? interval(this.#cadence, config.cadence) : config.cadence.fastInterval;
		this.#snapshot = {
			mode: this.#cadence?.mode ?? 'fast',
			interval: this.#interval / 1000,
			...initialTransport(config),
			lastListAt: null,
			nextPollAt: null,
			warnings: [],
			pending: 0,
		};
	}

	/** Does what the worker was forked for; resolves when that is done or the signal aborts. */
	async run(): Promise<void> {
		const {config, task} = this.#start;
		const heartbeat = setInterval(() => this.#beat(), config.heartbeatInterval);
		this.#beat();
		try {
			await this.#clock.sleep(task.kind === 'watch' ? task.initialDelay : 0, this.#signal);
			this.#transport = await this.#openTransport();
			this.#onTransport();
			if (task.kind === 'watch') await this.#watch(this.#transport);
			else await this.#once(this.#transport.client, task.kind);
		} finally {
			clearInterval(heartbeat);
		}
	}

	/** Approvals may go on: somebody has looked at what raised the alarm and reloaded. */
	clearAlarm(): void {
		this.#ledger.clearAlarm();
		this.#tell();
		this.wakes.wake();
	}

	#openTransport(): Promise<Transport> {
		const {config, owner} = this.#start;
		const turns = {
			take: async (kind: TurnKind, signal: AbortSignal) => {
				const turn = await this.#link.take(kind, signal);
				this.#progress++;
				return turn;
			},
		};
		const timeout = () => Math.max(Math.min(config.runTimeout, this.#deadline - this.#clock.now()), 1);
		return openTransport(config, {
			cli: {target: config.target, timeout, owner, turns},
			turns: this.#link,
			left: () => this.#deadline - this.#clock.now(),
			clock: this.#clock,
			avoidedUntil: this.#start.avoidGatewayUntil,
			wake: () => this.wakes.wake(),
			onChange: () => this.#onTransport(),
			signal: this.#signal,
		});
	}

	#watch(transport: Transport): Promise<void> {
		const {config} = this.#start;
		return watch({
			cadence: config.cadence,
			maxApprovals: config.maxApprovals,
			client: transport.client,
			ledger: this.#ledger,
			clock: this.#clock,
			wakes: this.wakes,
			report: event => this.#on(event),
			signal: this.#signal,
			isEventDriven: () => transport.isEventDriven,
			resumed: this.#cadence,
		});
	}

	/** The transport has changed, or the reason why it is not the gateway: said once per change. */
	#onTransport(): void {
		if (!this.#transport) return;
		const {kind, reason} = this.#transport;
		const before = this.#snapshot;
		if (kind === before.transport && reason === before.transportReason) return;
		this.#snapshot = {...before, transport: kind, transportReason: reason};
		const isWanted = reason === null || this.#start.config.transport === 'cli';
		this.#log(isWanted ? 'info' : 'warn', `transport: ${kind}`, reason === null ? {} : {reason});
		this.#beat();
	}

	async #once(client: OpenClawClient, kind: 'pass' | 'probe'): Promise<void> {
		const {config} = this.#start;
		const signal = AbortSignal.any([
			this.#signal,
			AbortSignal.timeout(Math.max(Math.ceil(this.#deadline - this.#clock.now()), 1)),
		]);
		const outcome = await runPass({
			client,
			ledger: this.#ledger,
			clock: this.#clock,
			maxApprovals: kind === 'probe' ? 0 : config.maxApprovals,
			report: event => this.#on(event),
			signal,
		}).catch((error: unknown) => failedOutcome(error));
		this.#beat();
		this.#link.send({kind: 'passed', ids: ['once'], outcome: this.#summary(outcome)});
	}

	#on(event: WatchEvent): void {
		this.#progress++;
		switch (event.kind) {
			case 'polling':
				this.#transport?.begin();
				this.#settle(event, 0);
				break;
			case 'listed':
				this.#snapshot = {...this.#snapshot, pending: event.pending, lastListAt: this.#clock.wall()};
				this.#ignored = event.ignored;
				break;
			case 'attempt':
				this.#tell();
				break;
			case 'approved':
				this.#snapshot = {...this.#snapshot, pending: Math.max(this.#snapshot.pending - 1, 0)};
				this.#onApproved(event.request);
				break;
			case 'refused':
				this.#onRefused(event.request, event.reason);
				break;
			case 'rejected':
				this.#snapshot = {...this.#snapshot, pending: Math.max(this.#snapshot.pending - 1, 0)};
				this.#tell({kind: 'rejected', requestId: event.requestId, at: this.#clock.wall()});
				break;
			case 'superseded':
				this.#log('info', 'request is gone: replaced, expired or settled by somebody else', {
					requestId: event.requestId,
				});
				break;
			case 'retry':
				this.#log('warn', 'request is not settled and will be tried again', {
					requestId: event.requestId,
					error: event.error.message,
				});
				break;
			case 'alarm':
				this.#tell({kind: 'alarm', reason: event.reason, at: this.#clock.wall()});
				break;
			case 'polled':
				this.#onPolled(event);
				break;
		}
	}

	/** Takes over where the polling stands; the next poll is `wait` milliseconds away. */
	#settle(
		{cadence, interval: ms}: {cadence: NonNullable<Checkpoint['cadence']>; interval: number},
		wait: number,
	): void {
		const {mode} = cadence;
		if (mode !== this.#snapshot.mode) this.#log('info', `${mode} mode`, {interval: ms / 1000});
		this.#interval = ms;
		this.#cadence = cadence;
		this.#snapshot = {...this.#snapshot, mode, nextPollAt: this.#clock.wall() + wait};
	}

	#onPolled(event: Extract<WatchEvent, {kind: 'polled'}>): void {
		const {outcome, passes} = event;
		this.#transport?.reward(outcome.approved);
		this.#logFailure(outcome);
		this.#settle(event, event.wait);
		this.#failures = outcome.error ? this.#failures + 1 : 0;
		this.#lastError = outcome.error?.message ?? null;
		this.#tell();
		this.#beat();
		if (passes.length > 0) this.#link.send({kind: 'passed', ids: [...passes], outcome: this.#summary(outcome)});
	}

	/** Once per change, not once per poll. */
	#logFailure({error}: PassOutcome): void {
		const failures = this.#failures;
		if (error && error.message !== this.#lastError)
			this.#log('warn', 'the sandbox cannot be polled', {error: error.message});
		if (!error && failures > 0) this.#log('info', 'the sandbox answers again', {failures});
	}

	#onApproved({requestId, deviceId, clientId, scopes, ts}: PairingRequest): void {
		const at = this.#clock.wall();
		const latencyMs = ts === null ? null : Math.max(Math.round(at - ts), 0);
		const ids = {requestId, deviceId: shownOrNull(deviceId), clientId: shownOrNull(clientId)};
		this.#tell({kind: 'approved', ...ids, scopes: printableList(scopes), latencyMs, at});
	}

	#onRefused(request: PairingRequest | MalformedRequest, reason: RefusalReason): void {
		this.#tell({
			kind: 'refused',
			requestId: printable(keyOf(request), 128),
			deviceId: shownOrNull(request.deviceId),
			clientId: shownOrNull(request.clientId),
			clientMode: shownOrNull(request.clientMode),
			scopes: printableList(request.scopes),
			reason,
			remedy: this.#remedy(request, reason),
			at: this.#clock.wall(),
		});
	}

	/** The one refusal that a host meets on its first day. */
	#remedy(request: PairingRequest | MalformedRequest, reason: RefusalReason): string | null {
		const entry = matchingEntry(request, this.#start.config.policy);
		if (reason !== 'disallowed-scope' || entry?.id === undefined || !request.scopes?.includes(ADMIN_SCOPE)) return null;
		return adminRemedy(entry.id, request.scopes);
	}

	#log(level: 'error' | 'warn' | 'info' | 'debug', message: string, fields: Record<string, unknown> = {}): void {
		this.#link.send({kind: 'log', level, message, fields});
	}

	#tell(...decisions: Decision[]): void {
		const now = {
			cadence: this.#cadence,
			failures: this.#failures,
			lastError: this.#lastError,
			ledger: this.#ledger.state,
		};
		const changes = changesBetween(this.#sent, now);
		this.#sent = now;
		if (changes || decisions.length > 0) this.#link.send({kind: 'checkpoint', changes: changes ?? {}, decisions});
	}

	#beat(): void {
		this.#snapshot = {...this.#snapshot, ...this.#stretch()};
		this.#link.send({kind: 'heartbeat', progress: this.#progress, snapshot: this.#snapshot});
	}

	/** The interval as it is, with the wait for a turn where that is worth a word. */
	#stretch(): Pick<Snapshot, 'interval' | 'warnings'> {
		// By the gateway nothing waits, however long the last call of the CLI did.
		const wait = this.#transport?.isEventDriven ? 0 : this.#link.turnWait;
		const isStretched = wait > Math.max(this.#interval, STRETCH_TOLERANCE);
		const seconds = Math.round((this.#interval + (isStretched ? wait : 0)) / 100) / 10;
		return {
			interval: isStretched ? seconds : this.#interval / 1000,
			warnings: [
				...(this.#ledger.alarm === null ? [] : [`alarm: ${this.#ledger.alarm}; nothing is approved until a reload`]),
				...(isStretched
					? [
							`polled every ${seconds} s instead of ${this.#interval / 1000} s: the host's calls are all taken (maxConcurrentCalls)`,
						]
					: []),
				...this.#ledger.troubles,
				...(this.#transport?.warnings ?? []),
				...(this.#ignored > 0 ? [`${this.#ignored} pending requests are more than are looked at`] : []),
			],
		};
	}

	#summary(outcome: PassOutcome): PassSummary {
		const {approved, refused, retries, error} = outcome;
		return {
			approved,
			refused,
			retries,
			pending: this.#snapshot.pending,
			error: error?.message ?? this.#ledger.alarm,
			failure: error?.failure ?? null,
		};
	}
}

function failedOutcome(error: unknown): PassOutcome {
	const message = error instanceof DOMException && error.name === 'TimeoutError' ? 'out of time' : 'stopped';
	return {
		error: new ClientError('timeout', message, {cause: error}),
		approved: 0,
		refused: 0,
		retries: 0,
		allowed: [],
		undecided: 0,
		hasMore: false,
		paired: false,
	};
}

function shownOrNull(text: string | null): string | null {
	return text === null ? null : printable(text, 64);
}
