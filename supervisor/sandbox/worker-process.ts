import {type ChildProcess, fork} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import pRetry from 'p-retry';
import {systemClock, within} from '../../worker/clock.ts';
import {workerEnvironment} from '../../worker/host/environment.ts';
import {startTimeOf} from '../../worker/host/process-table.ts';
import {endMarked, MARKER, signalGroup} from '../../worker/host/processes.ts';
import {type ToSupervisor, type ToWorker, toSupervisorSchema} from '../../worker/protocol.ts';
import {messageOf, printable} from '../../worker/text.ts';
import {heapLimits, isAbort, saysOutOfMemory} from './heap-limit.ts';

/** The module a worker runs: as source where we run as source, else bundled, as we are into dist/supervisor/. */
const WORKER_MODULE = fileURLToPath(
	new URL(import.meta.url.endsWith('.ts') ? '../../worker/main.ts' : '../worker/main.js', import.meta.url),
);

/** How long the last output of an ended worker is waited for, in milliseconds. */
const LAST_WORDS = 250;

/** How often, and how far apart in milliseconds, the leftovers of a worker are looked for again where that failed. */
const SWEEP_RETRIES = 19;
const SWEEP_DELAY = 250;

export interface WorkerExit {
	readonly code: number | null;
	readonly signal: string | null;
	/** Its heap was at its limit. */
	readonly isOutOfMemory?: boolean;
}

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

/** Starts a worker that may have so many bytes of memory. Throws where the system has no memory for it; any other start that fails is an exit. */
export type ForkWorker = (
	start: Extract<ToWorker, {kind: 'start'}>,
	listener: WorkerListener,
	workerMemory: number,
) => WorkerHandle;

/** Forks a process for the worker. */
export const forkWorker: ForkWorker = (start, listener, workerMemory) =>
	new WorkerProcess(start, listener, workerMemory);

/** A forked worker, from its fork to the end of all that it started. */
class WorkerProcess implements WorkerHandle {
	/** What marks its processes: `<run>/<worker>`. */
	readonly #owner: string;
	readonly #child: ChildProcess;
	/** Nothing that it started is older. */
	readonly startTime: string | null;
	readonly #closed: Promise<void>;
	#isOver = false;
	#isOutOfMemory = false;

	constructor(start: Extract<ToWorker, {kind: 'start'}>, listener: WorkerListener, workerMemory: number) {
		this.#owner = start.owner;
		// A title has the room of the arguments (libuv: uv_set_process_title), so the name is one.
		this.#child = fork(WORKER_MODULE, [start.config.name], {
			cwd: '/',
			// A session of its own: what a terminal sends to its foreground group is for the supervisor.
			detached: true,
			env: {[MARKER]: start.owner, ...workerEnvironment(start.config.target.exec, start.config.passEnv, process.env)},
			execArgv: [...process.execArgv, ...heapLimits(workerMemory), ...debuggerOff()],
			stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
		});
		this.startTime = this.#child.pid === undefined ? null : startTimeOf(this.#child.pid);
		this.#closed = new Promise(resolve => this.#child.once('close', () => resolve()));
		const end = (exit: WorkerExit) => void this.#end(exit, listener);
		this.#child.once('exit', (code, signal) => end({code, signal}));
		this.#child.on('error', () => this.#child.pid === undefined && end({code: null, signal: null}));
		this.#child.on('message', value => {
			const message = toSupervisorSchema.safeParse(value);
			if (message.success) listener.onMessage(message.data);
			else listener.onOutput(`a message that is not of the protocol: ${printable(message.error.message)}`);
		});
		for (const stream of [this.#child.stdout, this.#child.stderr]) {
			if (!stream) continue;
			createInterface({input: stream}).on('line', line => {
				if (saysOutOfMemory(line)) this.#isOutOfMemory = true;
				if (line.trim() !== '') listener.onOutput(printable(line, 400));
			});
		}
		this.send(start);
	}

	get pid(): number | null {
		return this.#child.pid ?? null;
	}

	send(message: ToWorker): void {
		if (this.#child.connected) this.#child.send(message, undefined, undefined, () => {});
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

	/** A process table that cannot be read, as when descriptors are short, is tried again for a while. */
	async #sweep(listener: WorkerListener): Promise<void> {
		const retry = {retries: SWEEP_RETRIES, minTimeout: SWEEP_DELAY, factor: 1};
		try {
			const {isWhole} = await pRetry(() => endMarked(this.#owner, {since: this.startTime}), retry);
			if (!isWhole) listener.onOutput('what it started could not all be looked for in time');
		} catch (error) {
			listener.onOutput(`what it started could not be looked for: ${messageOf(error)}`);
		}
	}

	async #end(exit: WorkerExit, listener: WorkerListener): Promise<void> {
		if (this.#isOver) return;
		this.#isOver = true;
		if (this.pid !== null) signalGroup(this.pid, 'SIGKILL');
		await this.#sweep(listener);
		// Nobody holds its pipes any more, so its last words are on their way.
		await within(this.#closed, {ms: LAST_WORDS, clock: systemClock}, () => {});
		listener.onExit(this.#isOutOfMemory && isAbort(exit) ? {...exit, isOutOfMemory: true} : exit);
	}
}

/** Node's debugger would answer SIGUSR1, to whoever may send it. */
function debuggerOff(): string[] {
	return process.allowedNodeEnvironmentFlags.has('--disable-sigusr1') ? ['--disable-sigusr1'] : [];
}
