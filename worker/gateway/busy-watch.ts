/** The share of a core that a worker may take on average, and for how long it may take more, in milliseconds. */
const BUSY_SHARE = 0.5;
const BUSY_PATIENCE = 20_000;

/** A time, and how much CPU time the process had taken by then; milliseconds. */
export interface CpuReading {
	readonly at: number;
	readonly used: number;
}

/**
 * Finds out a gateway that keeps the worker busy, by whatever it sends: what it announces is rationed, but every frame has to be read before anything
 * is known of it.
 */
export class BusyWatch {
	#last: CpuReading;
	#busySince: number | null = null;

	constructor(first: CpuReading) {
		this.#last = first;
	}

	/** Takes a reading, and says whether the worker has been busy for too long. */
	isTooBusy(reading: CpuReading): boolean {
		const {at, used} = this.#last;
		this.#last = reading;
		if (reading.used - used <= (reading.at - at) * BUSY_SHARE) this.#busySince = null;
		else this.#busySince ??= at;
		return this.#busySince !== null && reading.at - this.#busySince >= BUSY_PATIENCE;
	}
}

/** What this process has used so far. */
export function cpuReading(now: number): CpuReading {
	const {user, system} = process.cpuUsage();
	return {at: now, used: (user + system) / 1000};
}
