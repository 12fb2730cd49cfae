import type {Clock} from '../worker/clock.ts';
import {messageOf} from '../worker/text.ts';
import {AtomicFile} from './atomic-file.ts';
import type {Log} from './log.ts';
import type {InstancePaths} from './paths.ts';
import type {SupervisorState} from './state-file.ts';
import type {Status} from './status.ts';

/** The files are written at most this often, and at least this often, in milliseconds. */
const MIN_WRITE_GAP = 250;
const MAX_WRITE_GAP = 5000;

export interface InstanceFilesDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly status: () => Status;
	readonly state: () => SupervisorState;
}

/** What an instance shows the world, and what it keeps for the next one should it be killed: always written together. */
export class InstanceFiles {
	readonly #deps: InstanceFilesDeps;
	readonly #statusFile: AtomicFile;
	readonly #stateFile: AtomicFile;
	readonly #errors = new Map<string, string>();
	#lastWrite = Number.NEGATIVE_INFINITY;
	#timer: NodeJS.Timeout | null = null;

	constructor({statusFile, stateFile}: InstancePaths, deps: InstanceFilesDeps) {
		this.#deps = deps;
		this.#statusFile = new AtomicFile(statusFile, 0o644, error => this.#onWritten(statusFile, error));
		this.#stateFile = new AtomicFile(stateFile, 0o600, error => this.#onWritten(stateFile, error));
	}

	/** What cannot be written, and why. */
	get warnings(): readonly string[] {
		return [...this.#errors.values()];
	}

	/** Whether the status would be too old before the next look, `gap` milliseconds from now. */
	isDue(gap: number): boolean {
		return this.#deps.clock.now() + gap - this.#lastWrite >= MAX_WRITE_GAP;
	}

	/** Writes at once, or as soon as may be written again. */
	touch(): void {
		if (this.#timer !== null) return;
		const wait = Math.max(this.#lastWrite + MIN_WRITE_GAP - this.#deps.clock.now(), 0);
		this.#timer = setTimeout(() => void this.write(), wait);
	}

	/** Writes now. Never rejects: what cannot be written is a warning. */
	async write(): Promise<void> {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
		const {clock, status, state} = this.#deps;
		this.#lastWrite = clock.now();
		await Promise.all([
			this.#statusFile.write(() => `${JSON.stringify(status(), null, '\t')}\n`),
			this.#stateFile.write(() => JSON.stringify(state())),
		]);
	}

	/** Told once per change. */
	#onWritten(file: string, error: Error | null): void {
		if (error === null) {
			this.#errors.delete(file);
			return;
		}
		const warning = `${file} cannot be written: ${messageOf(error)}`;
		if (this.#errors.get(file) !== warning) this.#deps.log('error', warning);
		this.#errors.set(file, warning);
	}
}
