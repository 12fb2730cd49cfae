import {closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {openFile, readFile} from './promised-files.ts';

/** What the kernel says of a process at little cost, to anybody (proc(5): /proc/pid/stat). */
export interface ProcessStat {
	/** Its own, without a program of any user's. */
	readonly isKernelThread: boolean;
	/** It is over, with all its threads, and nobody has asked how yet: it runs nothing and starts nothing any more. */
	readonly isZombie: boolean;
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

/** More than there can be of one (proc_pid_stat(5)): 52 fields, of 20 digits each at most, and a name of 64 bytes. */
const statBuffer = Buffer.allocUnsafeSlow(2048);

function statOf(pid: number): ProcessStat | null {
	return tried(() => {
		const descriptor = openSync(`/proc/${pid}/stat`, 'r');
		let length: number;
		try {
			length = readSync(descriptor, statBuffer);
		} finally {
			closeSync(descriptor);
		}
		const stat = statBuffer.toString('latin1', 0, length);
		// The second field is the name in parentheses, which may hold anything; the 3rd is the state, that of the first thread, the 9th are flags, the 20th
		// is how many threads there are, the 22nd is the start time.
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 20);
		const startTime = fields[19];
		if (startTime === undefined) return null;
		const isKernelThread = (Number(fields[6]) & KERNEL_THREAD) !== 0;
		const isZombie = (fields[0] === 'Z' || fields[0] === 'X') && Number(fields[17]) <= 1;
		return {isKernelThread, isZombie, startTime};
	});
}

function tried<T>(read: () => T): T | null {
	try {
		return read();
	} catch {
		return null;
	}
}

/** What the last reader has left: a search reads one environment after the other, and each buffer anew would be as much garbage. */
let spare: Buffer | null = null;

/** The beginning of a file of /proc, which comes whole or as far as it was asked for, since no more than a process's memory stands between. */
async function readStart(file: string, bytes: number): Promise<string> {
	const descriptor = await openFile(file, 'r');
	const buffer = spare?.length === bytes ? spare : Buffer.allocUnsafeSlow(bytes);
	spare = null;
	try {
		const {bytesRead} = await readFile(descriptor, buffer, 0, bytes, null);
		return buffer.toString('latin1', 0, bytesRead);
	} finally {
		spare = buffer;
		closeSync(descriptor);
	}
}
