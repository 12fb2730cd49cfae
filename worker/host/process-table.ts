import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {open, readdir} from 'node:fs/promises';

/** What the kernel says of a process at little cost, to anybody (proc(5): /proc/pid/stat). */
export interface ProcessStat {
	/** Its own, without a program of any user's. */
	readonly isKernelThread: boolean;
	/** In the kernel's ticks since boot; with the pid it names a process for good. */
	readonly startTime: string;
}

/** The processes of this host, as far as we may see them. What is gone, or may not be seen, is `null`. */
export interface ProcessTable {
	/** Rejects where it cannot be read at all. */
	pids(): Promise<readonly number[]>;
	stat(pid: number): ProcessStat | null;
	/** Names the process's pid namespace. */
	namespaceOf(pid: number): string | null;
	/** Whether it runs as the same user as we do, by what the kernel says of its credentials: the owner of its files in /proc may be root all the same. */
	isOurs(pid: number): boolean;
	/** The beginning of the environment that the process was started with, `bytes` at most. */
	environmentOf(pid: number, bytes: number): Promise<string | null>;
	/** The children of all its threads that live, by their pids. */
	childrenOf(pid: number): readonly number[];
}

/** PF_KTHREAD (include/linux/sched.h). */
const KERNEL_THREAD = 0x0020_0000;

/** More threads of one process are not asked for their children. */
const MAX_THREADS = 256;

/** A table in /proc. */
export const procTable: ProcessTable = {
	pids: async () => (await readdir('/proc')).map(Number).filter(Number.isInteger),
	stat: statOf,
	namespaceOf: pid => tried(() => readlinkSync(`/proc/${pid}/ns/pid`)),
	isOurs: pid => {
		const status = tried(() => readFileSync(`/proc/${pid}/status`, 'latin1')) ?? '';
		return Number(/^Uid:\t\d+\t(\d+)/m.exec(status)?.[1] ?? Number.NaN) === process.geteuid?.();
	},
	environmentOf: async (pid, bytes) => {
		try {
			return await readStart(`/proc/${pid}/environ`, bytes);
		} catch {
			return null;
		}
	},
	// Absent where the kernel was built without it.
	childrenOf: pid => {
		const threads = tried(() => readdirSync(`/proc/${pid}/task`)) ?? [];
		return threads.slice(0, MAX_THREADS).flatMap(thread => {
			const text = tried(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')) ?? '';
			return text.split(' ').map(Number).filter(Boolean);
		});
	},
};

/** When a process started; `null` when it is gone. */
export function startTimeOf(pid: number): string | null {
	return statOf(pid)?.startTime ?? null;
}

function statOf(pid: number): ProcessStat | null {
	return tried(() => {
		const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
		// The second field is the name in parentheses, which may hold anything; the 9th are flags, the 22nd is the start time.
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		const startTime = fields[19];
		return startTime === undefined ? null : {isKernelThread: (Number(fields[6]) & KERNEL_THREAD) !== 0, startTime};
	});
}

function tried<T>(read: () => T): T | null {
	try {
		return read();
	} catch {
		return null;
	}
}

async function readStart(file: string, bytes: number): Promise<string> {
	const handle = await open(file);
	try {
		const buffer = Buffer.alloc(bytes);
		let length = 0;
		while (length < bytes) {
			const {bytesRead} = await handle.read(buffer, length, bytes - length, null);
			if (bytesRead === 0) break;
			length += bytesRead;
		}
		return buffer.toString('latin1', 0, length);
	} finally {
		await handle.close();
	}
}
