import type {ExitReason} from '../status/schema.ts';

/** In what way a living worker fails, so that it has to be ended. */
export type LivenessFailure = Extract<ExitReason, 'hang' | 'stalled' | 'memory'>;

/** What the supervisor has seen of a worker; times are monotonic milliseconds. */
export interface Observation {
	/** When it last said anything; its start before that. */
	readonly lastBeatAt: number;
	/** When its loop last made progress, or a turn of its began or ended. */
	readonly lastProgressAt: number;
	/** The host owes it a turn, so that it cannot go on. */
	readonly isWaitingForTurn: boolean;
	/** Resident memory in bytes, `null` where it could not be read. */
	readonly rss: number | null;
}

/** What a worker may do; milliseconds and bytes. */
export interface Limits {
	readonly heartbeatTimeout: number;
	/** The longest its loop may take over one thing. */
	readonly progressTimeout: number;
	readonly workerMemory: number;
}

/** In what way a worker fails, or `null`. A stopped process and a blocked event loop are silent; a loop that waits for ever still beats. */
export function checkLiveness(
	{lastBeatAt, lastProgressAt, isWaitingForTurn, rss}: Observation,
	limits: Limits,
	now: number,
): LivenessFailure | null {
	if (rss !== null && rss > limits.workerMemory) return 'memory';
	if (now - lastBeatAt > limits.heartbeatTimeout) return 'hang';
	if (!isWaitingForTurn && now - lastProgressAt > limits.progressTimeout) return 'stalled';
	return null;
}

/** How long a loop with these bounds may go without progress: a whole interval, or a whole call with its end, and as much again as silence is borne. */
export function progressTimeout(bounds: {
	readonly slowInterval: number;
	readonly fastInterval: number;
	readonly fastReentryInterval: number;
	readonly runTimeout: number;
	readonly heartbeatTimeout: number;
}): number {
	const {slowInterval, fastInterval, fastReentryInterval, runTimeout, heartbeatTimeout} = bounds;
	return Math.max(slowInterval, fastInterval, fastReentryInterval, runTimeout + 1000) + heartbeatTimeout;
}
