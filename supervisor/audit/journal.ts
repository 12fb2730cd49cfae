import {type Clock, isoTime} from '../../worker/clock.ts';
import type {Subject} from '../../worker/protocol.ts';
import {type AuditEntry, type AuditLine, emptyEntry, openIntents, pairOf} from './line.ts';
import {HOUR, RefusalBudget} from './refusal-budget.ts';
import type {AuditWriter} from './writer.ts';

/** Why an intent is `failed` whose outcome nobody told. */
const UNKNOWN_END = 'pairkeeper ended before it was known what became of it';

/** What became of an approve or a reject. */
export type Outcome = Subject & Pick<AuditEntry, 'latencyMs' | 'error'> & {readonly result: 'done' | 'failed'};

/** A request that the policy refuses. */
export type Refusal = Pick<
	AuditEntry,
	'requestId' | 'deviceId' | 'clientId' | 'clientMode' | 'role' | 'scopes' | 'reason' | 'transport'
>;

export interface JournalDeps {
	readonly writer: Pick<AuditWriter, 'add' | 'record'>;
	readonly clock: Pick<Clock, 'now' | 'wall'>;
}

/**
 * What goes into the audit file, and in which order: for each approve and reject one intent, and then one outcome, whatever becomes of whoever carries it
 * out; and refusals as far as an hour has room for them.
 */
export class Journal {
	readonly #writer: JournalDeps['writer'];
	readonly #clock: JournalDeps['clock'];
	/** Intents without an outcome, by what pairs them. */
	readonly #open = new Map<string, AuditLine>();
	readonly #refusals = new RefusalBudget();

	constructor({writer, clock}: JournalDeps) {
		this.#writer = writer;
		this.#clock = clock;
	}

	/** Goes on after these lines, of a process that is gone: its intents get their outcome, and its refusals count. */
	goOnAfter(lines: readonly AuditLine[]): void {
		for (const intent of openIntents(lines)) this.#close(intent, UNKNOWN_END);
		const wall = this.#clock.wall();
		for (const {action, sandbox, time} of lines)
			if (action === 'refuse' && wall - Date.parse(time) < HOUR) this.#refusals.take(sandbox, this.#clock.now());
	}

	/** Something is going to be done; `reason`: what the policy says of the request. Resolves with `null` when it is on disk, or may be done all the same, else with why it must not be. Never rejects. */
	async intent(sandbox: string, subject: Subject, reason: string | null): Promise<string | null> {
		const line = this.#lineOf(sandbox, {...emptyEntry, ...subject, reason, phase: 'intent'});
		const before = this.#open.get(pairOf(line));
		if (before) this.#close(before, 'it is begun again, and nothing was said of how it ended');
		this.#open.set(pairOf(line), line);
		const recorded = await this.#writer.record(line);
		if (recorded.kind === 'recorded') return null;
		// Unless it has its outcome already.
		if (this.#open.get(pairOf(line)) === line) {
			this.#open.delete(pairOf(line));
			if (recorded.mayStand) this.#close(line, recorded.error);
		}
		return recorded.error;
	}

	/**
	 * What became of something that was begun. A `done` without an intent is one more outcome: a listing shows what was granted after all. A `failed`
	 * without one was never begun, and is passed over.
	 */
	outcome(sandbox: string, outcome: Outcome): void {
		const line = this.#lineOf(sandbox, {...emptyEntry, ...outcome, phase: 'outcome'});
		const intent = this.#open.get(pairOf(line));
		this.#open.delete(pairOf(line));
		if (intent || outcome.result === 'done') this.#writer.add({...line, reason: intent?.reason ?? null});
	}

	/** The policy refuses a request. */
	refusal(sandbox: string, refusal: Refusal): void {
		this.tick();
		if (!this.#refusals.take(sandbox, this.#clock.now())) return;
		this.#writer.add(this.#lineOf(sandbox, {...emptyEntry, ...refusal, action: 'refuse'}));
	}

	/** Whoever carried something out in this sandbox is gone, and says no more. */
	gone(sandbox: string): void {
		for (const intent of [...this.#open.values()].filter(line => line.sandbox === sandbox))
			this.#close(intent, 'the worker ended before it was known what became of it');
	}

	/** Looks after what time brings about: hours that are over. */
	tick(): void {
		this.#count(this.#refusals.over(this.#clock.now()));
	}

	/** Nothing more is going to be said; `error`: why an intent is `failed` whose outcome nobody told. */
	end(error: string = UNKNOWN_END): void {
		for (const intent of [...this.#open.values()]) this.#close(intent, error);
		this.#count(this.#refusals.over(this.#clock.now(), {isLast: true}));
	}

	#count(over: ReturnType<RefusalBudget['over']>): void {
		for (const {sandbox, counted} of over) {
			const error = `${counted} more refusals in this hour are counted, not written`;
			this.#writer.add(this.#lineOf(sandbox, {...emptyEntry, error}));
		}
	}

	/** `failed`, for want of better knowledge. */
	#close(intent: AuditLine, error: string): void {
		this.#open.delete(pairOf(intent));
		this.#writer.add({...intent, time: isoTime(this.#clock.wall()), phase: 'outcome', result: 'failed', error});
	}

	#lineOf(sandbox: string, entry: AuditEntry): AuditLine {
		return {time: isoTime(this.#clock.wall()), sandbox, ...entry};
	}
}
