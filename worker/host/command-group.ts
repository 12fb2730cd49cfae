import type {ChildProcess} from 'node:child_process';
import pTimeout from 'p-timeout';
import {startTimeOf} from './process-table.ts';
import {endProcess, signalGroup, treeBelow} from './processes.ts';
import {sweepLater} from './sweeper.ts';

/** Between SIGTERM and SIGKILL, in milliseconds: a command is over within a second after its bound. */
const GRACE = 500;

/** A program with its arguments and whole environment, ready to be run without a shell. */
export interface Command {
	readonly file: string;
	readonly args: readonly string[];
	readonly env: NodeJS.ProcessEnv;
	/** Said to it first; then its input stays open for as long as it is wanted. `null`: it has no input. */
	readonly input?: string | null;
}

/** The process groups of the commands under way: their leaders' pids, and when those started. */
const running = new Map<number, string | null>();

/** SIGKILLs every command under way, at once. For a worker that must not outlive its supervisor. */
export function killCommands(): void {
	for (const leader of running.keys()) signalGroup(leader, 'SIGKILL');
}

/** A command that was started just now, and leads a process group of its own: {@link killCommands} reaches it until {@link endCommand} is over. */
export function adoptCommand(leader: number): void {
	running.set(leader, startTimeOf(leader));
}

/**
 * Ends what is left of a command: its process group, and where it had to be made to end, all that hangs on it. What has left the group but carries `owner`
 * is looked for afterwards, and not waited for: how long that takes is decided by who else runs processes on this host.
 */
export async function endCommand(subprocess: ChildProcess, leader: number, owner: string): Promise<void> {
	const startTime = running.get(leader) ?? null;
	try {
		const isOver = subprocess.exitCode !== null || subprocess.signalCode !== null;
		if (!isOver) {
			// A child in a pid namespace of its own carries no marker that counts; it may outlive what it hangs on.
			const before = treeBelow(leader);
			signalGroup(leader, 'SIGTERM');
			const closed = new Promise<void>(resolve => subprocess.once('exit', () => resolve()));
			await pTimeout(closed, {milliseconds: GRACE, fallback: () => {}});
			for (const each of [...treeBelow(leader), ...before]) endProcess(each);
		}
		// Nobody else's group, should the pid have been given to another process by now.
		const now = startTimeOf(leader);
		if (now === null || now === startTime) signalGroup(leader, 'SIGKILL');
		subprocess.stdin?.destroy();
		subprocess.stdout?.destroy();
		subprocess.stderr?.destroy();
	} finally {
		running.delete(leader);
		sweepLater(owner, startTime);
	}
}
