import type {Clock} from '../clock.ts';

/** Passes that events may start without a result before they are rationed, and how many a second after that. */
const BURST = 20;
const PER_SECOND = 1;

/** Events a second above which a gateway is said to flood, and for how long that is said, in milliseconds. */
const FLOOD = 200;
const FLOOD_MEMORY = 60_000;

/**
 * Turns a gateway's events into wakes. Each wakes at once, as long as the passes that follow find something to approve; events that lead to nothing
 * are rationed, so that a gateway that announces without end costs no more than a pass a second.
 */
export class EventWakes {
	readonly #wake: () => void;
	readonly #clock: Clock;
	#tokens = BURST;
	#refilledAt: number;
	#isScheduled = false;
	/** A pass has been asked for that is not over: what is announced meanwhile costs nothing more. */
	#isPaid = false;
	#second = 0;
	#events = 0;
	#floodedAt = Number.NEGATIVE_INFINITY;

	constructor(wake: () => void, clock: Clock) {
		this.#wake = wake;
		this.#clock = clock;
		this.#refilledAt = clock.now();
	}

	/** The gateway has announced far more than a sandbox's clients ask. */
	get isFlooded(): boolean {
		return this.#clock.now() - this.#floodedAt < FLOOD_MEMORY;
	}

	/** A request was announced. */
	announce(): void {
		this.#count();
		if (this.#isPaid) {
			this.#wake();
			return;
		}
		if (this.#isScheduled) return;
		this.#refill();
		if (this.#tokens >= 1) {
			this.#tokens--;
			this.#isPaid = true;
			this.#wake();
			return;
		}
		this.#isScheduled = true;
		void this.#clock.sleep(1000 / PER_SECOND).then(() => {
			this.#isScheduled = false;
			this.#wake();
		});
	}

	/** A pass is over and approved that many: their announcements were worth it. */
	reward(approved: number): void {
		this.#isPaid = false;
		this.#tokens = Math.min(this.#tokens + approved, BURST);
	}

	#refill(): void {
		const now = this.#clock.now();
		this.#tokens = Math.min(this.#tokens + ((now - this.#refilledAt) / 1000) * PER_SECOND, BURST);
		this.#refilledAt = now;
	}

	#count(): void {
		const second = Math.floor(this.#clock.now() / 1000);
		this.#events = second === this.#second ? this.#events + 1 : 1;
		this.#second = second;
		if (this.#events > FLOOD) this.#floodedAt = this.#clock.now();
	}
}
