/** Turn time counts half as much after this long, in milliseconds. A turn held without a break comes to 1.44 times of it. */
const HALF_LIFE = 60_000;

/** Less than this is forgotten, in milliseconds. */
const TRIFLE = 1;

interface Account {
	/** Milliseconds, as they counted at `at`. */
	readonly used: number;
	readonly at: number;
}

/** How much turn time each party has lately used: what is older counts less and less. Times are monotonic milliseconds. */
export class TurnAccounts {
	readonly #accounts = new Map<string, Account>();

	/** A turn was held from `from` to `to`. */
	charge(party: string, from: number, to: number): void {
		this.#forget(to);
		this.#accounts.set(party, {used: this.used(party, to) + Math.max(to - from, 0), at: to});
	}

	/** Milliseconds; a turn that is still held is not among them. */
	used(party: string, now: number): number {
		const account = this.#accounts.get(party);
		return account ? faded(account, now) : 0;
	}

	/** What counts for nothing any more, so that parties that are gone leave nothing behind. */
	#forget(now: number): void {
		for (const [party, account] of this.#accounts) if (faded(account, now) < TRIFLE) this.#accounts.delete(party);
	}
}

function faded({used, at}: Account, now: number): number {
	return used * 0.5 ** ((now - at) / HALF_LIFE);
}
