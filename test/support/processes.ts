// Processes that the tests start: what they may see, how one is run to its end, and how a group of them is ended.
import {type ChildProcess, spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {delimiter, join, resolve} from 'node:path';
import {guardGroup, unguard} from './guard.ts';
import {until} from './until.ts';

const root = resolve(import.meta.dirname, '../..');
const stopTimeoutMs = 10_000;
const callTimeoutMs = 180_000;

/** What a process that OpenClaw or pairkeeper is started from may see: nothing of the test runner, Node 24 first. */
export function plainEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
	const path = [join(root, 'node_modules/.bin'), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);
	return {PATH: path, LANG: 'C.UTF-8', NO_COLOR: '1', ...extra};
}

/** What a finished command left behind. */
export interface CallResult {
	/** `null` after a signal. */
	readonly exitCode: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** How one command is run. */
export interface CallOptions {
	/** Added to the plain environment, and in a sandbox to the sandbox's own. */
	readonly env?: NodeJS.ProcessEnv;
	readonly cwd?: string;
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal | undefined;
}

/** Runs a command to its end, with its output; its process group is ended at the time limit and on `signal`. */
export async function runCommand(command: readonly string[], options: CallOptions = {}): Promise<CallResult> {
	const {env = {}, cwd = '/', timeoutMs = callTimeoutMs, signal} = options;
	signal?.throwIfAborted();
	const [file = '', ...args] = command;
	const child = spawn(file, args, {
		cwd,
		env: plainEnvironment(env),
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: true,
	});
	if (child.pid !== undefined) guardGroup(child.pid);
	let late = false;
	const timer = setTimeout(() => {
		late = true;
		if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
	}, timeoutMs);
	const abort = () => child.pid !== undefined && signalGroup(child.pid, 'SIGKILL');
	signal?.addEventListener('abort', abort);
	try {
		const [exitCode, stdout, stderr] = await Promise.all([
			new Promise<number | null>((done, fail) => {
				child.on('error', fail);
				child.on('close', done);
			}),
			text(child.stdout),
			text(child.stderr),
		]);
		signal?.throwIfAborted();
		if (late) throw new Error(`${command.join(' ')} took longer than ${timeoutMs / 1000} s:\n${stderr}${stdout}`);
		return {exitCode, stdout, stderr};
	} finally {
		clearTimeout(timer);
		signal?.removeEventListener('abort', abort);
		if (child.pid !== undefined) unguard(child.pid);
	}
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
	let all = '';
	stream.setEncoding('utf8');
	for await (const chunk of stream) all += chunk;
	return all;
}

/** True once this process has ended. */
export function hasEnded(child: ChildProcess): boolean {
	return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Whether a process lives; a zombie does not. */
export function isAlive(pid: number): boolean {
	try {
		return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
	} catch {
		return false;
	}
}

/** Ends a child that leads its own process group, and the whole group: SIGTERM, SIGKILL after 10 s. */
export async function endGroup(child: ChildProcess): Promise<void> {
	const {pid} = child;
	if (pid === undefined) return;
	const ended = () => !signalGroup(pid, 0);
	signalGroup(pid, 'SIGTERM');
	// A stopped process would not act on it.
	signalGroup(pid, 'SIGCONT');
	try {
		await until('the end of a process group', ended, {timeoutMs: stopTimeoutMs, everyMs: 20});
	} catch {
		signalGroup(pid, 'SIGKILL');
		await until('the end of a killed process group', ended, {everyMs: 20});
	}
	unguard(pid);
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		return process.kill(-pid, signal);
	} catch {
		return false;
	}
}
