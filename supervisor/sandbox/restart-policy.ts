import type {ExitReason} from '../status/schema.ts';

/** How eagerly a worker is started again; durations in milliseconds. */
export interface RestartPolicy {
	readonly minDelay: number;
	readonly maxDelay: number;
	readonly stableAfter: number;
}

/** Exits in a row before `stableAfter` that make a crash loop. */
const LOOPING_AFTER = 3;

export interface Restart {
	/** Milliseconds to wait before the next worker. */
	readonly delay: number;
	/** Exits in a row, this one included, of workers that had not become stable. */
	readonly unstableExits: number;
}

/**
 * When to start the next worker, after one that lived for `lifetime` milliseconds. A stable one is replaced at once; else the delay doubles from `minDelay` to
 * `maxDelay` with each exit in a row, less a random part of at most half, so that workers that fell together do not rise together.
 */
export function nextRestart(
	policy: RestartPolicy,
	unstableExits: number,
	lifetime: number,
	random: () => number = Math.random,
): Restart {
	if (lifetime >= policy.stableAfter) return {delay: 0, unstableExits: 0};
	const longest = Math.min(policy.minDelay * 2 ** Math.min(unstableExits, 32), policy.maxDelay);
	const delay = Math.max(longest * (1 - random() / 2), policy.minDelay);
	return {delay, unstableExits: unstableExits + 1};
}

/** Whether a worker that has lived for `lifetime` milliseconds, after that many unstable exits, is part of a crash loop. */
export function isCrashLooping(policy: RestartPolicy, unstableExits: number, lifetime: number): boolean {
	return unstableExits >= LOOPING_AFTER && lifetime < policy.stableAfter;
}

/**
 * Whether the end of a worker may be its gateway's doing: what it sends can fill a worker's memory or keep it from beating. A crash may be anybody's; a
 * second one in a row is taken for the gateway's too.
 */
export function isBlamedOnGateway(reason: ExitReason, unstableExits: number): boolean {
	return reason === 'memory' || reason === 'hang' || (reason === 'crash' && unstableExits > 1);
}
