import type {ChildProcess} from 'node:child_process';
import pTimeout from 'p-timeout';
import {endMarked, signalGroup} from './processes.ts';

/** Between SIGTERM and SIGKILL, in milliseconds; with the sweep that follows, a command is over within a second after its bound. */
const GRACE = 500;

/** A program with its arguments and whole environment, ready to be run without a shell. */
export interface Command {
	readonly file: string;
	readonly args: readonly string[];
	readonly env: NodeJS.ProcessEnv;
	/** Said to it first; then its input stays open for as long as it is wanted. `null`: it has no input. */
	readonly input?: string | null;
}

/** The process groups of the commands under way, by their leaders' pids. */
const running = new Set<number>();

/** SIGKILLs every command under way, at once. For a worker that must not outlive its supervisor. */
export function killCommands(): void {
	for (const leader of running) signalGroup(leader, 'SIGKILL');
}

/** A command under way, which leads a process group of its own: {@link killCommands} reaches it until {@link endCommand} is over. */
export function adoptCommand(leader: number): void {
	running.add(leader);
}

/** Ends what is left of a command: its process group, and what has left the group but carries `owner`. */
export async function endCommand(subprocess: ChildProcess, leader: number, owner: string): Promise<void> {
	try {
		const isOver = subprocess.exitCode !== null || subprocess.signalCode !== null;
		if (!isOver) {
			signalGroup(leader, 'SIGTERM');
			const closed = new Promise<void>(resolve => subprocess.once('exit', () => resolve()));
			await pTimeout(closed, {milliseconds: GRACE, fallback: () => {}});
		}
		signalGroup(leader, 'SIGKILL');
		// Finds what has left the group by setsid(2). Where /proc cannot be read now, the supervisor's search at the worker's end finds it.
		await endMarked(owner).catch(() => 0);
		subprocess.stdin?.destroy();
		subprocess.stdout?.destroy();
		subprocess.stderr?.destroy();
	} finally {
		running.delete(leader);
	}
}
