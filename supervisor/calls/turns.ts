import type {TurnKind, TurnOutcome} from '../../worker/turns.ts';
import {TurnAccounts} from './accounts.ts';
import type {CallLimit} from './limit.ts';

/**
 * An approval counts as having waited this much longer than it has, in milliseconds. Lists pile up where sandboxes hang or the host is crowded, and
 * approvals must not queue behind them; but a stream of slow approvals must not starve a list either.
 */
const HEAD_START = 60_000;

/** The same of a list where somebody asks, or lately has: in fast mode, or with a request pending. Less, so that approvals do not queue behind those either. */
const URGENT_HEAD_START = 30_000;

/**
 * For each second of turn time lately used, a call counts as having come so many seconds later: whoever takes every turn he can get, and answers just
 * before he would be a suspect, is behind all others, his approvals too. What is used fades, so nobody is behind for ever.
 */
const PRICE = 10;

/** How long the sandboxes whose calls time out are passed over at most while others want the turns; milliseconds. */
const SUSPECT_PATIENCE = 30_000;

/** One call that wants a turn. */
export interface Waiter {
	readonly sandbox: string;
	readonly turn: number;
	readonly kind: TurnKind;
	/** Monotonic milliseconds. */
	readonly since: number;
}

/** A call that had a turn, and how it ended; `lost`: its worker ended before it. `ms`: how long it had its turn, in milliseconds. */
export interface FinishedCall {
	readonly kind: TurnKind;
	readonly outcome: TurnOutcome | 'lost';
	readonly ms: number;
}

interface Running extends Waiter {
	/** Since when it has its turn. */
	readonly since: number;
	readonly isSuspect: boolean;
}

/** What decides who is next. */
export interface TurnState {
	readonly limit: number;
	readonly running: readonly Running[];
	readonly waiting: readonly Waiter[];
	/** Those with a call that timed out and none answered since, as {@link partyOf} names them. They share one turn. */
	readonly suspects: ReadonlySet<string>;
	/** When a suspect last had a turn; monotonic milliseconds. */
	readonly lastSuspectTurn: number;
	/** The turn time that a party has lately used, in milliseconds. */
	readonly used: (party: string) => number;
}

/**
 * Who gets the next turn, or `null` while there is none to give: healthy sandboxes before suspects, approvals before lists, urgent lists before others, who has lately used little
 * before who has used much, the longest wait first. Patience ends these preferences, so that neither a stream of approvals starves a list, nor a busy
 * host a sandbox that has recovered.
 */
export function nextTurn(state: TurnState, now: number): Waiter | null {
	const {limit, running, waiting, suspects, lastSuspectTurn, used} = state;
	if (running.length >= limit) return null;
	const isSuspectRunning = running.some(({isSuspect}) => isSuspect);
	const isPassedOver = (waiter: Waiter): boolean =>
		suspects.has(partyOf(waiter)) && now - Math.max(waiter.since, lastSuspectTurn) <= SUSPECT_PATIENCE;
	const eligible = waiting.filter(waiter => !isSuspectRunning || !suspects.has(partyOf(waiter)));
	const ranked = eligible.map(waiter => ({
		waiter,
		tier: Number(isPassedOver(waiter)),
		standing: standingOf(waiter) + PRICE * used(partyOf(waiter)),
	}));
	return ranked.toSorted((a, b) => a.tier - b.tier || a.standing - b.standing)[0]?.waiter ?? null;
}

/** Who uses a turn, and is to blame for its call: a sandbox, or the program for its token, which says nothing of the sandbox. */
function partyOf({sandbox, kind}: Pick<Waiter, 'sandbox' | 'kind'>): string {
	return kind === 'token' ? `${sandbox}/token` : sandbox;
}

/** Since when a waiter counts as waiting. */
function standingOf({kind, since}: Waiter): number {
	switch (kind) {
		case 'approve':
			return since - HEAD_START;
		case 'urgent-list':
			return since - URGENT_HEAD_START;
		default:
			return since;
	}
}

/** The host's turns: so many `openclaw` calls at once, whoever makes them. */
export class CallTurns {
	/** Is told that somebody waits who could be let in beyond the limit, again and again while that is so. */
	onCanLend: () => void = () => {};
	readonly #now: () => number;
	readonly #onFinished: (call: FinishedCall) => void;
	readonly #waiting = new Map<string, Waiter & {readonly grant: () => void}>();
	readonly #running = new Map<string, Running>();
	readonly #suspects = new Set<string>();
	readonly #accounts = new TurnAccounts();
	#bound: CallLimit;
	#lastSuspectTurn = Number.NEGATIVE_INFINITY;

	/** `limit`: a number is never exceeded. `onFinished` hears of every call that had a turn and was not called off. */
	constructor(limit: CallLimit | number, now: () => number, onFinished: (call: FinishedCall) => void = () => {}) {
		this.#bound = boundOf(limit);
		this.#now = now;
		this.#onFinished = onFinished;
	}

	get counts(): {running: number; waiting: number; limit: number} {
		return {running: this.#running.size, waiting: this.#waiting.size, limit: this.#bound.limit};
	}

	set limit(limit: CallLimit | number) {
		this.#bound = boundOf(limit);
		this.#handOut();
	}

	/** Whether somebody waits who could be let in beyond the limit. */
	get canLend(): boolean {
		return this.#waiting.size > 0 && this.#running.size < this.#bound.most;
	}

	/** Lets in so many more than are running, whatever the limit, as far as the host's memory reaches. */
	lend(turns: number): void {
		this.#handOut(Math.min(this.#running.size + turns, this.#bound.most));
	}

	/** Calls `grant` when it is this call's turn, perhaps at once. */
	request(sandbox: string, turn: number, kind: TurnKind, grant: () => void): void {
		this.#waiting.set(keyOf(sandbox, turn), {sandbox, turn, kind, since: this.#now(), grant});
		this.#handOut();
	}

	/** The call is over, or is wanted no more. */
	over(sandbox: string, turn: number, outcome: TurnOutcome | 'cancelled'): void {
		const key = keyOf(sandbox, turn);
		this.#waiting.delete(key);
		const running = this.#running.get(key);
		if (running) this.#end(key, running, outcome);
		// A failure proves nothing: one that hangs could fail fast in between.
		if (running && (outcome === 'timeout' || outcome === 'answered')) this.#judge(running, outcome === 'timeout');
		this.#handOut();
	}

	/** The worker is gone, and its calls with it. `isAtFault`: its own call is why. */
	forget(sandbox: string, isAtFault: boolean): void {
		for (const [key, waiter] of this.#waiting) if (waiter.sandbox === sandbox) this.#waiting.delete(key);
		for (const [key, running] of this.#running) {
			if (running.sandbox !== sandbox) continue;
			this.#end(key, running, isAtFault ? 'lost' : 'cancelled');
			if (isAtFault) this.#judge(running, true);
		}
		this.#handOut();
	}

	/** Milliseconds since this sandbox's poll began to wait for a turn, or `null` when it does not. */
	waitOf(sandbox: string): number | null {
		const waiter = [...this.#waiting.values()].find(waiting => waiting.sandbox === sandbox && waiting.kind !== 'token');
		return waiter ? this.#now() - waiter.since : null;
	}

	#judge(call: Running, isSuspect: boolean): void {
		if (isSuspect) this.#suspects.add(partyOf(call));
		else this.#suspects.delete(partyOf(call));
	}

	#end(key: string, call: Running, outcome: FinishedCall['outcome'] | 'cancelled'): void {
		const now = this.#now();
		this.#running.delete(key);
		this.#accounts.charge(partyOf(call), call.since, now);
		if (outcome !== 'cancelled') this.#onFinished({kind: call.kind, outcome, ms: now - call.since});
	}

	/** What the party has used, with the turns that it holds. */
	#used(party: string, now: number): number {
		const held = [...this.#running.values()].filter(call => partyOf(call) === party);
		return held.reduce((sum, {since}) => sum + now - since, this.#accounts.used(party, now));
	}

	#handOut(limit = this.#bound.limit): void {
		for (;;) {
			const now = this.#now();
			const state = {
				limit,
				running: [...this.#running.values()],
				waiting: [...this.#waiting.values()],
				suspects: this.#suspects,
				lastSuspectTurn: this.#lastSuspectTurn,
				used: (party: string) => this.#used(party, now),
			};
			const next = nextTurn(state, now);
			if (!next) break;
			const key = keyOf(next.sandbox, next.turn);
			const grant = this.#waiting.get(key)?.grant;
			const {sandbox, turn, kind} = next;
			const isSuspect = this.#suspects.has(partyOf(next));
			if (isSuspect) this.#lastSuspectTurn = now;
			this.#waiting.delete(key);
			this.#running.set(key, {sandbox, turn, kind, since: now, isSuspect});
			grant?.();
		}
		if (this.canLend) this.onCanLend();
	}
}

function boundOf(limit: CallLimit | number): CallLimit {
	return typeof limit === 'number' ? {limit, most: limit} : limit;
}

function keyOf(sandbox: string, turn: number): string {
	return `${sandbox}#${turn}`;
}
