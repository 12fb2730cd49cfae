interface Round<Want, Result> {
	want: Want;
	readonly outcome: PromiseWithResolvers<Result>;
}

/** A job that is asked for again and again: one runs, and one waits at most, which is done for all who ask meanwhile. */
export class Coalesced<Want, Result> {
	readonly #job: (want: Want) => Promise<Result>;
	readonly #merge: (one: Want, other: Want) => Want;
	#isRunning = false;
	#waiting: Round<Want, Result> | null = null;

	/** `merge`: what is wanted by somebody who wants both. */
	constructor(job: (want: Want) => Promise<Result>, merge: (one: Want, other: Want) => Want) {
		this.#job = job;
		this.#merge = merge;
	}

	/** The outcome of a run that begins from now on. */
	ask(want: Want): Promise<Result> {
		if (this.#waiting) this.#waiting.want = this.#merge(this.#waiting.want, want);
		else this.#waiting = {want, outcome: Promise.withResolvers()};
		const {promise} = this.#waiting.outcome;
		if (!this.#isRunning) void this.#run();
		return promise;
	}

	async #run(): Promise<void> {
		this.#isRunning = true;
		for (let round = this.#waiting; round; round = this.#waiting) {
			this.#waiting = null;
			const {want, outcome} = round;
			await this.#job(want).then(outcome.resolve, outcome.reject);
		}
		this.#isRunning = false;
	}
}
