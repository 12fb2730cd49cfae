import type {Clock} from '../clock.ts';

/** Allows a burst, and so many a second after that. */
export class TokenBucket {
	readonly #size: number;
	readonly #perSecond: number;
	readonly #clock: Clock;
	#tokens: number;
	#filledAt: number;

	constructor({size, perSecond}: {readonly size: number; readonly perSecond: number}, clock: Clock) {
		this.#size = size;
		this.#perSecond = perSecond;
		this.#clock = clock;
		this.#tokens = size;
		this.#filledAt = clock.now();
	}

	/** Milliseconds until there is a token; 0 where there is one. */
	get wait(): number {
		this.#fill();
		return Math.max(((1 - this.#tokens) / this.#perSecond) * 1000, 0);
	}

	/** Takes a token, which there must be. */
	take(): void {
		this.#fill();
		this.#tokens--;
	}

	/** A token that was taken is given back. */
	giveBack(): void {
		this.#tokens = Math.min(this.#tokens + 1, this.#size);
	}

	#fill(): void {
		const now = this.#clock.now();
		this.#tokens = Math.min(this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond, this.#size);
		this.#filledAt = now;
	}
}
