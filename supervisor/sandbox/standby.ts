import {randomUUID} from 'node:crypto';
import {isDeepStrictEqual} from 'node:util';
import type {Cancel, Clock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {ProcessIdentity} from '../instance/state-file.ts';
import type {Log} from '../log/log.ts';
import {CompiledCode} from './compiled-code.ts';
import {nextRestart, type RestartPolicy} from './restart-policy.ts';
import {
	type ForkWorker,
	forkWorkerWith,
	kindOf,
	type WorkerExit,
	type WorkerFork,
	type WorkerHandle,
	type WorkerKind,
	type WorkerListener,
	WorkerProcess,
} from './worker-process.ts';

/** One for so many workers stands by, and one at least: a host where many fail at once has many. */
const WORKERS_EACH = 25;

/** So long after a worker was asked for the next one is forked, in milliseconds: those that are needed now come first. */
const QUIET = 30;

/** Between two forks of such that nobody waits for, in milliseconds: one loads in about that time. */
const GAP = 75;

/** So long after a worker was last asked for, those of another kind are replaced, in milliseconds: where kinds take turns, nothing is forked in vain. */
const SETTLED = 1000;

/** How eagerly one that ended by itself while it stood by is replaced; durations in milliseconds. */
const RESTART: RestartPolicy = {minDelay: 1000, maxDelay: 60_000, stableAfter: 60_000};

/** A worker's process that can be handed over to a sandbox. */
export interface SpareProcess extends WorkerHandle {
	listener: WorkerListener;
}

export interface StandbyDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** Marks this supervisor's processes. */
	readonly run: () => string;
	/** From 0 to 1, as `Math.random`. */
	readonly random: () => number;
	/** There is another one than before, or none. */
	readonly onChange: () => void;
	/** Makes a process that has no sandbox; throws where the system has no memory for it. */
	readonly forkSpare?: (fork: WorkerFork) => SpareProcess;
	/** Makes one that has. */
	readonly forkWorker?: ForkWorker;
}

type WorkerStart = Parameters<ForkWorker>[0];

interface Spare {
	readonly process: SpareProcess;
	readonly owner: string;
	readonly kind: WorkerKind;
	/** Monotonic milliseconds. */
	readonly since: number;
	/** Resolves when it has ended without having had a sandbox. */
	readonly gone: PromiseWithResolvers<void>;
}

/**
 * Workers' processes that are forked and loaded before they are needed: most of the time from a worker's end to its successor's first list would go into
 * that. They are of the kind that was needed last; whoever needs another kind, or one more than there are, gets a process that is forked then.
 */
export class Standby {
	readonly #deps: StandbyDeps;
	/** Of all workers, those that stand by and those that do not. */
	readonly #code = new CompiledCode();
	#spares: readonly Spare[] = [];
	/** The kind that was asked for last, and when; monotonic milliseconds. */
	#wanted: {readonly kind: WorkerKind; readonly at: number} | null = null;
	/** How many workers have a sandbox. */
	#working = 0;
	#unstableExits = 0;
	/** No spare is forked before that time, monotonic milliseconds. */
	#notBefore = 0;
	#cancel: Cancel = () => {};
	#isEnded = false;

	constructor(deps: StandbyDeps) {
		this.#deps = deps;
	}

	/** The processes that stand by. */
	get processes(): readonly ProcessIdentity[] {
		return this.#spares.flatMap(({process: {pid, startTime}}) =>
			pid === null || startTime === null ? [] : {pid, startTime},
		);
	}

	/** A worker for a sandbox: a process that stands by where it is of the right kind, with the marker that it has; else a new one. */
	readonly fork: ForkWorker = (start, listener, workerMemory) => {
		const kind = kindOf(start.config, workerMemory);
		this.#wanted = {kind, at: this.#deps.clock.now()};
		const counted = this.#counted(listener);
		const worker = this.#takeSpare(kind, start, counted) ?? this.#forkNew(start, counted, workerMemory);
		this.#working++;
		this.#plan();
		return worker;
	};

	/** Ends the processes that stand by, and resolves when they are gone; none is to follow. */
	async end(): Promise<void> {
		this.#isEnded = true;
		this.#cancel();
		await this.#discard();
	}

	#takeSpare(kind: WorkerKind, start: WorkerStart, listener: WorkerListener): WorkerHandle | null {
		// The oldest is the likeliest to have loaded.
		const spare = this.#spares.find(each => isDeepStrictEqual(each.kind, kind));
		if (!spare) return null;
		this.#spares = this.#spares.filter(each => each !== spare);
		spare.process.listener = listener;
		spare.process.send({...start, owner: spare.owner});
		return spare.process;
	}

	#forkNew(start: WorkerStart, listener: WorkerListener, workerMemory: number): WorkerHandle {
		return (this.#deps.forkWorker ?? forkWorkerWith(this.#code))(start, listener, workerMemory);
	}

	#counted(listener: WorkerListener): WorkerListener {
		return {
			onMessage: message => listener.onMessage(message),
			onOutput: line => listener.onOutput(line),
			onExit: exit => {
				this.#working--;
				listener.onExit(exit);
			},
		};
	}

	/** Sees to it that what is missing is forked when it is time. */
	#plan(): void {
		this.#cancel();
		const wanted = this.#wanted;
		if (this.#isEnded || wanted === null) return;
		const isOther = this.#spares.some(({kind}) => !isDeepStrictEqual(kind, wanted.kind));
		if (!isOther && this.#spares.length >= Math.max(Math.floor(this.#working / WORKERS_EACH), 1)) return;
		const {clock} = this.#deps;
		const due = isOther ? wanted.at + SETTLED : this.#notBefore;
		const wait = Math.max(due - clock.now(), QUIET);
		this.#cancel = clock.after(wait, () => this.#prepare(wanted.kind, isOther));
	}

	#prepare(kind: WorkerKind, isOther: boolean): void {
		if (isOther) void this.#discard();
		const {clock, log, run, forkSpare = fork => new WorkerProcess(fork)} = this.#deps;
		const owner = `${run()}/${randomUUID()}`;
		const since = clock.now();
		this.#notBefore = since + GAP;
		const gone = Promise.withResolvers<void>();
		const listener: WorkerListener = {
			// It has nothing to say: what stands by has no sandbox.
			onMessage: () => this.#spares.find(each => each.owner === owner)?.process.kill(),
			onOutput: line => log('warn', 'the worker that stands by printed a line', {line}),
			onExit: exit => {
				gone.resolve();
				this.#onExit(owner, exit);
			},
		};
		try {
			const process = forkSpare({owner, name: '(standby)', kind, listener, code: this.#code});
			this.#spares = [...this.#spares, {process, owner, kind, since, gone}];
			process.send({kind: 'stand-by', hasRoute: kind.hasRoute});
			log('debug', 'a worker stands by', {pid: process.pid});
		} catch (error) {
			log('warn', 'no worker can stand by', {error: messageOf(error)});
			this.#backOff(since);
		}
		this.#plan();
		this.#deps.onChange();
	}

	#onExit(owner: string, {code, signal}: WorkerExit): void {
		const spare = this.#spares.find(each => each.owner === owner);
		// One that was discarded.
		if (!spare) return;
		this.#spares = this.#spares.filter(each => each !== spare);
		this.#deps.log('warn', 'the worker that stands by has ended', {pid: spare.process.pid, code, signal});
		this.#backOff(spare.since);
		this.#plan();
		this.#deps.onChange();
	}

	#backOff(since: number): void {
		const {clock, random} = this.#deps;
		const now = clock.now();
		const {delay, unstableExits} = nextRestart(RESTART, this.#unstableExits, now - since, random);
		this.#unstableExits = unstableExits;
		this.#notBefore = now + delay;
	}

	async #discard(): Promise<void> {
		const spares = this.#spares;
		this.#spares = [];
		for (const {process} of spares) process.kill();
		await Promise.all(spares.map(({gone}) => gone.promise));
	}
}
