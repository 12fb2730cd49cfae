import {spawn} from 'node:child_process';
import {Duplex, type Readable, type Writable} from 'node:stream';
import {ClientError} from '../client-error.ts';
import {adoptCommand, type Command, endCommand} from './command-group.ts';

/** The most that is kept of what a command says on stderr, in bytes. */
const MAX_STDERR = 2 ** 14;

/** A command that is under way for as long as its standard streams are wanted. */
export interface StreamCommand {
	readonly input: Writable;
	readonly output: Readable;
	/** What it has said on stderr so far: the beginning of it. */
	readonly complaints: () => string;
	/** Resolves with its exit code when it has ended; `null` after a signal, or where it could not be started. */
	readonly exited: Promise<number | null>;
	/** Both streams as one. It ends the command when it is closed. */
	asStream(): Duplex;
	/** Ends the command, and all that it has started on this host. */
	end(): void;
}

/** Starts a command as a process group of its own, in `/`; `owner` marks its processes. Throws a {@link ClientError} where it cannot be started. */
export async function streamCommand({file, args, env}: Command, owner: string): Promise<StreamCommand> {
	const subprocess = spawn(file, args, {cwd: '/', env, detached: true, stdio: 'pipe'});
	const {stdin, stdout, stderr, pid} = subprocess;
	const exited = new Promise<number | null>(resolve => subprocess.once('exit', code => resolve(code)));
	await new Promise<void>((resolve, reject) => {
		subprocess.once('spawn', resolve);
		subprocess.on('error', (error: NodeJS.ErrnoException) =>
			reject(new ClientError('unreachable', `${file} could not be started (${error.code})`)),
		);
	});
	const leader = pid ?? 0;
	adoptCommand(leader);
	let complaints = '';
	stderr.setEncoding('utf8').on('data', (text: string) => {
		complaints = `${complaints}${text}`.slice(0, MAX_STDERR);
	});
	// It may end at any time; whoever reads from it is told by its end.
	for (const stream of [stdin, stdout, stderr]) stream.on('error', () => {});
	let isEnding = false;
	const end = () => {
		if (isEnding) return;
		isEnding = true;
		stdin.destroy();
		void endCommand(subprocess, leader, owner);
	};
	return {
		input: stdin,
		output: stdout,
		complaints: () => complaints,
		exited,
		asStream: () => {
			const stream = Duplex.from({readable: stdout, writable: stdin});
			stream.on('error', () => {});
			stream.once('close', end);
			void exited.then(() => {
				// What it said last is read before; what keeps its output open after it has ended is not waited for.
				setTimeout(() => stream.destroy(), 100).unref();
			});
			return stream;
		},
		end,
	};
}
