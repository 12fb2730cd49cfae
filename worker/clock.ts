/** Time as the program sees it; a test hands in one that it moves itself. */
export interface Clock {
	/** Milliseconds on CLOCK_MONOTONIC: the same scale in every process until the next boot, deaf to changes of the wall clock. */
	now(): number;
	/** Wall clock, milliseconds since the epoch: only for people and for comparing with times that OpenClaw wrote. */
	wall(): number;
	/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest time a Node timer can wait, in milliseconds; beyond it `setTimeout` fires at once. */
export const MAX_TIMER = 2 ** 31 - 1;

/** The clocks of this machine. */
export const systemClock: Clock = {
	now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
	wall: () => Date.now(),
	sleep: (ms, signal) =>
		new Promise(resolve => {
			if (signal?.aborted) {
				resolve();
				return;
			}
			const timer = setTimeout(done, Math.min(Math.max(ms, 0), MAX_TIMER));
			signal?.addEventListener('abort', done, {once: true});
			function done(): void {
				clearTimeout(timer);
				signal?.removeEventListener('abort', done);
				resolve();
			}
		}),
};

/** ISO 8601 UTC for a wall-clock time in milliseconds. */
export function isoTime(wall: number): string {
	return new Date(wall).toISOString();
}
