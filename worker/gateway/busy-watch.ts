/** How much of this time a worker may be busy, in milliseconds. */
const WINDOW = 30_000;
const MOST = 12_000;

/** A time, and for how long the event loop had been busy by then; milliseconds. */
export interface BusyReading {
	readonly at: number;
	readonly busy: number;
}

/**
 * Finds out a gateway that keeps the worker busy, by whatever it sends: what it announces is rationed, but every frame has to be read before anything
 * is known of it. It is the event loop's time that counts, not the processor's: on a crowded host a worker may be busy all the time with half a core.
 */
export class BusyWatch {
	#readings: BusyReading[];

	constructor(first: BusyReading) {
		this.#readings = [first];
	}

	/** Takes a reading, and says whether the worker was busy for too much of the last while. */
	isTooBusy(reading: BusyReading): boolean {
		this.#readings = [...this.#readings.filter(({at}) => reading.at - at <= WINDOW), reading];
		const isTooBusy = reading.busy - (this.#readings[0] ?? reading).busy >= MOST;
		// What it was blamed for once it is not blamed for again.
		if (isTooBusy) this.#readings = [reading];
		return isTooBusy;
	}
}

/** What this process has been busy for so far. */
export function busyReading(now: number): BusyReading {
	return {at: now, busy: performance.eventLoopUtilization().active};
}
