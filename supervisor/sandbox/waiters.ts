import {randomUUID} from 'node:crypto';
import type {Cancel, Clock} from '../../worker/clock.ts';
import type {Failure, PassSummary} from '../../worker/protocol.ts';

interface Waiter<T> {
	readonly resolve: (outcome: T) => void;
	readonly cancel: Cancel;
}

/** Who waits for what a worker is asked for. */
export class Waiters<T> {
	readonly #clock: Clock;
	readonly #late: T;
	readonly #waiting = new Map<string, Waiter<T>>();

	/** `late`: what those get whose time is over. */
	constructor(clock: Clock, late: T) {
		this.#clock = clock;
		this.#late = late;
	}

	/** The names by which workers are asked for what is waited for. */
	get ids(): readonly string[] {
		return [...this.#waiting.keys()];
	}

	/** A new name, and its outcome, within `timeout` milliseconds. */
	add(timeout: number): {readonly id: string; readonly outcome: Promise<T>} {
		const id = randomUUID();
		const {promise, resolve} = Promise.withResolvers<T>();
		const cancel = this.#clock.after(timeout, () => this.answer([id], this.#late));
		this.#waiting.set(id, {resolve, cancel});
		return {id, outcome: promise};
	}

	/** Those names have their outcome. */
	answer(ids: readonly string[], outcome: T): void {
		for (const id of ids) {
			const waiter = this.#waiting.get(id);
			this.#waiting.delete(id);
			waiter?.cancel();
			waiter?.resolve(outcome);
		}
	}
}

/** A pass that did not happen, and why. */
export function failedPass(error: string, failure: Failure | null = null): PassSummary {
	return {error, failure, approved: 0, refused: 0, retries: 0, pending: 0};
}
