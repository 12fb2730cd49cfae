import {randomUUID} from 'node:crypto';
import {isDeepStrictEqual} from 'node:util';
import {applyChanges, emptyCheckpoint} from '../worker/checkpoint.ts';
import {type Clock, isoTime} from '../worker/clock.ts';
import {
	type Failure,
	initialTransport,
	type PassSummary,
	type Snapshot,
	type ToSupervisor,
	type WorkerConfig,
} from '../worker/protocol.ts';
import {messageOf} from '../worker/text.ts';
import type {CallTurns} from './call-turns.ts';
import {type Ailment, diagnose, type Limits} from './liveness.ts';
import {type Log, limitedLog} from './log.ts';
import {
	type Avoidance,
	isBlamedOnGateway,
	isCrashLooping,
	nextAvoidance,
	nextRestart,
	type RestartPolicy,
} from './restart-policy.ts';
import type {SandboxMemory} from './state-file.ts';
import type {SandboxStatus} from './status.ts';
import {type WorkerExit, WorkerProcess} from './worker-process.ts';

/** How a sandbox is watched; a change of `worker` needs a new worker, a change of the rest does not. */
export interface SandboxPlan {
	readonly enabled: boolean;
	readonly worker: WorkerConfig;
	readonly limits: Limits;
	readonly restart: RestartPolicy;
}

export interface SandboxDeps {
	/** Marks this supervisor's processes. */
	readonly run: string;
	readonly turns: CallTurns;
	readonly log: Log;
	readonly clock: Clock;
	/** Something in the status has changed. */
	readonly onChange: () => void;
}

interface LiveWorker {
	readonly process: WorkerProcess;
	/** Monotonic milliseconds, as all times here but those of the snapshot. */
	readonly startedAt: number;
	readonly startedWall: number;
	lastBeatAt: number;
	lastBeatWall: number | null;
	lastStep: number;
	lastStepAt: number;
	lastListAt: number | null;
	snapshot: Snapshot | null;
	ailment: Ailment | null;
	isStopping: boolean;
	readonly isOver: Promise<void>;
}

/** A caller that waits for the outcome of a pass. */
interface PassWaiter {
	readonly resolve: (outcome: PassSummary) => void;
	readonly timer: NodeJS.Timeout;
}

const EMPTY_MEMORY: SandboxMemory = {
	checkpoint: null,
	unstableExits: 0,
	avoidance: null,
	restarts: 0,
	approved: 0,
	refused: 0,
	lastListAt: null,
	lastExit: null,
	lastApproval: null,
	lastRefusal: null,
};

/** One sandbox under supervision: its worker, the worker's successors, and what they hand on. */
export class Sandbox {
	readonly name: string;
	readonly #deps: SandboxDeps;
	readonly #log: Log;
	readonly #workerLog: Log;
	readonly #passes = new Map<string, PassWaiter>();
	#plan: SandboxPlan;
	#memory: SandboxMemory;
	#worker: LiveWorker | null = null;
	#backoff: NodeJS.Timeout | null = null;
	#isStopped = true;

	constructor(name: string, plan: SandboxPlan, memory: SandboxMemory | null, deps: SandboxDeps) {
		this.name = name;
		this.#plan = plan;
		this.#memory = memory ?? EMPTY_MEMORY;
		this.#deps = deps;
		this.#log = (level, message, fields) => deps.log(level, message, {sandbox: name, ...fields});
		this.#workerLog = limitedLog(this.#log, deps.clock);
	}

	/** What the next supervisor would need, were this one killed. */
	get memory(): SandboxMemory {
		return this.#memory;
	}

	get pid(): number | null {
		return this.#worker?.process.pid ?? null;
	}

	get isEnabled(): boolean {
		return this.#plan.enabled;
	}

	/** Forks the first worker, unless the sandbox is disabled. `initialDelay` in milliseconds spreads first polls. */
	start(initialDelay = 0): void {
		this.#isStopped = false;
		if (this.#plan.enabled && !this.#worker && !this.#backoff) this.#forkOrWait(initialDelay);
	}

	/** Ends what is wrong with the worker, if anything is. To be called about once a second. */
	inspect(): void {
		const worker = this.#worker;
		if (!worker || worker.ailment !== null || worker.isStopping) return;
		const vitals = {
			lastBeatAt: worker.lastBeatAt,
			lastStepAt: worker.lastStepAt,
			isWaitingForTurn: this.#deps.turns.waitOf(this.name) !== null,
			rss: worker.process.rss,
		};
		worker.ailment = diagnose(vitals, this.#plan.limits, this.#deps.clock.now());
		if (worker.ailment === null) return;
		this.#log('error', `worker is ended: ${worker.ailment}`, {pid: worker.process.pid, rss: vitals.rss});
		worker.process.kill();
	}

	/** The supervisor itself was held up: a worker's silence meanwhile proves nothing. */
	forgive(): void {
		if (!this.#worker) return;
		this.#worker.lastBeatAt = this.#deps.clock.now();
		this.#worker.lastStepAt = this.#deps.clock.now();
	}

	/** Poll now, and fast for a while. Whether there is a worker to do so; one that is about to start polls at once. */
	kick(): boolean {
		this.#worker?.process.send({kind: 'kick'});
		return this.#worker !== null;
	}

	/** The outcome of a pass that begins from now on, whoever else waits for it; within `timeout` milliseconds. Never rejects. */
	pass(timeout: number): Promise<PassSummary> {
		if (!this.#plan.enabled) return Promise.resolve(failedPass('the sandbox is disabled in the configuration'));
		return new Promise(resolve => {
			const id = randomUUID();
			const timer = setTimeout(() => this.#answer(id, failedPass('no pass was finished in time')), timeout);
			this.#passes.set(id, {resolve, timer});
			this.#worker?.process.send({kind: 'pass', id});
		});
	}

	/** The configuration has been reloaded: whoever did it has seen the alarm. */
	clearAlarm(): void {
		this.#worker?.process.send({kind: 'clear-alarm'});
		const {checkpoint} = this.#memory;
		if (checkpoint)
			this.#memory = {...this.#memory, checkpoint: {...checkpoint, ledger: {...checkpoint.ledger, alarm: null}}};
	}

	/** Whether the present worker can go on under this plan. */
	isUnchangedBy(plan: SandboxPlan): boolean {
		return plan.enabled === this.#plan.enabled && isDeepStrictEqual(plan.worker, this.#plan.worker);
	}

	/** Takes over a new plan. A worker that cannot go on under it must have been stopped. */
	adopt(plan: SandboxPlan): void {
		if (!this.isUnchangedBy(plan)) this.#memory = {...this.#memory, avoidance: null};
		this.#plan = plan;
	}

	/** Ends the worker and all it started: politely, and after `stopTimeout` milliseconds not. */
	async stop(stopTimeout: number): Promise<void> {
		this.#isStopped = true;
		if (this.#backoff) clearTimeout(this.#backoff);
		this.#backoff = null;
		const worker = this.#worker;
		if (worker) {
			worker.isStopping = true;
			worker.process.send({kind: 'stop'});
			const timer = setTimeout(() => worker.process.kill(), stopTimeout);
			this.#deps.onChange();
			await worker.isOver;
			clearTimeout(timer);
		}
		for (const id of this.#passes.keys()) this.#answer(id, failedPass('the sandbox is no longer watched'));
	}

	status(): SandboxStatus {
		const worker = this.#worker;
		const snapshot = worker?.snapshot ?? null;
		const {checkpoint, unstableExits, avoidance: _, ...memory} = this.#memory;
		const {cadence} = this.#plan.worker;
		const mode = snapshot?.mode ?? checkpoint?.cadence?.mode ?? 'fast';
		const lifetime = worker ? this.#deps.clock.now() - worker.startedAt : 0;
		return {
			state: this.#state(),
			healthy: this.#isHealthy(),
			pid: this.pid,
			mode,
			interval: snapshot?.interval ?? (mode === 'fast' ? cadence.fastInterval : cadence.slowInterval) / 1000,
			...transportOf(snapshot ?? initialTransport(this.#plan.worker)),
			crashLooping: isCrashLooping(this.#plan.restart, unstableExits, lifetime),
			startedAt: worker ? isoTime(worker.startedWall) : null,
			lastHeartbeatAt: worker?.lastBeatWall ? isoTime(worker.lastBeatWall) : null,
			nextPollAt: snapshot?.nextPollAt ? isoTime(snapshot.nextPollAt) : null,
			failures: checkpoint?.failures ?? 0,
			lastError: checkpoint?.lastError ?? null,
			warnings: [...(snapshot?.warnings ?? [])],
			pending: snapshot?.pending ?? 0,
			...memory,
		};
	}

	#state(): SandboxStatus['state'] {
		if (!this.#plan.enabled && !this.#worker) return 'idle';
		if (this.#worker?.isStopping) return 'stopping';
		if (this.#worker) return this.#worker.snapshot ? 'running' : 'starting';
		if (this.#backoff) return 'backoff';
		return this.#isStopped ? 'stopped' : 'starting';
	}

	/** A list succeeded within three intervals and a call's bound; waiting for a turn is not the sandbox's fault. */
	#isHealthy(): boolean {
		const worker = this.#worker;
		if (!worker?.snapshot || worker.isStopping) return false;
		const {clock, turns} = this.#deps;
		const bound = 3 * worker.snapshot.interval * 1000 + this.#plan.worker.runTimeout + (turns.waitOf(this.name) ?? 0);
		return clock.now() - (worker.lastListAt ?? worker.startedAt) <= bound;
	}

	#fork(initialDelay: number): void {
		const {clock, run, turns} = this.#deps;
		const now = clock.now();
		let settle: () => void = () => {};
		const isOver = new Promise<void>(resolve => {
			settle = resolve;
		});
		const start = {
			kind: 'start' as const,
			config: this.#plan.worker,
			owner: `${run}/${randomUUID()}`,
			task: {kind: 'watch' as const, initialDelay},
			checkpoint: this.#memory.checkpoint,
			avoidGatewayUntil: this.#memory.avoidance?.until ?? null,
		};
		const worker: LiveWorker = {
			process: new WorkerProcess(start, {
				onMessage: message => this.#onMessage(worker, message),
				onOutput: line => this.#workerLog('warn', `worker: ${line}`),
				onExit: exit => {
					turns.forget(this.name, worker.ailment !== null);
					this.#onExit(worker, exit);
					settle();
				},
			}),
			startedAt: now,
			startedWall: clock.wall(),
			lastBeatAt: now,
			lastBeatWall: null,
			lastStep: 0,
			lastStepAt: now,
			lastListAt: null,
			snapshot: null,
			ailment: null,
			isStopping: false,
			isOver,
		};
		this.#worker = worker;
		for (const id of this.#passes.keys()) worker.process.send({kind: 'pass', id});
		this.#log('info', 'worker started', {pid: worker.process.pid});
		this.#deps.onChange();
	}

	#onExit(worker: LiveWorker, {code, signal}: WorkerExit): void {
		this.#worker = null;
		const {clock, onChange} = this.#deps;
		onChange();
		if (worker.isStopping || this.#isStopped) return;
		const reason = worker.ailment ?? (signal === null && code === 0 ? 'exit' : 'crash');
		const {delay, unstableExits} = nextRestart(
			this.#plan.restart,
			this.#memory.unstableExits,
			clock.now() - worker.startedAt,
		);
		this.#memory = {
			...this.#memory,
			unstableExits,
			avoidance: isBlamedOnGateway(reason, unstableExits) ? this.#nextAvoidance() : this.#memory.avoidance,
			restarts: this.#memory.restarts + 1,
			lastExit: {reason, code, signal, at: isoTime(clock.wall())},
		};
		this.#log('error', 'worker ended and is started again', {reason, code, signal, delay: Math.round(delay) / 1000});
		this.#forkAfter(delay);
	}

	#forkAfter(delay: number): void {
		this.#backoff = setTimeout(() => {
			this.#backoff = null;
			this.#forkOrWait(0);
		}, delay);
	}

	/** A host that has no memory for a process now may have it in a moment. */
	#forkOrWait(initialDelay: number): void {
		try {
			this.#fork(initialDelay);
		} catch (error) {
			this.#log('error', 'no worker could be started', {error: messageOf(error)});
			this.#forkAfter(this.#plan.restart.maxDelay);
		}
	}

	/** Where there is the CLI to come back by, the next worker must not walk into the same wall. */
	#nextAvoidance(): Avoidance | null {
		const {avoidance} = this.#memory;
		const {gateway, transport} = this.#plan.worker;
		const now = this.#deps.clock.now();
		const wasAvoided = avoidance !== null && avoidance.until > now;
		return gateway === null || transport !== 'auto' || wasAvoided ? avoidance : nextAvoidance(avoidance, now);
	}

	#onMessage(worker: LiveWorker, message: ToSupervisor): void {
		if (this.#worker !== worker) return;
		const {clock, turns} = this.#deps;
		switch (message.kind) {
			case 'heartbeat':
				this.#onHeartbeat(worker, message);
				break;
			case 'turn':
				turns.request(this.name, message.turn, message.call, () => {
					worker.lastStepAt = clock.now();
					worker.process.send({kind: 'granted', turn: message.turn});
				});
				break;
			case 'turn-over':
				turns.over(this.name, message.turn, message.outcome);
				break;
			case 'checkpoint':
				this.#onCheckpoint(message);
				break;
			case 'passed':
				for (const id of message.ids) this.#answer(id, message.outcome);
				break;
			case 'log':
				this.#workerLog(message.level, message.message, message.fields);
				break;
			case 'done':
				break;
		}
	}

	#onCheckpoint({changes, decisions}: Extract<ToSupervisor, {kind: 'checkpoint'}>): void {
		this.#memory = {...this.#memory, checkpoint: applyChanges(this.#memory.checkpoint ?? emptyCheckpoint, changes)};
		for (const decision of decisions) {
			const {kind, at, ...fields} = decision;
			const level = kind === 'alarm' ? 'error' : kind === 'refused' ? 'warn' : 'info';
			this.#workerLog(level, kind, fields);
			if (decision.kind === 'approved') {
				const {kind: _, deviceId: __, ...approval} = decision;
				this.#remember({approved: this.#memory.approved + 1, lastApproval: {...approval, at: isoTime(at)}});
			} else if (decision.kind === 'refused') {
				const {kind: _, deviceId: __, remedy: ___, ...refusal} = decision;
				this.#remember({refused: this.#memory.refused + 1, lastRefusal: {...refusal, at: isoTime(at)}});
			}
		}
		if (changes.ledger || 'lastError' in changes || 'failures' in changes) this.#deps.onChange();
	}

	#onHeartbeat(worker: LiveWorker, {progress: step, snapshot}: Extract<ToSupervisor, {kind: 'heartbeat'}>): void {
		const {clock, onChange} = this.#deps;
		const before = worker.snapshot;
		worker.lastBeatAt = clock.now();
		worker.lastBeatWall = clock.wall();
		if (step !== worker.lastStep) worker.lastStepAt = worker.lastBeatAt;
		worker.lastStep = step;
		worker.snapshot = snapshot;
		if (snapshot.lastListAt !== null && snapshot.lastListAt !== before?.lastListAt) {
			worker.lastListAt = worker.lastBeatAt;
			this.#memory = {...this.#memory, lastListAt: isoTime(snapshot.lastListAt)};
		}
		if (!before || !isDeepStrictEqual(withoutTimes(before), withoutTimes(snapshot))) onChange();
	}

	#remember(change: Partial<SandboxMemory>): void {
		this.#memory = {...this.#memory, ...change};
		this.#deps.onChange();
	}

	#answer(id: string, outcome: PassSummary): void {
		const waiter = this.#passes.get(id);
		if (!waiter) return;
		this.#passes.delete(id);
		clearTimeout(waiter.timer);
		waiter.resolve(outcome);
	}
}

/** A pass that did not happen, and why. */
export function failedPass(error: string, failure: Failure | null = null): PassSummary {
	return {error, failure, approved: 0, refused: 0, retries: 0, pending: 0};
}

function withoutTimes({lastListAt: _, nextPollAt: __, ...rest}: Snapshot): Omit<Snapshot, 'lastListAt' | 'nextPollAt'> {
	return rest;
}

function transportOf({
	transport,
	transportReason,
}: Pick<Snapshot, 'transport' | 'transportReason'>): Pick<Snapshot, 'transport' | 'transportReason'> {
	return {transport, transportReason};
}
