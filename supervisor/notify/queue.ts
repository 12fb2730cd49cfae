import {type Happening, NOTIFY_EVENTS} from './event.ts';

/** What waits to be told, and how much was passed over for it since the sandbox was told of last. */
export interface Waiting {
	readonly happening: Happening;
	readonly skipped: number;
}

/** What waits to be told: one event of each sandbox at most, so that none of them, however much happens there, keeps another's from being told. */
export class NotifyQueue {
	/** By sandbox, in the order in which they began to wait. */
	readonly #waiting = new Map<string, Waiting>();

	/** Of two events of one sandbox the more urgent one waits, of two alike the later one; the other is counted, as are those `passedOver` just before it. */
	put(happening: Happening, passedOver = 0): void {
		const {sandbox} = happening;
		const before = this.#waiting.get(sandbox);
		const kept = before && urgency(before.happening) < urgency(happening) ? before.happening : happening;
		this.#waiting.set(sandbox, {happening: kept, skipped: before ? before.skipped + 1 + passedOver : passedOver});
	}

	/** What is told next: an alarm, else what has waited longest. */
	take(): Waiting | null {
		const all = [...this.#waiting.values()];
		const next = all.find(({happening}) => happening.event === 'alarm') ?? all[0];
		if (!next) return null;
		this.#waiting.delete(next.happening.sandbox);
		return next;
	}

	clear(): void {
		this.#waiting.clear();
	}
}

/** The lower, the more urgent. A sandbox that is healthy again is as urgent as one that is not. */
function urgency({event}: Happening): number {
	return NOTIFY_EVENTS.indexOf(event === 'healthy' ? 'unhealthy' : event);
}
