import {randomUUID} from 'node:crypto';
import type {Cancel, Clock} from '../../worker/clock.ts';
import type {
	DecisionResult,
	PassSummary,
	PersonalDecision,
	Snapshot,
	ToSupervisor,
	ToWorker,
} from '../../worker/protocol.ts';
import {messageOf} from '../../worker/text.ts';
import type {CallTurns} from '../calls/turns.ts';
import type {RememberedAlarm} from '../instance/alarm-file.ts';
import type {ProcessIdentity} from '../instance/state-file.ts';
import type {Log} from '../log/log.ts';
import {limitedLog} from '../log/log.ts';
import type {SandboxStatus} from '../status/schema.ts';
import {DecisionLog} from './decision-log.ts';
import {type Effect, type HeldKnown, type SandboxEvent, type SandboxState, workerIn} from './life.ts';
import {initialState, transition} from './machine.ts';
import {MessageBudget, messageRate} from './message-budget.ts';
import {statusOf} from './projection.ts';
import type {SandboxRecord} from './record.ts';
import {configurationOf, needsNewWorker, type SandboxSpec, STOPPED} from './spec.ts';
import {failedPass, Waiters} from './waiters.ts';
import {nobody, reasonOf, type Witness} from './witness.ts';
import type {ForkWorker, WorkerHandle} from './worker-process.ts';

export interface SandboxDeps {
	/** Marks this supervisor's processes. */
	readonly run: string;
	readonly fork: ForkWorker;
	readonly turns: CallTurns;
	readonly log: Log;
	readonly clock: Clock;
	/** From 0 to 1, as `Math.random`. */
	readonly random: () => number;
	/** Something in the status has changed. */
	readonly onChange: () => void;
	/** Keeps the records; nobody does where it is not given. */
	readonly witness?: Witness;
}

/** Why nothing is done in a sandbox that is not to be watched. */
function idleReason({discovered}: SandboxSpec): string {
	return discovered?.isStopped ? STOPPED : 'the sandbox is disabled in the configuration';
}

/** A decision that was not carried out, as far as is known. */
function undecided(detail: string): DecisionResult {
	return {result: 'failed', detail};
}

/** One sandbox under supervision. What happens to it is decided by `transition`; here it is done. */
export class Sandbox {
	readonly name: string;
	readonly #deps: SandboxDeps;
	readonly #log: Log;
	readonly #workerLog: Log;
	readonly #decisions: DecisionLog;
	readonly #witness: Witness;
	readonly #waiters: Waiters<PassSummary>;
	readonly #deciding: Waiters<DecisionResult>;
	#state: SandboxState;
	readonly #events: SandboxEvent[] = [];
	#isTransiting = false;
	/** The process of the worker there is, and what resolves when it is gone with all that it started. */
	#process: WorkerHandle | null = null;
	#gone: PromiseWithResolvers<void> = Promise.withResolvers();
	/** Resolves when the worker that was forked last is no longer on its way. */
	#heard: PromiseWithResolvers<void> = Promise.withResolvers();
	#cancelBackoff: Cancel = () => {};
	#cancelKill: Cancel = () => {};

	constructor(name: string, spec: SandboxSpec, record: SandboxRecord | null, deps: SandboxDeps) {
		this.name = name;
		this.#deps = deps;
		this.#state = initialState(spec, record);
		this.#log = (level, message, fields) => deps.log(level, message, {sandbox: name, ...fields});
		this.#workerLog = limitedLog(this.#log, deps.clock);
		this.#decisions = new DecisionLog(this.#log, deps.clock);
		this.#witness = deps.witness ?? nobody;
		this.#waiters = new Waiters(deps.clock, failedPass('no pass was finished in time'));
		this.#deciding = new Waiters(
			deps.clock,
			undecided('nothing was heard of it in time; it may be done yet: pairkeeper pending, pairkeeper audit'),
		);
	}

	/** What the next supervisor would need, were this one killed. */
	get record(): SandboxRecord {
		return this.#state.record;
	}

	/** Names how it is configured. */
	get configuration(): string {
		return configurationOf(this.#state.spec);
	}

	/** What names the process of its worker for good, or `null` without one. */
	get identity(): ProcessIdentity | null {
		const {pid = null, startTime = null} = this.#process ?? {};
		return pid === null || startTime === null ? null : {pid, startTime};
	}

	/** It is to have a worker, and has none yet. */
	get isWaiting(): boolean {
		const {kind} = this.#state.life;
		return kind === 'waiting' || kind === 'stopped';
	}

	/** Forks the first worker, unless the sandbox is disabled. */
	start(): void {
		this.#on({kind: 'start'});
	}

	/** Resolves when the worker that was forked last has been heard of, has ended, or is to end. */
	get heardOf(): Promise<void> {
		return this.#heard.promise;
	}

	/** Ends a worker that fails to be alive. To be called about once a second; to look at its memory too costs a hundred times as much. */
	inspect({withMemory = true}: {readonly withMemory?: boolean} = {}): void {
		if (!this.#process) return;
		const isWaitingForTurn = this.#deps.turns.waitOf(this.name) !== null;
		this.#on({kind: 'observed', rss: withMemory ? this.#process.rss : null, isWaitingForTurn});
	}

	/** The supervisor itself was held up: a worker's silence meanwhile proves nothing. */
	forgive(): void {
		this.#on({kind: 'forgiven'});
	}

	/** Poll now, and fast for a while. Whether there is a worker to do so, and not about to end; one that is about to start polls at once. */
	kick(): boolean {
		const {kind} = this.#state.life;
		if (kind !== 'starting' && kind !== 'running') return false;
		this.#process?.send({kind: 'kick'});
		return true;
	}

	/** The outcome of a pass that begins from now on, whoever else waits for it; within `timeout` milliseconds. Never rejects. */
	pass(timeout: number): Promise<PassSummary> {
		const {spec} = this.#state;
		if (!spec.enabled) return Promise.resolve(failedPass(idleReason(spec)));
		const {id, outcome} = this.#waiters.add(timeout);
		this.#process?.send({kind: 'pass', id});
		return outcome;
	}

	/** The requests that wait for a person, as far as is known. */
	get held(): HeldKnown {
		return this.#state.held;
	}

	/** A person decides about one request, whatever the policy says; within `timeout` milliseconds. Never rejects. */
	decide(decision: PersonalDecision, timeout: number): Promise<DecisionResult> {
		const {spec} = this.#state;
		if (!spec.enabled) return Promise.resolve(undecided(idleReason(spec)));
		// Never kept for the next worker: what was seen has changed by then.
		if (!this.#process) return Promise.resolve(undecided('its worker is being started; ask again in a moment'));
		const {id, outcome} = this.#deciding.add(timeout);
		this.#process.send({kind: 'decide', id, ...decision});
		return outcome;
	}

	/** It was raised before this supervisor's life; to be called before the start. */
	recallAlarm({reason, configuration}: Omit<RememberedAlarm, 'sandbox'>): void {
		this.#on({kind: 'recall-alarm', reason, configuration});
	}

	/** Approvals may go on: somebody has looked at what raised the alarm. */
	clearAlarm(): void {
		this.#on({kind: 'clear-alarm'});
	}

	/** Whether the present worker can go on under this spec. */
	isUnchangedBy(spec: SandboxSpec): boolean {
		return !needsNewWorker(this.#state.spec, spec);
	}

	/** Takes over a new spec. A worker that cannot go on under it must have been stopped. `record`: what is remembered of the gateway, where that is another one. */
	adopt(spec: SandboxSpec, record: SandboxRecord | null = null): void {
		this.#on({kind: 'adopt', spec, record});
		if (!spec.enabled) this.#waiters.answer(this.#waiters.ids, failedPass(idleReason(spec)));
	}

	/** Ends the worker and all it started: politely, and after `timeout` milliseconds not. The next one has the passes that are waited for. */
	async pause(timeout: number): Promise<void> {
		this.#on({kind: 'stop', timeout});
		if (this.#process) await this.#gone.promise;
	}

	/** As {@link pause}, and no worker is to follow. */
	async stop(timeout: number): Promise<void> {
		await this.pause(timeout);
		this.#waiters.answer(this.#waiters.ids, failedPass('the sandbox is no longer watched'));
	}

	status(): SandboxStatus {
		const {clock, turns} = this.#deps;
		return statusOf(this.#state, {now: clock.now(), turnWait: turns.waitOf(this.name)});
	}

	/** One event after the other, those too that carrying out an effect brings about. */
	#on(event: SandboxEvent): void {
		this.#events.push(event);
		if (this.#isTransiting) return;
		this.#isTransiting = true;
		try {
			for (let next = this.#events.shift(); next; next = this.#events.shift()) {
				const {clock, random} = this.#deps;
				const {state, effects} = transition(this.#state, next, {now: clock.now(), wall: clock.wall(), random});
				this.#state = state;
				for (const effect of effects) this.#perform(effect);
			}
			if (this.#state.life.kind !== 'starting') this.#heard.resolve();
		} finally {
			this.#isTransiting = false;
		}
	}

	#perform(effect: Effect): void {
		const {clock, turns, onChange} = this.#deps;
		switch (effect.kind) {
			case 'fork':
				this.#fork();
				break;
			case 'send':
				this.#process?.send(effect.message);
				break;
			case 'kill': {
				const process = this.#process;
				this.#cancelKill();
				if (effect.after > 0) this.#cancelKill = clock.after(effect.after, () => process?.kill());
				else process?.kill();
				break;
			}
			case 'back-off':
				this.#cancelBackoff = clock.after(effect.delay, () => this.#on({kind: 'backoff-over'}));
				break;
			case 'cancel-back-off':
				this.#cancelBackoff();
				break;
			case 'log':
				this.#log(effect.level, effect.message, effect.fields);
				break;
			case 'log-decision':
				this.#decisions.log(effect.decision);
				this.#witness.decided(this.name, effect.decision, this.#transport);
				break;
			case 'record-restart':
				this.#witness.restarted(this.name, effect.reason);
				break;
			case 'forget-turns':
				turns.forget(this.name, effect.isAtFault);
				break;
			case 'show':
				onChange();
				break;
			default:
				effect satisfies never;
		}
	}

	#fork(): void {
		this.#heard = Promise.withResolvers();
		const {worker: config, limits} = this.#state.spec;
		const {checkpoint, breaker} = this.#state.record;
		const start: Extract<ToWorker, {kind: 'start'}> = {
			kind: 'start',
			config,
			owner: `${this.#deps.run}/${randomUUID()}`,
			task: {kind: 'watch'},
			checkpoint,
			avoidGatewayUntil: breaker?.openUntil ?? null,
		};
		const budget = new MessageBudget(messageRate(config), this.#deps.clock);
		let isFlooding = false;
		try {
			const process = this.#deps.fork(
				start,
				{
					onMessage: message => {
						if (this.#process !== process) return;
						// What it has said is heard to the end: no record of an approval is lost for it.
						this.#hear(message);
						if (isFlooding || budget.spend(message)) return;
						isFlooding = true;
						this.#log('error', 'worker is ended: it says more than the supervisor has time for', {pid: process.pid});
						process.kill();
					},
					onOutput: line => this.#workerLog('warn', 'worker printed a line', {line}),
					onExit: exit => {
						this.#process = null;
						this.#cancelKill();
						this.#witness.gone(this.name);
						this.#deciding.answer(
							this.#deciding.ids,
							undecided('its worker ended; whether it was done shows in pairkeeper audit and in the next list'),
						);
						this.#on({kind: 'exited', ...exit});
						this.#gone.resolve();
					},
				},
				limits.workerMemory,
			);
			this.#process = process;
			this.#gone = Promise.withResolvers();
			for (const id of this.#waiters.ids) process.send({kind: 'pass', id});
			this.#on({kind: 'forked', pid: process.pid});
		} catch (error) {
			this.#on({kind: 'fork-failed', error: messageOf(error)});
		}
	}

	#hear(message: ToSupervisor): void {
		const {turns} = this.#deps;
		switch (message.kind) {
			case 'heartbeat':
			case 'alive':
			case 'checkpoint':
				this.#on({kind: 'heard', message});
				break;
			case 'turn': {
				const process = this.#process;
				turns.request(this.name, message.turn, message.call, () => {
					this.#on({kind: 'turned'});
					process?.send({kind: 'granted', turn: message.turn});
				});
				break;
			}
			case 'turn-over':
				turns.over(this.name, message.turn, message.outcome);
				// One that was only waited for, too: what it was wanted for has come another way.
				this.#on({kind: 'turned'});
				break;
			case 'passed':
				this.#waiters.answer(message.ids, message.outcome);
				break;
			case 'log':
				this.#workerLog(message.level, message.message, message.fields);
				break;
			case 'held':
				this.#on(message);
				this.#witness.held(this.name, message.requests);
				break;
			case 'decided': {
				const {result, detail} = message;
				this.#deciding.answer([message.id], {result, detail});
				break;
			}
			case 'intent': {
				const {kind: _, intent, ...subject} = message;
				const process = this.#process;
				void this.#witness
					.intent(this.name, subject, reasonOf(subject, this.held.requests))
					.then(error => process?.send({kind: 'recorded', intent, error}));
				break;
			}
			case 'done':
				break;
			default:
				message satisfies never;
		}
	}

	get #transport(): Snapshot['transport'] | null {
		return workerIn(this.#state.life)?.snapshot?.transport ?? null;
	}
}
