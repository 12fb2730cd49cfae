import {type ChildProcess, spawn} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import which from 'which';
import {type Command, endCommand} from '../../worker/host/command-group.ts';
import {environmentFor} from '../../worker/host/environment.ts';
import {endMarked, MARKER} from '../../worker/host/processes.ts';
import {assertProgram} from '../../worker/host/trusted-program.ts';
import {messageOf, printable} from '../../worker/text.ts';
import type {Tell} from './notifier.ts';

/** The most that is kept of what it complains, in characters. */
const MAX_COMPLAINT = 400;

/** How long what a program has left is looked for, in milliseconds. */
const SWEEP = 2000;

/** Why the program of the configuration could not be run now, or `null`; its remedy with it. */
export function whyMissing([program = '']: readonly string[]): string | null {
	if (which.sync(program, {nothrow: true}) !== null) return null;
	return program.startsWith('/')
		? `there is no program ${program} that can be run; install it, or make it executable: chmod +x ${program}`
		: `there is no program ${program} in PATH; install it, or name its path: notify: [/path/to/${program}]`;
}

/** Tells the program of the configuration. `run`: marks this supervisor's processes. */
export function programTeller([file = '', ...args]: readonly string[], passEnv: readonly string[], run: string): Tell {
	return (input, signal) => {
		const env = environmentFor({kind: 'program'}, passEnv, process.env);
		return runProgram({file, args, env}, {input, owner: `${run}/notify/${randomUUID()}`, signal});
	};
}

/**
 * Runs a program as a process group of its own, in `/`, with `input` as its standard input, until it ends or `signal` aborts; then nothing that it has
 * started is left, as far as it carries `owner`. Resolves with why it failed, or `null`; never rejects.
 */
export async function runProgram(
	{file, args, env}: Command,
	{input, owner, signal}: {readonly input: string; readonly owner: string; readonly signal: AbortSignal},
): Promise<string | null> {
	if (signal.aborted) return String(signal.reason);
	try {
		// Each time: what was ours alone when the configuration was read need not be so now, and a name is looked for in PATH.
		assertProgram(file);
	} catch (error) {
		return `it is not run: ${printable(messageOf(error), MAX_COMPLAINT)}`;
	}
	let child: ChildProcess;
	try {
		child = spawn(file, args, {
			cwd: '/',
			// Without a level, `bash -c` takes our end of its input for a remote shell's, and reads its user's start-up files (bash(1), Invocation).
			env: {...env, SHLVL: '1', [MARKER]: owner},
			detached: true,
			stdio: ['pipe', 'ignore', 'pipe'],
		});
	} catch (error) {
		return `it could not be started: ${error}`;
	}
	let complaint = '';
	child.stderr?.setEncoding('utf8').on('data', (text: string) => {
		if (complaint.length < MAX_COMPLAINT) complaint += text;
	});
	// It need not read what it is told.
	child.stdin?.on('error', () => {});
	child.stdin?.end(input);
	const problem = await new Promise<string | null>(resolve => {
		child.once('error', error => resolve(`it could not be started: ${error.message}`));
		child.once('exit', (code, ended) => resolve(code === 0 ? null : `it ended with ${code ?? ended}`));
		signal.addEventListener('abort', () => resolve(String(signal.reason)), {once: true});
	});
	if (child.pid !== undefined) {
		await endCommand(child, child.pid, owner).catch(() => {});
		// It is waited for here, where nobody needs the time: we may be about to end.
		await endMarked(owner, {within: SWEEP}).catch(() => {});
	}
	if (problem === null) return null;
	return complaint.trim() === '' ? problem : `${problem}: ${printable(complaint, MAX_COMPLAINT)}`;
}
