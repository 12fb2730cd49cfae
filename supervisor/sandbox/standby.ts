import {randomUUID} from 'node:crypto';
import {isDeepStrictEqual} from 'node:util';
import type {Cancel, Clock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {ProcessIdentity} from '../instance/state-file.ts';
import type {Log} from '../log/log.ts';
import {nextRestart, type RestartPolicy} from './restart-policy.ts';
import {
	type ForkWorker,
	forkWorker,
	kindOf,
	type WorkerExit,
	type WorkerFork,
	type WorkerHandle,
	type WorkerKind,
	type WorkerListener,
	WorkerProcess,
} from './worker-process.ts';

/** So long after a worker was last asked for the next one is made ready, in milliseconds: those that are needed now come first. */
const QUIET = 100;

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
 * One worker's process that is forked and loaded before it is needed: most of the time from a worker's end to its successor's first list would go into
 * that. It is of the kind that was needed last; whoever needs another kind, or a second one at the same time, gets a process that is forked then.
 */
export class Standby {
	readonly #deps: StandbyDeps;
	#spare: Spare | null = null;
	#unstableExits = 0;
	/** No spare is forked before that time, monotonic milliseconds. */
	#notBefore = 0;
	#cancel: Cancel = () => {};
	#isEnded = false;

	constructor(deps: StandbyDeps) {
		this.#deps = deps;
	}

	/** The process that stands by, if there is one. */
	get processes(): readonly ProcessIdentity[] {
		const {pid = null, startTime = null} = this.#spare?.process ?? {};
		return pid === null || startTime === null ? [] : [{pid, startTime}];
	}

	/** A worker for a sandbox: the process that stands by where it is of the right kind, with the marker that it has; else a new one. */
	readonly fork: ForkWorker = (start, listener, workerMemory) => {
		const kind = kindOf(start.config, workerMemory);
		this.#replaceLater(kind);
		const spare = this.#spare;
		if (spare === null || !isDeepStrictEqual(spare.kind, kind))
			return (this.#deps.forkWorker ?? forkWorker)(start, listener, workerMemory);
		this.#spare = null;
		spare.process.listener = listener;
		spare.process.send({...start, owner: spare.owner});
		return spare.process;
	};

	/** Ends the process that stands by, and resolves when it is gone; none is to follow. */
	async end(): Promise<void> {
		this.#isEnded = true;
		this.#cancel();
		await this.#discard();
	}

	#replaceLater(kind: WorkerKind): void {
		const {clock} = this.#deps;
		this.#cancel();
		if (this.#isEnded) return;
		this.#cancel = clock.after(Math.max(QUIET, this.#notBefore - clock.now()), () => this.#prepare(kind));
	}

	#prepare(kind: WorkerKind): void {
		if (this.#spare !== null && isDeepStrictEqual(this.#spare.kind, kind)) return;
		void this.#discard();
		const {clock, log, run, forkSpare = fork => new WorkerProcess(fork)} = this.#deps;
		const owner = `${run()}/${randomUUID()}`;
		const since = clock.now();
		const gone = Promise.withResolvers<void>();
		const listener: WorkerListener = {
			// It has nothing to say that would be of a sandbox.
			onMessage: () => {},
			onOutput: line => log('warn', 'the worker that stands by printed a line', {line}),
			onExit: exit => {
				gone.resolve();
				this.#onExit(owner, exit);
			},
		};
		try {
			const process = forkSpare({owner, name: '(standby)', kind, listener});
			this.#spare = {process, owner, kind, since, gone};
			process.send({kind: 'stand-by', hasRoute: kind.hasRoute});
			log('debug', 'a worker stands by', {pid: process.pid});
		} catch (error) {
			log('warn', 'no worker can stand by', {error: messageOf(error)});
			this.#backOff(kind, since);
		}
		this.#deps.onChange();
	}

	#onExit(owner: string, {code, signal}: WorkerExit): void {
		const spare = this.#spare;
		// One that was discarded.
		if (spare?.owner !== owner) return;
		this.#spare = null;
		this.#deps.log('warn', 'the worker that stands by has ended', {pid: spare.process.pid, code, signal});
		this.#backOff(spare.kind, spare.since);
		this.#deps.onChange();
	}

	#backOff(kind: WorkerKind, since: number): void {
		const {clock, random} = this.#deps;
		const now = clock.now();
		const {delay, unstableExits} = nextRestart(RESTART, this.#unstableExits, now - since, random);
		this.#unstableExits = unstableExits;
		this.#notBefore = now + delay;
		this.#replaceLater(kind);
	}

	async #discard(): Promise<void> {
		const spare = this.#spare;
		this.#spare = null;
		spare?.process.kill();
		await spare?.gone.promise;
	}
}
