import {type CoreTimes, coreTimes, idleCores} from './idle-cores.ts';
import type {CallTurns} from './turns.ts';

/**
 * Lends turns beyond the limit while cores idle although calls wait. Before its first timeout a sandbox that hangs cannot be told from a healthy one;
 * but a call that waits costs no core, so that it need not keep the next one waiting. To be called some ten times a second: a call that was let in
 * has begun to compute by the next look, if it is going to.
 */
export class TurnLender {
	readonly #turns: CallTurns;
	readonly #read: () => CoreTimes;
	#before: CoreTimes | null = null;

	constructor(turns: CallTurns, read: () => CoreTimes = coreTimes) {
		this.#turns = turns;
		this.#read = read;
	}

	look(): void {
		const before = this.#before;
		this.#before = null;
		if (!this.#turns.canLend) return;
		const after = this.#read();
		if (before) this.#turns.lend(idleCores(before, after));
		this.#before = after;
	}
}
