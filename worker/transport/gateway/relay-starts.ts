import type {Clock} from '../../clock.ts';

/** How many relays are started in an hour, whatever becomes of them. */
const MOST = 60;
const HOUR = 3_600_000;

/** Counts the starts of relays in one sandbox. */
export class RelayStarts {
	readonly #clock: Clock;
	#times: number[] = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Whether all starts of the last hour are used up. */
	get areUsedUp(): boolean {
		const now = this.#clock.now();
		this.#times = this.#times.filter(time => now - time < HOUR);
		return this.#times.length >= MOST;
	}

	/** Takes one, unless they are used up; says whether it did. */
	take(): boolean {
		if (this.areUsedUp) return false;
		this.#times.push(this.#clock.now());
		return true;
	}
}
