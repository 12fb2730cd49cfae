import {readFileSync, rmSync} from 'node:fs';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import {recordSchema} from '../sandbox/record.ts';
import {shiftSchema} from '../shift.ts';
import {FileLock} from './lock.ts';
import type {InstancePaths} from './paths.ts';
import {readPrivate} from './private-file.ts';

/** A process, whatever else is going to have its pid: with the time it started, in the kernel's ticks since boot. */
const processIdentitySchema = z.object({pid: z.number(), startTime: z.string()});
export type ProcessIdentity = Readonly<z.infer<typeof processIdentitySchema>>;

/** What a supervisor writes down for the case that it is killed. Private: it holds what sandboxes have asked for. */
const stateSchema = z.object({
	schema: z.literal(2),
	bootId: z.string(),
	/** Marks the processes of this supervisor's life. */
	run: z.string(),
	shift: shiftSchema,
	workers: z.array(processIdentitySchema),
	/** Those that have left the configuration too; a name with each target that it has had. */
	sandboxes: z.array(z.object({name: z.string(), record: recordSchema})),
});
export type SupervisorState = Readonly<z.infer<typeof stateSchema>>;

/** What names this boot: a pid, a start time and a monotonic time mean something only within it. */
export function bootId(): string {
	knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
	return knownBootId;
}

let knownBootId: string | undefined;

/** What a supervisor left that was killed in this boot, or `null`: none was, or the file is not ours to believe. */
export function readState(file: string): SupervisorState | null {
	const state = stateSchema.safeParse(readPrivate(file));
	return state.success && state.data.bootId === bootId() ? state.data : null;
}

/**
 * Changes what a killed supervisor left, where there is something: for whoever works without one. Returns whether the next supervisor will find it so; one
 * that has started meanwhile keeps its own. Rejects where it cannot be written.
 */
export async function amendState(
	{lockFile, stateFile}: Pick<InstancePaths, 'lockFile' | 'stateFile'>,
	change: (state: SupervisorState) => SupervisorState,
): Promise<boolean> {
	const lock = await FileLock.acquire(lockFile);
	if (!lock) return false;
	try {
		const state = readState(stateFile);
		if (state) writeFileAtomic.sync(stateFile, JSON.stringify(change(state)), {mode: 0o600, fsync: false});
		return true;
	} finally {
		lock.release();
	}
}

/** After a clean end there is nothing to resume. */
export function forgetState(file: string): void {
	rmSync(file, {force: true});
}
