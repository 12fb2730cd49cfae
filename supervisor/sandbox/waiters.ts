import {randomUUID} from 'node:crypto';
import type {Cancel, Clock} from '../../worker/clock.ts';
import type {Failure, PassSummary} from '../../worker/protocol.ts';

interface Waiter {
	readonly resolve: (outcome: PassSummary) => void;
	readonly cancel: Cancel;
}

/** Who waits for the outcome of a pass, whichever worker makes it. */
export class PassWaiters {
	readonly #clock: Clock;
	readonly #waiting = new Map<string, Waiter>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** The names by which workers are asked for the passes that are waited for. */
	get ids(): readonly string[] {
		return [...this.#waiting.keys()];
	}

	/** A new name, and the outcome of its pass: a failed one after `timeout` milliseconds. */
	add(timeout: number): {readonly id: string; readonly outcome: Promise<PassSummary>} {
		const id = randomUUID();
		const {promise, resolve} = Promise.withResolvers<PassSummary>();
		const cancel = this.#clock.after(timeout, () => this.answer([id], failedPass('no pass was finished in time')));
		this.#waiting.set(id, {resolve, cancel});
		return {id, outcome: promise};
	}

	/** Those names have their outcome. */
	answer(ids: readonly string[], outcome: PassSummary): void {
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
