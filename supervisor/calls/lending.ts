import {type Cancel, type Clock, every} from '../../worker/clock.ts';
import {type CoreTimes, coreTimes, idleCores} from './idle-cores.ts';
import type {CallTurns} from './turns.ts';

/** How often it is looked for idle cores while calls wait, in milliseconds: a call that was let in has begun to compute by the next look, if it is going to. */
const LOOK_GAP = 100;

/**
 * Lends turns beyond the limit while cores idle although calls wait. Before its first timeout a sandbox that hangs cannot be told from a healthy one;
 * but a call that waits costs no core, so that it need not keep the next one waiting.
 */
export class TurnLender {
	readonly #turns: CallTurns;
	readonly #read: () => CoreTimes;
	#before: CoreTimes | null = null;

	constructor(turns: CallTurns, read: () => CoreTimes = coreTimes) {
		this.#turns = turns;
		this.#read = read;
	}

	/** Looks while there is somebody to lend to, until the function that is returned is called: an idle host is not woken ten times a second. */
	run(clock: Clock): Cancel {
		let stop: Cancel | null = null;
		const rest = () => {
			stop?.();
			stop = null;
		};
		this.#turns.onCanLend = () => {
			stop ??= every(clock, LOOK_GAP, () => {
				this.look();
				if (!this.#turns.canLend) rest();
			});
		};
		return () => {
			this.#turns.onCanLend = () => {};
			rest();
		};
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
