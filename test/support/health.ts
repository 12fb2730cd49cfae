// What `pairkeeper health` comes to say. It judges by how old the last list is, so on a busy machine it may say something else for a moment.
import type {Pairkeeper} from './pairkeeper.ts';
import type {CallResult} from './processes.ts';
import {until} from './until.ts';

/** The exit code of each level. */
const exitCodes = {ok: 0, degraded: 1, critical: 2} as const;

/** Waits until `pairkeeper health` exits for this level and prints such a line. @throws with what it has said last. */
export async function untilHealth(
	pairkeeper: Pairkeeper,
	level: keyof typeof exitCodes,
	line: RegExp = /^/,
): Promise<void> {
	let last: CallResult | undefined;
	await until(
		`health to be ${level}`,
		async () => {
			last = await pairkeeper.command(['health']);
			return last.exitCode === exitCodes[level] && line.test(last.stdout);
		},
		{seen: () => last},
	);
}
