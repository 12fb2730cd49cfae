import type {Readable} from 'node:stream';
import {execa} from 'execa';
import pTimeout, {TimeoutError} from 'p-timeout';
import {ClientError} from '../client-error.ts';
import {adoptCommand, type Command, endCommand} from './command-group.ts';

/** How long a command's own children may keep its output open after it has ended, in milliseconds. */
const LINGER = 500;

/** The most that is read of one command's output, in bytes. */
const MAX_STDOUT = 4 * 2 ** 20;
const MAX_STDERR = 2 ** 18;

/** What came of a command that ended by itself. `code` is `null` after a signal. */
export interface CommandResult {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** What a command is held to. `timeout` in milliseconds, `maxOutput` in bytes; `owner` marks what it starts. */
interface Bounds {
	readonly timeout: number;
	readonly owner: string;
	readonly signal: AbortSignal;
	readonly maxOutput?: number;
}

/**
 * Runs a command as a process group of its own, in `/`, and returns what it said. After `timeout` milliseconds, or when `signal` aborts, the
 * whole group gets SIGTERM and at most half a second later SIGKILL, as does whatever else carries `owner`. Throws a {@link ClientError}, or the
 * signal's reason.
 */
export async function runCommand(
	{file, args, env, input = null}: Command,
	{timeout, owner, signal, maxOutput = MAX_STDOUT}: Bounds,
): Promise<CommandResult> {
	signal.throwIfAborted();
	const call = execa(file, args, {
		cwd: '/',
		env,
		extendEnv: false,
		detached: true,
		cleanup: false,
		reject: false,
		stdin: input === null ? 'ignore' : 'pipe',
		// With its own buffer, execa puts all output into an error message, escaped to six times its size: a flood would cost hundreds of megabytes.
		buffer: false,
	});
	const subprocess = call.nodeChildProcess;
	// It may end before it has read anything.
	if (input !== null) subprocess.stdin?.on('error', () => {}).write(input);
	const {promise: flooded, reject: flood} = Promise.withResolvers<never>();
	const stdout = collect(subprocess.stdout, maxOutput, flood);
	const stderr = collect(subprocess.stderr, MAX_STDERR, flood);
	const leader = subprocess.pid;
	if (leader !== undefined) adoptCommand(leader);
	const exited = new Promise<Ended>(resolve => subprocess.once('exit', (code, signal) => resolve({code, signal})));
	const closed = new Promise<void>(resolve => subprocess.once('close', () => resolve()));
	const failed = call.then(result => (leader === undefined ? Promise.reject(notStarted(file, result)) : exited));
	try {
		const {code} = await pTimeout(Promise.race([exited, failed, flooded]), {milliseconds: timeout, signal});
		// A child that keeps the pipes open after the command has ended must not hold the answer back.
		await pTimeout(closed, {milliseconds: LINGER, fallback: () => {}});
		return {code, stdout: stdout(), stderr: stderr()};
	} catch (error) {
		if (error instanceof TimeoutError) {
			throw new ClientError('timeout', `no answer within ${Number((timeout / 1000).toFixed(1))} s; the call was ended`);
		}
		throw error;
	} finally {
		if (leader !== undefined) await endCommand(subprocess, leader, owner);
	}
}

interface Ended {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
}

function notStarted(
	file: string,
	{code, shortMessage}: {readonly code?: string | undefined; readonly shortMessage?: string | undefined},
): ClientError {
	return new ClientError('unreachable', `${file} could not be started (${code ?? shortMessage})`);
}

/** Collects a stream's output, which the returned function gives as text. Beyond `limit` bytes it drops everything, stops reading and calls `flood`. */
function collect(stream: Readable | null, limit: number, flood: (error: ClientError) => void): () => string {
	let chunks: Buffer[] = [];
	let size = 0;
	stream?.on('data', (chunk: Buffer) => {
		size += chunk.length;
		if (size <= limit) {
			chunks.push(chunk);
			return;
		}
		chunks = [];
		stream.destroy();
		flood(new ClientError('unreadable', `the output was larger than ${limit / 2 ** 20} MiB and was cut off`));
	});
	return () => Buffer.concat(chunks).toString('utf8');
}
