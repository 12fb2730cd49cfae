import type {Clock} from './clock.ts';

/** What a {@link RateLimit} allows: so many at once, and so many a second in the long run. */
export interface Rate {
	readonly burst: number;
	readonly perSecond: number;
}

/** Allows a burst, and so many a second after that. */
export class RateLimit {
	readonly #rate: Rate;
	readonly #clock: Pick<Clock, 'now'>;
	#left: number;
	#countedAt: number;

	constructor(rate: Rate, clock: Pick<Clock, 'now'>) {
		this.#rate = rate;
		this.#clock = clock;
		this.#left = rate.burst;
		this.#countedAt = clock.now();
	}

	/** Milliseconds until another is allowed; 0 where it is now. */
	get wait(): number {
		this.#refill();
		return Math.max(((1 - this.#left) / this.#rate.perSecond) * 1000, 0);
	}

	/** Uses one up, if it is allowed, and says whether it was. */
	take(): boolean {
		this.#refill();
		if (this.#left < 1) return false;
		this.#left--;
		return true;
	}

	/** So many more are used up, whether they are allowed or not: the next ones wait the longer. */
	charge(count: number): void {
		this.#refill();
		this.#left -= count;
	}

	/** One that was used up is allowed again. */
	giveBack(): void {
		this.#left = Math.min(this.#left + 1, this.#rate.burst);
	}

	#refill(): void {
		const now = this.#clock.now();
		this.#left = Math.min(this.#left + ((now - this.#countedAt) / 1000) * this.#rate.perSecond, this.#rate.burst);
		this.#countedAt = now;
	}
}
