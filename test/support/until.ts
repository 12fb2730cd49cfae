import {setTimeout as sleep} from 'node:timers/promises';

/** How {@link until} waits. */
export interface UntilOptions {
	/** Milliseconds until it gives up. */
	readonly timeoutMs?: number;
	/** Milliseconds between two looks. */
	readonly everyMs?: number;
	/** Breaks the wait off. */
	readonly signal?: AbortSignal | undefined;
	/** Said when it gives up: what was seen instead. */
	readonly seen?: () => unknown;
}

/**
 * Waits until `look` gives something (not `undefined`, `null` or `false`) and returns it.
 * @throws after `timeoutMs` (two minutes unless told: a machine may be kept busy by others), naming what was waited for and the last error of `look`.
 */
export async function until<T>(
	what: string,
	look: () => T | Promise<T>,
	{timeoutMs = 120_000, everyMs = 50, signal, seen}: UntilOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
	const end = performance.now() + timeoutMs;
	let cause: unknown;
	for (;;) {
		signal?.throwIfAborted();
		try {
			const value = await look();
			cause = undefined;
			if (value !== undefined && value !== null && value !== false) {
				return value as Exclude<T, undefined | null | false>;
			}
		} catch (error) {
			if (error instanceof GiveUp) throw error;
			cause = error;
		}
		if (performance.now() >= end) {
			const instead = seen ? `; seen: ${describe(seen())}` : '';
			throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}${instead}`, {cause});
		}
		await sleep(everyMs, undefined, signal ? {signal} : {});
	}
}

/** Thrown by a `look` that knows that waiting on is of no use. */
export class GiveUp extends Error {}

function describe(value: unknown): string {
	return typeof value === 'string' ? value : JSON.stringify(value, undefined, 1);
}
