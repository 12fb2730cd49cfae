/** Time as the program sees it; a test hands in one that it moves itself. */
export interface Clock {
	/** Milliseconds on CLOCK_MONOTONIC: the same scale in every process until the next boot, deaf to changes of the wall clock. */
	now(): number;
	/** Wall clock, milliseconds since the epoch: only for people and for comparing with times that OpenClaw wrote. */
	wall(): number;
	/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/** A sleep of `ms` at most. */
	doze(ms: number): Doze;
	/** Calls `act` once, after `ms`; the function that is returned takes that back. */
	after(ms: number, act: () => void): Cancel;
}

/** A sleep that can be ended; cheaper than one that a signal ends, which takes a controller each time. */
export interface Doze {
	/** Resolves with its end. */
	readonly over: Promise<void>;
	/** Ends it; harmless once it is over. */
	readonly wake: () => void;
}

/** Takes back what was to happen; harmless once it has. */
export type Cancel = () => void;

/** The longest time a Node timer can wait, in milliseconds; beyond it `setTimeout` fires at once. */
export const MAX_TIMER = 2 ** 31 - 1;

/** The clocks of this machine. */
export const systemClock: Clock = {
	now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
	wall: () => Date.now(),
	sleep: (ms, signal) => sleepBy(doze, ms, signal),
	doze,
	after: (ms, act) => {
		const timer = setTimeout(act, timerLength(ms));
		return () => clearTimeout(timer);
	},
};

/** A sleep, made of such a doze; it ends at once when the signal aborts, and never rejects. */
export async function sleepBy(doze: Clock['doze'], ms: number, signal?: AbortSignal): Promise<void> {
	if (signal?.aborted) return;
	const {over, wake} = doze(ms);
	signal?.addEventListener('abort', wake);
	await over;
	signal?.removeEventListener('abort', wake);
}

function doze(ms: number): Doze {
	const {promise, resolve} = Promise.withResolvers<void>();
	const timer = setTimeout(resolve, timerLength(ms));
	const wake = () => {
		clearTimeout(timer);
		resolve();
	};
	return {over: promise, wake};
}

function timerLength(ms: number): number {
	return Math.min(Math.max(ms, 0), MAX_TIMER);
}

/**
 * What `promise` gives, or, where that takes longer than `ms` milliseconds, what `late` gives. Rejects with the reason of `signal` when that aborts before.
 * What becomes of `promise` afterwards is passed over. Not by p-timeout, which knows no clock but the machine's.
 */
export async function within<T>(
	promise: Promise<T>,
	{ms, clock, signal}: {readonly ms: number; readonly clock: Pick<Clock, 'sleep'>; readonly signal?: AbortSignal},
	late: () => T | Promise<T>,
): Promise<T> {
	const over = new AbortController();
	const timeUp = clock.sleep(ms, signal ? AbortSignal.any([signal, over.signal]) : over.signal).then(() => {
		signal?.throwIfAborted();
		return over.signal.aborted ? promise : late();
	});
	try {
		return await Promise.race([promise, timeUp]);
	} finally {
		over.abort('over');
	}
}

/** Calls `act` again and again, `ms` apart, until the function that is returned is called. */
export function every(clock: Clock, ms: number, act: () => void): Cancel {
	let cancel: Cancel;
	const next = () => {
		cancel = clock.after(ms, () => {
			next();
			act();
		});
	};
	next();
	return () => cancel();
}

/** ISO 8601 UTC for a wall-clock time in milliseconds. */
export function isoTime(wall: number): string {
	return new Date(wall).toISOString();
}
