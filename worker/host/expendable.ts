import {readFileSync, writeFileSync} from 'node:fs';

/** By so much a worker, and what it starts, goes before its supervisor where the host runs out of memory; the scale ends at 1000 (proc(5): oom_score_adj). */
const RAISE = 300;
const MOST = 1000;

/**
 * Tells the kernel what becomes of this process and its children where something goes wrong: short of memory, they end before the supervisor does, which
 * starts them again; in a core dump none of their memory stands, since tokens may (core(5): coredump_filter). Neither needs a privilege; where /proc
 * cannot be written, things stay as they are.
 */
export function becomeExpendable(): void {
	attempt(() => {
		const present = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'));
		writeFileSync('/proc/self/oom_score_adj', String(Math.min(present + RAISE, MOST)));
	});
	attempt(() => writeFileSync('/proc/self/coredump_filter', '0'));
}

function attempt(act: () => void): void {
	try {
		act();
	} catch {
		// Read-only, or not there.
	}
}
