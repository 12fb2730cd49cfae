import os from 'node:os';

/** What one `openclaw` call takes, in bytes: a little more than the most that was seen (328 MiB). */
const MEMORY_PER_CALL = 350 * 2 ** 20;

/** How many `openclaw` calls this host can bear at once: one a core, fewer where free memory (the control group's limit counts) is short, never none. */
export function callLimit(
	configured: number | 'auto',
	cores = os.availableParallelism(),
	memory = process.availableMemory(),
): number {
	return configured === 'auto' ? Math.max(Math.min(cores, Math.floor(memory / MEMORY_PER_CALL)), 1) : configured;
}
