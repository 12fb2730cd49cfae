import {rm} from 'node:fs/promises';
import {type Cancel, type Clock, every} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';
import {replaceTextfile} from './metrics-file.ts';

/** How often it is written, in milliseconds. */
const GAP = 10_000;

export interface TextfileDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** What is to be written now. */
	readonly compose: () => Promise<string>;
	/** How it is written, where it is not as {@link replaceTextfile} does. */
	readonly replace?: typeof replaceTextfile;
}

/** Keeps the metrics in a file, where the configuration names one. */
export class Textfile {
	readonly #deps: TextfileDeps;
	#path: string | null = null;
	#problem: string | null = null;
	#cancel: Cancel = () => {};
	#writing: Promise<void> = Promise.resolve();

	constructor(deps: TextfileDeps) {
		this.#deps = deps;
	}

	/** Why it cannot be written. */
	get warnings(): readonly string[] {
		return this.#path === null || this.#problem === null
			? []
			: [`metricsFile: ${this.#path} cannot be written: ${this.#problem}`];
	}

	/** From now on there, or nowhere; what stands where it was is removed, since nobody keeps it true any more. Resolves when it is written, or cannot be. Never rejects. */
	async keepAt(path: string | null): Promise<void> {
		const before = this.#path;
		if (path === before) return;
		this.#cancel();
		await this.#writing;
		this.#path = path;
		this.#problem = null;
		if (before !== null) await rm(before, {force: true}).catch(() => {});
		if (path === null) return;
		this.#cancel = every(this.#deps.clock, GAP, () => void this.#write());
		await this.#write();
	}

	/** Writes a last time. */
	async close(): Promise<void> {
		this.#cancel();
		await this.#write();
	}

	/** One write after the other. */
	#write(): Promise<void> {
		this.#writing = this.#writing.then(() => this.#writeNow());
		return this.#writing;
	}

	/** A failure is told once per change. */
	async #writeNow(): Promise<void> {
		const path = this.#path;
		if (path === null) return;
		const {compose, log, replace = replaceTextfile} = this.#deps;
		try {
			await replace(path, await compose());
			this.#problem = null;
		} catch (error) {
			const problem = messageOf(error);
			if (problem !== this.#problem) log('warn', 'the metrics cannot be written', {file: path, error: problem});
			this.#problem = problem;
		}
	}
}
