import {closeSync, constants, fstatSync, openSync, readFileSync, rmSync} from 'node:fs';
import * as z from 'zod';
import {checkpointSchema} from '../worker/checkpoint.ts';
import {endMarked, signalPid} from '../worker/host/processes.ts';
import {sandboxStatusSchema} from './status.ts';

/** What outlives a sandbox's worker: its counters and what the next worker is handed. */
export const memorySchema = z.object({
	checkpoint: checkpointSchema.nullable(),
	unstableExits: z.number(),
	/** The gateway made a worker grow beyond its memory. Times are monotonic milliseconds. */
	avoidance: z.object({until: z.number(), length: z.number()}).nullable(),
	...sandboxStatusSchema.pick({
		restarts: true,
		approved: true,
		refused: true,
		lastListAt: true,
		lastExit: true,
		lastApproval: true,
		lastRefusal: true,
	}).shape,
});
export type SandboxMemory = Readonly<z.infer<typeof memorySchema>>;

const processSchema = z.object({pid: z.number(), startTime: z.string()});

const stateSchema = z.object({
	schema: z.literal(1),
	bootId: z.string(),
	/** Marks the processes of this supervisor's life. */
	run: z.string(),
	/** Monotonic and wall-clock milliseconds at which the shift began. */
	shift: z.object({
		startedAt: z.number(),
		deadlineAt: z.number().nullable(),
		deadline: z.number().nullable(),
		deadlineWall: z.string().nullable(),
	}),
	workers: z.array(processSchema),
	sandboxes: z.record(z.string(), memorySchema),
});
export type SupervisorState = Readonly<z.infer<typeof stateSchema>>;

/** What names this boot: a pid, a start time and a monotonic time mean something only within it. */
export function bootId(): string {
	knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
	return knownBootId;
}

let knownBootId: string | undefined;

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

/** What a supervisor left that was killed in this boot, or `null`: none was, or the file is not ours to believe. */
export function readState(file: string): SupervisorState | null {
	try {
		const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
		try {
			const {uid, mode} = fstatSync(descriptor);
			if (uid !== process.getuid?.() || (mode & 0o077) !== 0) return null;
			const state = stateSchema.safeParse(JSON.parse(readFileSync(descriptor, 'utf8')));
			return state.success && state.data.bootId === bootId() ? state.data : null;
		} finally {
			closeSync(descriptor);
		}
	} catch {
		return null;
	}
}

/** What is remembered of a sandbox, or `null`. A sandbox may be called `constructor`. */
export function memoryOf(sandboxes: SupervisorState['sandboxes'], name: string): SandboxMemory | null {
	return Object.hasOwn(sandboxes, name) ? (sandboxes[name] ?? null) : null;
}

/** Ends what a killed supervisor left: its workers, and all that carries its mark. Returns how many processes that were. */
export async function endLeftovers({run, workers}: SupervisorState): Promise<number> {
	const alive = workers.filter(({pid, startTime}) => startTimeOf(pid) === startTime);
	for (const {pid} of alive) signalPid(pid, 'SIGKILL');
	return Math.max(await endMarked(run), alive.length);
}

/** After a clean end there is nothing to resume. */
export function forgetState(file: string): void {
	rmSync(file, {force: true});
}
