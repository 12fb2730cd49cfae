import type {TurnKind, TurnOutcome} from '../../worker/turns.ts';

/**
 * An approval counts as having waited this much longer than it has, in milliseconds. Lists pile up where sandboxes hang or the host is crowded, and
 * approvals must not queue behind them; but a stream of slow approvals must not starve a list either.
 */
const HEAD_START = 60_000;

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

interface Running extends Pick<Waiter, 'sandbox' | 'turn' | 'kind'> {
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
}

/**
 * Who gets the next turn, or `null` while there is none to give: healthy sandboxes before suspects, approvals before lists, the longest wait first.
 * Patience ends both preferences, so that neither a stream of approvals starves a list, nor a busy host a sandbox that has recovered.
 */
export function nextTurn(state: TurnState, now: number): Waiter | null {
	const {limit, running, waiting, suspects, lastSuspectTurn} = state;
	if (running.length >= limit) return null;
	const isSuspectRunning = running.some(({isSuspect}) => isSuspect);
	const isPassedOver = (waiter: Waiter): boolean =>
		suspects.has(partyOf(waiter)) && now - Math.max(waiter.since, lastSuspectTurn) <= SUSPECT_PATIENCE;
	const eligible = waiting.filter(waiter => !isSuspectRunning || !suspects.has(partyOf(waiter)));
	const inOrder = eligible.toSorted(
		(a, b) => Number(isPassedOver(a)) - Number(isPassedOver(b)) || standingOf(a) - standingOf(b),
	);
	return inOrder[0] ?? null;
}

/** Who is to blame for a call: a sandbox, or the program for its token, which says nothing of the sandbox. */
function partyOf({sandbox, kind}: Pick<Waiter, 'sandbox' | 'kind'>): string {
	return kind === 'token' ? `${sandbox}/token` : sandbox;
}

/** Since when a waiter counts as waiting. */
function standingOf({kind, since}: Waiter): number {
	return kind === 'approve' ? since - HEAD_START : since;
}

/** The host's turns: at most `limit` `openclaw` calls at once, whoever makes them. */
export class CallTurns {
	readonly #now: () => number;
	readonly #waiting = new Map<string, Waiter & {readonly grant: () => void}>();
	readonly #running = new Map<string, Running>();
	readonly #suspects = new Set<string>();
	#limit: number;
	#lastSuspectTurn = Number.NEGATIVE_INFINITY;

	constructor(limit: number, now: () => number) {
		this.#limit = limit;
		this.#now = now;
	}

	get counts(): {running: number; waiting: number; limit: number} {
		return {running: this.#running.size, waiting: this.#waiting.size, limit: this.#limit};
	}

	set limit(limit: number) {
		this.#limit = limit;
		this.#handOut();
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
		this.#running.delete(key);
		// A failure proves nothing: one that hangs could fail fast in between.
		if (running && (outcome === 'timeout' || outcome === 'answered')) this.#judge(running, outcome === 'timeout');
		this.#handOut();
	}

	/** The worker is gone, and its calls with it. `isAtFault`: its own call is why. */
	forget(sandbox: string, isAtFault: boolean): void {
		for (const [key, waiter] of this.#waiting) if (waiter.sandbox === sandbox) this.#waiting.delete(key);
		for (const [key, running] of this.#running) {
			if (running.sandbox !== sandbox) continue;
			this.#running.delete(key);
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

	#handOut(): void {
		for (;;) {
			const state = {
				limit: this.#limit,
				running: [...this.#running.values()],
				waiting: [...this.#waiting.values()],
				suspects: this.#suspects,
				lastSuspectTurn: this.#lastSuspectTurn,
			};
			const next = nextTurn(state, this.#now());
			if (!next) return;
			const key = keyOf(next.sandbox, next.turn);
			const grant = this.#waiting.get(key)?.grant;
			const {sandbox, turn, kind} = next;
			const isSuspect = this.#suspects.has(partyOf(next));
			if (isSuspect) this.#lastSuspectTurn = this.#now();
			this.#waiting.delete(key);
			this.#running.set(key, {sandbox, turn, kind, isSuspect});
			grant?.();
		}
	}
}

function keyOf(sandbox: string, turn: number): string {
	return `${sandbox}#${turn}`;
}
