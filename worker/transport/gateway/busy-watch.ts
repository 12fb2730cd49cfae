/** For how much of the last while a worker may be busy with a gateway, in milliseconds: a burst for a short while, a little all the time. */
const BOUNDS = [
	{window: 30_000, most: 12_000},
	{window: 300_000, most: 30_000},
] as const;
const LONGEST = Math.max(...BOUNDS.map(({window}) => window));
const LEAST = Math.min(...BOUNDS.map(({most}) => most));

/** A time, and for how long the worker had been busy with the gateway by then; milliseconds. */
export interface BusyReading {
	readonly at: number;
	readonly busy: number;
}

/** Readings that come sooner after the last one are not kept, in milliseconds: whoever takes them may be made to do so at any pace. */
const SPACING = 1000;

/**
 * Finds out a gateway that keeps the worker busy, by whatever it sends: what it announces is rationed, but every frame has to be read before anything
 * is known of it. It is the event loop's time that counts, not the processor's: on a crowded host a worker may be busy all the time with half a core.
 */
export class BusyWatch {
	#readings: readonly [BusyReading, ...BusyReading[]];

	constructor(first: BusyReading) {
		this.#readings = [first];
	}

	/** Takes a reading, and says whether the worker was busy for too much of the last while. */
	isTooBusy(reading: BusyReading): boolean {
		// Whoever was busy for less than that since the first reading was so in no part of the time.
		const isTooBusy =
			reading.busy - this.#readings[0].busy >= LEAST &&
			BOUNDS.some(({window, most}) => reading.busy - busyAt(reading.at - window, [...this.#readings, reading]) >= most);
		// What it was blamed for once it is not blamed for again.
		if (isTooBusy) this.#readings = [reading];
		else this.#keep(reading);
		return isTooBusy;
	}

	/** With one that is older than the longest while, for what began before it. */
	#keep(reading: BusyReading): void {
		const edge = this.#readings.findLastIndex(({at}) => reading.at - at >= LONGEST);
		const [first, ...others] = this.#readings.slice(Math.max(edge, 0));
		const last = others.at(-1) ?? first;
		if (first === undefined || last === undefined) return;
		this.#readings = reading.at - last.at < SPACING ? [first, ...others] : [first, ...others, reading];
	}
}

/** For how long it had been busy at that time, which is before the last reading, as if evenly so between two; as at the first one, before that. */
function busyAt(at: number, readings: readonly BusyReading[]): number {
	const next = Math.max(
		readings.findIndex(reading => reading.at > at),
		0,
	);
	const [before, after] = [readings[next - 1], readings[next]];
	if (after === undefined) return 0;
	if (before === undefined) return after.busy;
	return before.busy + ((after.busy - before.busy) * (at - before.at)) / (after.at - before.at);
}

/**
 * Adds up the time for which the event loop is busy with a gateway: while a connection to it is being made or is open, and no call of the CLI is
 * running, which gives the worker work of its own.
 */
export class BusyMeter {
	readonly #read: () => number;
	#isConnected = false;
	#calls = 0;
	#counted = 0;
	/** The reading since which it counts. */
	#since: number;

	/** `read` says for how many milliseconds the event loop has been busy so far. */
	constructor(read: () => number = () => performance.eventLoopUtilization().active) {
		this.#read = read;
		this.#since = read();
	}

	/** Milliseconds so far. */
	get total(): number {
		this.#count();
		return this.#counted;
	}

	/** Whether there is a connection, however far it has come. */
	set isConnected(isConnected: boolean) {
		this.#count();
		this.#isConnected = isConnected;
	}

	callBegins(): void {
		this.#count();
		this.#calls++;
	}

	callEnds(): void {
		this.#count();
		this.#calls--;
	}

	#count(): void {
		const now = this.#read();
		if (this.#isConnected && this.#calls === 0) this.#counted += now - this.#since;
		this.#since = now;
	}
}
