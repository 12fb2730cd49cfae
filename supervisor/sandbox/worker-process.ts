import {type ChildProcess, fork} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import pRetry from 'p-retry';
import {systemClock, within} from '../../worker/clock.ts';
import {workerEnvironment} from '../../worker/host/environment.ts';
import {startTimeOf} from '../../worker/host/process-table.ts';
import {endMarked, MARKER, signalGroup} from '../../worker/host/processes.ts';
import {
	type FromWorker,
	fromWorkerSchema,
	type ToLauncher,
	type ToSupervisor,
	type ToWorker,
	type WorkerConfig,
} from '../../worker/protocol.ts';
import {type Rate, RateLimit} from '../../worker/rate-limit.ts';
import {messageOf, printable} from '../../worker/text.ts';
import {hasRoute} from '../../worker/transport/way.ts';
import type {CompiledCode} from './compiled-code.ts';
import {heapLimits, isAbort, saysOutOfMemory} from './heap-limit.ts';

/** We run as source, or bundled into dist/supervisor/. */
const IS_SOURCE = import.meta.url.endsWith('.ts');

/** The module a worker runs, as we run. */
const WORKER_MODULE = fileURLToPath(
	new URL(IS_SOURCE ? '../../worker/main.ts' : '../worker/launcher.cjs', import.meta.url),
);

/** How many messages of a worker are borne that are none of the protocol, or are its code, which it is asked for once at most. */
const UNHEARD: Rate = {burst: 100, perSecond: 1};

/** How long the last output of an ended worker is waited for, in milliseconds. */
const LAST_WORDS = 250;

/** How often, and how far apart in milliseconds, the leftovers of a worker are looked for again where that failed. */
const SWEEP_RETRIES = 19;
const SWEEP_DELAY = 250;

/** The pids of the workers that live: each has a marker of its own, which is no other's. */
const alive = new Set<number>();

/** How the process of a worker has ended. */
export interface WorkerExit {
	readonly code: number | null;
	readonly signal: string | null;
	/** Its heap was at its limit. */
	readonly isOutOfMemory?: boolean;
}

/** Who hears of a worker. */
export interface WorkerListener {
	onMessage(message: ToSupervisor): void;
	/** A line of what the worker printed: a crash, most likely. */
	onOutput(line: string): void;
	/** The process has ended, and nothing that it started on this host is left. */
	onExit(exit: WorkerExit): void;
}

/** A living worker, as its supervisor sees it. */
export interface WorkerHandle {
	readonly pid: number | null;
	/** When it started, in the kernel's ticks since boot, or `null` when that is not known; with the pid it names the process for good. */
	readonly startTime: string | null;
	/** Resident memory in bytes, or `null` when it cannot be read. */
	readonly rss: number | null;
	/** Sends a message; to a worker that is gone it is dropped. */
	send(message: ToWorker): void;
	/** SIGKILL, to the worker alone: `onExit` follows when its calls are ended too. */
	kill(): void;
}

/**
 * The C library (mallopt(3)) keeps what is free again for each thread by itself, and those that compile for V8 are seldom at work: 1 to 2 MiB of a worker that
 * has approved a lot. What a worker starts gets it only where `passEnv` names it.
 */
const ONE_ARENA = {MALLOC_ARENA_MAX: '1'};

/** Starts a worker that may have so many bytes of memory. Throws where the system has no memory for it; any other start that fails is an exit. */
export type ForkWorker = (
	start: Extract<ToWorker, {kind: 'start'}>,
	listener: WorkerListener,
	workerMemory: number,
) => WorkerHandle;

/** What a worker's process is forked with. Where it is the same, one may stand in for another. */
export interface WorkerKind {
	/** Without its marker. */
	readonly env: NodeJS.ProcessEnv;
	readonly execArgv: readonly string[];
	/** It will have a gateway to look for. */
	readonly hasRoute: boolean;
}

/** The kind that a sandbox's worker with so many bytes of memory is of. */
export function kindOf(config: WorkerConfig, workerMemory: number): WorkerKind {
	return {
		env: workerEnvironment(config.target.exec, config.passEnv, process.env),
		execArgv: [...process.execArgv, ...heapLimits(workerMemory), ...debuggerOff()],
		hasRoute: hasRoute(config),
	};
}

/** Forks a process for the worker, which compiles its code itself. */
export const forkWorker: ForkWorker = forkWorkerWith(null);

/** Forks processes for workers that share their code, where they have any. */
export function forkWorkerWith(code: CompiledCode | null): ForkWorker {
	return (start, listener, workerMemory) => {
		const kind = kindOf(start.config, workerMemory);
		const worker = new WorkerProcess({owner: start.owner, name: start.config.name, kind, listener, code});
		worker.send(start);
		return worker;
	};
}

/** What a worker's process is made of; `owner` marks all that it starts: `<run>/<worker>`. */
export interface WorkerFork {
	readonly owner: string;
	/** What it is called until it calls itself something. */
	readonly name: string;
	readonly kind: WorkerKind;
	readonly listener: WorkerListener;
	/** What it shares with others; `null`: it does without. */
	readonly code: CompiledCode | null;
}

/** A forked worker, from its fork to the end of all that it started. */
export class WorkerProcess implements WorkerHandle {
	readonly #owner: string;
	readonly #child: ChildProcess;
	/** Nothing that it started is older. */
	readonly startTime: string | null;
	readonly #closed: Promise<void>;
	readonly #code: CompiledCode | null;
	/** It was forked with code, and has not been heard since. */
	#isTryingCode: boolean;
	/** Who is told what it says and when it ends; from then on somebody else, where it is handed over. */
	listener: WorkerListener;
	/** Of what it says that its listener does not hear, and so does not count. */
	readonly #unheard = new RateLimit(UNHEARD, systemClock);
	#isFlooding = false;
	#isOver = false;
	#isOutOfMemory = false;

	/** Throws where the system has no memory for it. */
	constructor({owner, name, kind, listener, code}: WorkerFork) {
		this.#owner = owner;
		this.listener = listener;
		// What runs as source is many scripts.
		this.#code = IS_SOURCE ? null : code;
		const descriptor = this.#code?.descriptor ?? null;
		this.#isTryingCode = descriptor !== null;
		// A title has the room of the arguments (libuv: uv_set_process_title), so the name is one. The code is worker/launcher.cts's to look for.
		this.#child = fork(WORKER_MODULE, descriptor === null ? [name] : [name, '--compiled'], {
			cwd: '/',
			// A session of its own: what a terminal sends to its foreground group is for the supervisor.
			detached: true,
			env: {[MARKER]: owner, ...ONE_ARENA, ...kind.env},
			execArgv: [...kind.execArgv],
			stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...(descriptor === null ? [] : [descriptor])],
		});
		this.startTime = this.#child.pid === undefined ? null : startTimeOf(this.#child.pid);
		if (this.#child.pid !== undefined) alive.add(this.#child.pid);
		this.#closed = new Promise(resolve => this.#child.once('close', () => resolve()));
		const end = (exit: WorkerExit) => void this.#end(exit);
		this.#child.once('exit', (code, signal) => end({code, signal}));
		this.#child.on('error', () => this.#child.pid === undefined && end({code: null, signal: null}));
		this.#child.on('message', value => {
			const message = fromWorkerSchema.safeParse(value);
			if (message.success) this.#receive(message.data);
			else if (this.#bearsUnheard())
				this.listener.onOutput(`a message that is not of the protocol: ${printable(message.error.message)}`);
		});
		for (const stream of [this.#child.stdout, this.#child.stderr]) {
			if (!stream) continue;
			createInterface({input: stream}).on('line', line => {
				if (saysOutOfMemory(line)) this.#isOutOfMemory = true;
				if (line.trim() !== '') this.listener.onOutput(printable(line, 400));
			});
		}
	}

	get pid(): number | null {
		return this.#child.pid ?? null;
	}

	send(message: ToWorker): void {
		this.#send(message);
	}

	kill(): void {
		this.#child.kill('SIGKILL');
	}

	/** Resident memory in bytes, or `null` when it cannot be read (proc(5): VmRSS). */
	get rss(): number | null {
		try {
			const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
			return kilobytes === undefined ? null : Number(kilobytes) * 1024;
		} catch {
			return null;
		}
	}

	#send(message: ToWorker | ToLauncher): void {
		if (this.#child.connected) this.#child.send(message, undefined, undefined, () => {});
	}

	#receive(message: FromWorker): void {
		this.#isTryingCode = false;
		if (message.kind === 'compiled') {
			if (this.#bearsUnheard()) this.#code?.keep(this, message);
			return;
		}
		// By then it has been through all that each worker goes through.
		if (hasListed(message) && this.#code?.wants(this)) this.#send({kind: 'compile'});
		this.listener.onMessage(message);
	}

	/** Whether that much can be borne; else it is ended. */
	#bearsUnheard(): boolean {
		if (this.#unheard.take()) return true;
		if (!this.#isFlooding) this.listener.onOutput('it is ended: it says more than the supervisor has time for');
		this.#isFlooding = true;
		this.kill();
		return false;
	}

	/** A process table that cannot be read, as when descriptors are short, is tried again for a while. */
	async #sweep(): Promise<void> {
		const retry = {retries: SWEEP_RETRIES, minTimeout: SWEEP_DELAY, factor: 1};
		try {
			const {isWhole} = await pRetry(() => endMarked(this.#owner, {since: this.startTime, others: alive}), retry);
			if (!isWhole) this.listener.onOutput('what it started could not all be looked for in time');
		} catch (error) {
			this.listener.onOutput(`what it started could not be looked for: ${messageOf(error)}`);
		}
	}

	async #end(exit: WorkerExit): Promise<void> {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#code?.ended(this, {wasTryingCode: this.#isTryingCode, ...exit});
		if (this.pid !== null) {
			alive.delete(this.pid);
			signalGroup(this.pid, 'SIGKILL');
		}
		await this.#sweep();
		// Nobody holds its pipes any more, so its last words are on their way.
		await within(this.#closed, {ms: LAST_WORDS, clock: systemClock}, () => {});
		this.listener.onExit(this.#isOutOfMemory && isAbort(exit) ? {...exit, isOutOfMemory: true} : exit);
	}
}

function hasListed(message: ToSupervisor): boolean {
	return message.kind === 'heartbeat' && message.snapshot.lastListAt !== null;
}

/** Node's debugger would answer SIGUSR1, to whoever may send it. */
function debuggerOff(): string[] {
	return process.allowedNodeEnvironmentFlags.has('--disable-sigusr1') ? ['--disable-sigusr1'] : [];
}
