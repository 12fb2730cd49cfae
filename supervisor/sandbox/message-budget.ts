import type {Clock} from '../../worker/clock.ts';
import type {ToSupervisor, WorkerConfig} from '../../worker/protocol.ts';
import {type Rate, RateLimit} from '../../worker/rate-limit.ts';

/** What a worker may say at once: a start, or a listing full of requests, and as much again. */
const BURST = 2000;

/** What it may say in the long run whatever its intervals are: ten passes a second that its gateway's events start. */
const BASE_PER_SECOND = 100;

/** The most messages that a pass without requests is worth: its turn, its list, its checkpoints and a line or two. */
const PER_POLL = 20;

/** A decision, or a request in a checkpoint, costs a fraction of what a message of its own costs. */
const ENTRIES_PER_MESSAGE = 5;

/** How many messages of a worker with these intervals are heard. */
export function messageRate({cadence}: Pick<WorkerConfig, 'cadence'>): Rate {
	const shortest = Math.min(cadence.fastInterval, cadence.slowInterval, cadence.fastReentryInterval);
	return {burst: BURST, perSecond: BASE_PER_SECOND + (PER_POLL * 1000) / shortest};
}

/** Keeps account of what one worker says, so that none keeps the supervisor busy with reading it. */
export class MessageBudget {
	readonly #limit: RateLimit;
	#entries = 0;

	constructor(rate: Rate, clock: Pick<Clock, 'now'>) {
		this.#limit = new RateLimit(rate, clock);
	}

	/** Whether a worker that has said this too keeps within its budget. */
	spend(message: ToSupervisor): boolean {
		this.#entries += entriesIn(message);
		const messages = 1 + Math.floor(this.#entries / ENTRIES_PER_MESSAGE);
		this.#entries %= ENTRIES_PER_MESSAGE;
		for (let spent = 0; spent < messages; spent++) if (!this.#limit.take()) return false;
		return true;
	}
}

function entriesIn(message: ToSupervisor): number {
	if (message.kind !== 'checkpoint') return 0;
	return message.decisions.length + Object.keys(message.changes.ledger?.requests ?? {}).length;
}
