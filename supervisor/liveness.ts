/** Why a living worker has to be ended. */
export type Ailment = 'hang' | 'stalled' | 'memory';

/** What the supervisor has seen of a worker; times are monotonic milliseconds. */
export interface Vitals {
	/** When it last said anything; its start before that. */
	readonly lastBeatAt: number;
	/** When its loop last took a step, or got a turn. */
	readonly lastStepAt: number;
	/** The host owes it a turn, so that it cannot go on. */
	readonly isWaitingForTurn: boolean;
	/** Resident memory in bytes, `null` where it could not be read. */
	readonly rss: number | null;
}

/** What a worker may do; milliseconds and bytes. */
export interface Limits {
	readonly heartbeatTimeout: number;
	/** The longest its loop may stay in one step. */
	readonly stepTimeout: number;
	readonly workerMemory: number;
}

/** What is wrong with a worker, or `null`. A stopped process and a blocked event loop are silent; a loop that waits for ever still beats. */
export function diagnose(
	{lastBeatAt, lastStepAt, isWaitingForTurn, rss}: Vitals,
	limits: Limits,
	now: number,
): Ailment | null {
	if (rss !== null && rss > limits.workerMemory) return 'memory';
	if (now - lastBeatAt > limits.heartbeatTimeout) return 'hang';
	if (!isWaitingForTurn && now - lastStepAt > limits.stepTimeout) return 'stalled';
	return null;
}

/** The longest step of a loop with these bounds: a whole interval, or a whole call with its end; and as much again as silence is borne. */
export function stepTimeout(bounds: {
	readonly slowInterval: number;
	readonly fastInterval: number;
	readonly fastReentryInterval: number;
	readonly runTimeout: number;
	readonly heartbeatTimeout: number;
}): number {
	const {slowInterval, fastInterval, fastReentryInterval, runTimeout, heartbeatTimeout} = bounds;
	return Math.max(slowInterval, fastInterval, fastReentryInterval, runTimeout + 1000) + heartbeatTimeout;
}
