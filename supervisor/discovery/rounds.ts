import type {Clock} from '../../worker/clock.ts';

/** Something that is done again and again. */
interface Recurring {
	/** Names it: under another place in the list it is still the same. */
	readonly key: string;
	/** Milliseconds between the end of one time and the next. */
	readonly every: number;
}

/** One of them under way. */
interface Round<T> {
	task: T;
	readonly ending: AbortController;
	/** Aborts what is waited for between two times. */
	wake: AbortController;
	/** It is to be done again at once: what is asked under way may be about what was before. */
	isWanted: boolean;
	readonly ended: Promise<void>;
}

/** Does several things again and again, each in its own time, so that one that hangs holds up no other. */
export class Rounds<T extends Recurring> {
	readonly #clock: Clock;
	readonly #act: (task: T, signal: AbortSignal) => Promise<void>;
	readonly #rounds = new Map<string, Round<T>>();

	/** `act` never rejects. Its signal aborts when what it does is not wanted any more. */
	constructor(clock: Clock, act: (task: T, signal: AbortSignal) => Promise<void>) {
		this.#clock = clock;
		this.#act = act;
	}

	/** From now on these and no others are done, all of them at once for the first time. */
	use(tasks: readonly T[]): void {
		const keys = new Set(tasks.map(({key}) => key));
		for (const [key, {ending}] of this.#rounds) {
			if (keys.has(key)) continue;
			ending.abort('not wanted any more');
			this.#rounds.delete(key);
		}
		for (const task of tasks) {
			const round = this.#rounds.get(task.key);
			if (round) {
				round.task = task;
				round.isWanted = true;
				round.wake.abort();
			} else this.#begin(task);
		}
	}

	/** Ends all, and resolves when they have ended. */
	async end(): Promise<void> {
		const all = [...this.#rounds.values()];
		this.use([]);
		await Promise.all(all.map(({ended}) => ended));
	}

	#begin(task: T): void {
		const {promise: ended, resolve} = Promise.withResolvers<void>();
		const round: Round<T> = {task, ending: new AbortController(), wake: new AbortController(), isWanted: false, ended};
		this.#rounds.set(task.key, round);
		void this.#run(round).then(resolve);
	}

	async #run(round: Round<T>): Promise<void> {
		const {signal} = round.ending;
		while (!signal.aborted) {
			round.isWanted = false;
			await this.#act(round.task, signal);
			if (round.isWanted) continue;
			round.wake = new AbortController();
			await this.#clock.sleep(round.task.every, AbortSignal.any([signal, round.wake.signal]));
		}
	}
}
