import {endMarked} from './processes.ts';

/** How long one search for what commands have left may take, in milliseconds; what it does not find by then, the supervisor's at the worker's end does. */
const PATIENCE = 2000;

/** Whose processes are to be looked for, and since when, in the kernel's ticks; `null`: whenever. */
const due = new Map<string, string | null>();
let isSweeping = false;

/**
 * Ends in the background whatever carries `owner` and started at `since` or later: what has left a command's process group by setsid(2). One search at a
 * time, for all that is due, so that a host full of processes costs a worker no more than that; nobody waits for it.
 */
export function sweepLater(owner: string, since: string | null): void {
	due.set(owner, since);
	if (!isSweeping) void sweepDue();
}

async function sweepDue(): Promise<void> {
	isSweeping = true;
	while (due.size > 0) {
		const owners = [...due.keys()];
		const times = [...due.values()].map(time => Number(time ?? 0));
		due.clear();
		// Where /proc cannot be read now, the supervisor's search at the worker's end finds it.
		await endMarked(owners, {since: String(Math.min(...times)), within: PATIENCE}).catch(() => {});
	}
	isSweeping = false;
}
