import {isoTime} from '../../worker/clock.ts';
import type {Counted} from './tally.ts';

const MINUTE = 60_000;

/** So many minutes are kept, the one that is not over included. */
const MINUTES = 60;

/** So many latencies of a minute are kept for its median, the first ones; how many there were, and the longest, are always known. */
const MAX_LATENCIES = 1000;

/** What happened in one minute. */
interface Minute {
	approvals: number;
	refusals: number;
	restarts: number;
	/** In milliseconds. */
	readonly latencies: number[];
	longest: number | null;
}

/** A minute as `/history.json` shows it. */
export interface ShownMinute {
	/** When it began, ISO 8601 UTC. */
	readonly at: string;
	readonly approvals: number;
	readonly refusals: number;
	readonly restarts: number;
	/** From the request to its approval; `null`: nothing was approved whose request had a time. */
	readonly latency: {readonly medianMs: number; readonly maxMs: number} | null;
}

/** The last hour by the minute, in a bounded amount of memory whatever happens in it. */
export class History {
	/** By number of the minute since the clock's zero; those that nothing happened in are not there. */
	readonly #minutes = new Map<number, Minute>();

	/** `now`: monotonic milliseconds. */
	count(counted: Counted, now: number): void {
		switch (counted.kind) {
			case 'approved': {
				const minute = this.#minuteAt(now);
				const {latencyMs} = counted;
				minute.approvals++;
				if (latencyMs === null) break;
				minute.longest = Math.max(minute.longest ?? 0, latencyMs);
				if (minute.latencies.length < MAX_LATENCIES) minute.latencies.push(latencyMs);
				break;
			}
			case 'refused':
				this.#minuteAt(now).refusals++;
				break;
			case 'restarted':
				this.#minuteAt(now).restarts++;
				break;
			default:
				break;
		}
	}

	/** All minutes of the last hour, the oldest first, those too that nothing happened in. `wall`: what the wall clock shows at `now`. */
	show(now: number, wall: number): readonly ShownMinute[] {
		const last = numberOf(now);
		return Array.from({length: MINUTES}, (_, index) => {
			const number = last - MINUTES + 1 + index;
			return shown(this.#minutes.get(number), isoTime(wall - (now - number * MINUTE)));
		});
	}

	#minuteAt(now: number): Minute {
		const number = numberOf(now);
		const known = this.#minutes.get(number);
		if (known) return known;
		for (const old of this.#minutes.keys()) if (old <= number - MINUTES) this.#minutes.delete(old);
		const minute: Minute = {approvals: 0, refusals: 0, restarts: 0, latencies: [], longest: null};
		this.#minutes.set(number, minute);
		return minute;
	}
}

function numberOf(now: number): number {
	return Math.floor(now / MINUTE);
}

function shown(minute: Minute | undefined, at: string): ShownMinute {
	const {approvals, refusals, restarts, latencies, longest} = minute ?? {
		approvals: 0,
		refusals: 0,
		restarts: 0,
		latencies: [],
		longest: null,
	};
	const sorted = latencies.toSorted((a, b) => a - b);
	const median = sorted[Math.floor((sorted.length - 1) / 2)];
	const latency = median === undefined || longest === null ? null : {medianMs: median, maxMs: longest};
	return {at, approvals, refusals, restarts, latency};
}
