// What processes cost.
import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';

/**
 * CPU time of a process and of all its children that have ended, in seconds. Its own as its threads' schedstat has it, in nanoseconds: an idle minute
 * is less than the tick in which utime and stime are counted. The children's are cutime and cstime (proc_pid_stat(5)).
 */
export function cpuOf(pid: number): number {
	const threads = readdirSync(`/proc/${pid}/task`).map(id => readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8'));
	const own = threads.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e9;
	const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
	const [cutime = 0, cstime = 0] = stat
		.slice(stat.lastIndexOf(')') + 2)
		.split(' ')
		.slice(13, 15)
		.map(Number);
	return own + (cutime + cstime) / Number(execFileSync('getconf', ['CLK_TCK'], {encoding: 'utf8'}));
}

/** What of a process is in memory, in bytes; proc_pid_status(5): VmRSS. */
export function residentOf(pid: number): number {
	return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** All processes that a process has started, and those that they have; parents before their children. */
export function descendantsOf(pid: number): number[] {
	const parents = new Map<number, number>();
	for (const each of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
		try {
			parents.set(each, Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1]));
		} catch {
			// It has ended meanwhile.
		}
	}
	const below = (parent: number): number[] =>
		[...parents].flatMap(([each, its]) => (its === parent ? [each, ...below(each)] : []));
	return below(pid);
}

/** What of a process is in memory, in bytes, where what it shares with others counts in part (proc(5): smaps_rollup). */
export function proportionalOf(pid: number): number {
	return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}

/** How many descriptors a process has open. */
export function descriptorsOf(pid: number): number {
	return readdirSync(`/proc/${pid}/fd`).length;
}
