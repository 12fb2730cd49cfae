import os from 'node:os';
import {type Clock, isoTime} from '../../worker/clock.ts';
import type {Log} from '../log/log.ts';
import {type Happening, lineOf} from './event.ts';
import {NotifyQueue} from './queue.ts';

/** How long the program may take for one event, in milliseconds. */
const NOTIFY_TIMEOUT = 10_000;

/** Tells the program one line, and resolves when nothing of it is left: with why that failed, or `null`. Ends it when `signal` aborts. Never rejects. */
export type Tell = (line: string, signal: AbortSignal) => Promise<string | null>;

export interface NotifierDeps {
	readonly clock: Clock;
	readonly log: Log;
}

/** Tells a program of the configuration what happens: one event after the other, and nobody waits for it. */
export class Notifier {
	readonly #deps: NotifierDeps;
	readonly #queue = new NotifyQueue();
	readonly #ending = new AbortController();
	#tell: Tell | null = null;
	#telling: Promise<void> = Promise.resolve();
	#isTelling = false;
	#problem: string | null = null;

	constructor(deps: NotifierDeps) {
		this.#deps = deps;
	}

	/** What goes wrong with the program. */
	get warnings(): readonly string[] {
		return this.#problem === null ? [] : [`notify: ${this.#problem}`];
	}

	/** From now on by this program, or by none. `problem`: why it cannot be run, as far as that shows before it is. */
	use(tell: Tell | null, problem: string | null = null): void {
		this.#tell = tell;
		this.#problem = problem;
		if (problem !== null) this.#deps.log('warn', 'the notify program cannot be run', {error: problem});
		if (tell === null) this.#queue.clear();
	}

	/** Something has happened; `passedOver`: and so many other things like it just before. */
	put(happening: Omit<Happening, 'time'>, passedOver = 0): void {
		if (this.#tell === null || this.#ending.signal.aborted) return;
		this.#queue.put({time: isoTime(this.#deps.clock.wall()), ...happening}, passedOver);
		if (this.#isTelling) return;
		this.#isTelling = true;
		this.#telling = this.#tellAll();
	}

	/** Ends the program that runs, and tells no more. */
	async close(): Promise<void> {
		this.#ending.abort('the supervisor ends');
		await this.#telling;
	}

	async #tellAll(): Promise<void> {
		while (!this.#ending.signal.aborted) {
			const tell = this.#tell;
			const next = tell === null ? null : this.#queue.take();
			if (tell === null || next === null) break;
			await this.#tellOne(tell, lineOf({...next.happening, host: os.hostname(), skipped: next.skipped}));
		}
		this.#isTelling = false;
	}

	/** A failure is told once per change. */
	async #tellOne(tell: Tell, line: string): Promise<void> {
		const {clock, log} = this.#deps;
		const late = new AbortController();
		const cancel = clock.after(NOTIFY_TIMEOUT, () => late.abort(`it took longer than ${NOTIFY_TIMEOUT / 1000} s`));
		const problem = await tell(line, AbortSignal.any([late.signal, this.#ending.signal]));
		cancel();
		if (this.#ending.signal.aborted) return;
		if (problem !== null && problem !== this.#problem) log('warn', 'the notify program failed', {error: problem});
		this.#problem = problem;
	}
}
