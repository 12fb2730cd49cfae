import type {Clock} from '../../clock.ts';
import {RateLimit} from '../../rate-limit.ts';

/** Passes that events may start without a result. */
const FUTILE = {burst: 20, perSecond: 1};

/** So many new refusals of one pass count as another futile one: each is written down, told and remembered, which costs more than the pass. */
const REFUSALS_A_PASS = 64;

/**
 * Passes that events may start at all: far more than a sandbox's clients need, hundreds that ask one after the other included; but a gateway that has
 * its own inventions approved must not keep the host busy either.
 */
const ANY = {burst: 300, perSecond: 20};

/** Events a second above which a gateway is said to flood, and for how long that is said, in milliseconds. */
const FLOOD = 200;
const FLOOD_SAID_FOR = 60_000;

/**
 * Turns a gateway's events into wakes. Each wakes at once, as long as the passes that follow find something to approve; events that lead to nothing
 * are rationed, so that a gateway that announces without end costs no more than a pass a second.
 */
export class EventWakes {
	readonly #wake: () => void;
	readonly #clock: Clock;
	readonly #futile: RateLimit;
	readonly #any: RateLimit;
	#isScheduled = false;
	/** A pass has been asked for that is not over. */
	#isPaid = false;
	/** Something was announced that this pass may have missed. */
	#isMore = false;
	#second = 0;
	#events = 0;
	#floodedAt = Number.NEGATIVE_INFINITY;

	constructor(wake: () => void, clock: Clock) {
		this.#wake = wake;
		this.#clock = clock;
		this.#futile = new RateLimit(FUTILE, clock);
		this.#any = new RateLimit(ANY, clock);
	}

	/** The gateway has announced far more than a sandbox's clients ask. */
	get isFlooded(): boolean {
		return this.#clock.now() - this.#floodedAt < FLOOD_SAID_FOR;
	}

	/** A request was announced. */
	announce(): void {
		this.#count();
		if (this.#isPaid) this.#isMore = true;
		else if (!this.#isScheduled) this.#wakeInTime();
	}

	/** A pass begins: what was announced so far is in it. */
	passBegins(): void {
		this.#isMore = false;
	}

	/** A pass is over, approved that many and refused that many anew; where it approved none, the announcement that led to it was for nothing. */
	passEnded({approved, refused}: {readonly approved: number; readonly refused: number}): void {
		this.#isPaid = false;
		if (approved > 0) this.#futile.giveBack();
		this.#futile.charge(Math.floor(refused / REFUSALS_A_PASS));
		if (this.#isMore && !this.#isScheduled) this.#wakeInTime();
		this.#isMore = false;
	}

	/** Wakes at once, or as soon as it may. */
	#wakeInTime(): void {
		const wait = Math.max(this.#futile.wait, this.#any.wait);
		this.#isScheduled = wait > 0;
		if (wait > 0) {
			this.#clock.after(wait, () => this.#wakeInTime());
			return;
		}
		this.#futile.take();
		this.#any.take();
		this.#isPaid = true;
		this.#wake();
	}

	#count(): void {
		const second = Math.floor(this.#clock.now() / 1000);
		this.#events = second === this.#second ? this.#events + 1 : 1;
		this.#second = second;
		if (this.#events > FLOOD) this.#floodedAt = this.#clock.now();
	}
}
