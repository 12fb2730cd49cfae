import {readFileSync} from 'node:fs';
import {endMarked, signalPid} from '../../worker/host/processes.ts';
import type {SupervisorState} from './state-file.ts';

/** When a process started, in the kernel's ticks since boot; with the pid it names a process for good. `null` when it is gone. */
export function startTimeOf(pid: number): string | null {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
		// The second field is the name in parentheses, which may hold anything; the 22nd is the start time (proc(5)).
		return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
	} catch {
		return null;
	}
}

/** Those of the processes that live, in a form that outlives us. */
export function identify(pids: readonly number[]): SupervisorState['workers'] {
	return pids.flatMap(pid => {
		const startTime = startTimeOf(pid);
		return startTime === null ? [] : [{pid, startTime}];
	});
}

/** Ends what a killed supervisor left: its workers, and all that carries its mark. Returns how many processes that were. */
export async function endLeftovers({run, workers}: SupervisorState): Promise<number> {
	const alive = workers.filter(({pid, startTime}) => startTimeOf(pid) === startTime);
	for (const {pid} of alive) signalPid(pid, 'SIGKILL');
	return Math.max(await endMarked(run), alive.length);
}
