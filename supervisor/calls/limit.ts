import os from 'node:os';

/** What one `openclaw` call takes, in bytes: a little more than the most that was seen (328 MiB). */
const MEMORY_PER_CALL = 350 * 2 ** 20;

/** So many calls a core, all of them computing, are still answered in time: 8 on 2 cores within 5.6 s. */
const MOST_PER_CORE = 4;

/** How many `openclaw` calls this host can bear at once. */
export interface CallLimit {
	/** Calls that compute. */
	readonly limit: number;
	/** With those that wait for something while cores idle (see `idle-cores.ts`). */
	readonly most: number;
}

/**
 * One call a core, and up to four while cores idle; fewer where free memory (the control group's limit counts) is short, never none. What the
 * configuration says is kept to whatever the cores do.
 */
export function callLimit(
	configured: number | 'auto',
	cores = os.availableParallelism(),
	memory = process.availableMemory(),
): CallLimit {
	if (configured !== 'auto') return {limit: configured, most: configured};
	const bearable = Math.max(Math.floor(memory / MEMORY_PER_CALL), 1);
	return {limit: Math.min(cores, bearable), most: Math.min(cores * MOST_PER_CORE, bearable)};
}
