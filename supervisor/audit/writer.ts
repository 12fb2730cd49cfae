import {type Cancel, type Clock, within} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';
import {AuditFile} from './file.ts';
import {type AuditLine, textOf} from './line.ts';

/** How long an approval waits at most for its intent to be on disk, in milliseconds; then `auditFailure` decides. */
const PATIENCE = 2000;

/** A file that cannot be written is tried again this often, in milliseconds, besides with every line. */
const RETRY_GAP = 5000;

/** So many lines wait for a file that cannot be written; further ones are lost, refusals first. */
const MAX_WAITING = 10_000;

/** The most lines in one write. */
const MAX_BATCH = 500;

/** What is done where a decision cannot be recorded: `stop` approves nothing then. */
export type AuditFailure = 'continue' | 'stop';

/** How a file is written. */
export interface WriterConfig {
	readonly auditFailure: AuditFailure;
	/** Whoever asks for an intent waits no longer, in milliseconds. */
	readonly runTimeout: number;
}

/** What became of an intent. */
export type Recorded =
	/** It may be carried out. */
	| {readonly kind: 'recorded'}
	/** It must not be. `mayStand`: its line may stand in the file all the same, and needs an outcome then. */
	| {readonly kind: 'unrecorded'; readonly error: string; readonly mayStand: boolean};

interface Waiting {
	readonly line: AuditLine;
	/** Is told what became of an intent, once; `null` where nobody waits. */
	readonly settle: ((recorded: Recorded) => void) | null;
}

const recorded: Recorded = {kind: 'recorded'};

export interface AuditWriterDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** How the file is opened, where it is not by {@link AuditFile.open}. */
	readonly open?: (path: string) => Promise<OpenFile>;
}
type OpenFile = Pick<AuditFile, 'append' | 'sync' | 'tail' | 'exists' | 'close'>;

/** Writes lines in the order in which they come, many at once where they come fast. Nothing waits for it but intents, and those not for ever. */
export class AuditWriter {
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #open: NonNullable<AuditWriterDeps['open']>;
	#path: string;
	#config: WriterConfig;
	#file: OpenFile | null = null;
	#waiting: Waiting[] = [];
	#writing: Promise<void> = Promise.resolve();
	#isWriting = false;
	#cancelRetry: Cancel = () => {};
	/** Why it cannot be written; `null`: nothing is wrong. */
	#problem: string | null = null;
	/** Why it could not be opened anew, as after `logrotate`. */
	#reopenProblem: string | null = null;
	#lost = 0;
	#isClosed = false;
	/** Intents that are not carried out, though their lines may stand in the file: those are written, since each has an outcome. */
	readonly #doubtful = new WeakSet<Waiting>();

	constructor(path: string, config: WriterConfig, {clock, log, open = AuditFile.open}: AuditWriterDeps) {
		this.#path = path;
		this.#config = config;
		this.#clock = clock;
		this.#log = log;
		this.#open = open;
	}

	/** What is wrong with the file. */
	get warnings(): readonly string[] {
		const waiting = this.#waiting.length > 0 ? `; ${this.#waiting.length} lines wait for it` : '';
		const consequence =
			this.#config.auditFailure === 'stop'
				? 'nothing is approved until it can be written'
				: 'approving goes on all the same';
		return [
			...(this.#problem === null ? [] : [`auditFile: ${consequence}: ${this.#problem}${waiting}`]),
			...(this.#reopenProblem === null ? [] : [`auditFile: it cannot be opened anew: ${this.#reopenProblem}`]),
			...(this.#lost > 0 ? [`auditFile: ${this.#lost} lines are lost, since it could not be written`] : []),
		];
	}

	/**
	 * Opens the file, and gives back the lines at its end. Never rejects: a file that cannot be opened, or not in time, is a warning, and is tried again
	 * with the first line.
	 */
	async start(): Promise<readonly AuditLine[]> {
		const late = () => {
			throw new Error(`${this.#path} could not be opened within ${PATIENCE / 1000} s`);
		};
		try {
			return await within(this.#openFirst(), {ms: PATIENCE, clock: this.#clock}, late);
		} catch (error) {
			this.#failed(error);
			return [];
		}
	}

	/** Adds a line, when that can be. */
	add(line: AuditLine): void {
		this.#enqueue({line, settle: null});
	}

	/** Adds the line of an intent, and resolves when it is known whether that may be carried out. Never rejects. */
	record(line: AuditLine): Promise<Recorded> {
		const {promise, resolve} = Promise.withResolvers<Recorded>();
		const patience = Math.min(PATIENCE, this.#config.runTimeout / 2);
		const cancel = this.#clock.after(patience, () => {
			this.#failed(new Error(`${this.#path} did not take a line within ${patience / 1000} s`));
			this.#giveUp(entry);
		});
		const entry: Waiting = {
			line,
			settle: outcome => {
				cancel();
				resolve(outcome);
			},
		};
		this.#enqueue(entry);
		return promise;
	}

	/** Opens the file anew, as after `logrotate`, perhaps another one. Rejects, and changes nothing, where that cannot be. */
	async reopen(path: string, config: WriterConfig): Promise<void> {
		const file = await this.#open(path);
		await this.#settled();
		const old = this.#file;
		this.#file = file;
		this.#path = path;
		this.#config = config;
		this.#problem = null;
		this.#reopenProblem = null;
		// Not waited for: a disk that hangs must not hold up a reload.
		void old?.close().catch(() => {});
		this.#write();
	}

	/** As {@link reopen} the same file; where that cannot be, it is a warning, and the old one stays. */
	async tryReopen(config: WriterConfig = this.#config): Promise<void> {
		this.#config = config;
		await this.reopen(this.#path, config).catch((error: unknown) => {
			this.#reopenProblem = messageOf(error);
		});
	}

	/** Resolves when all that was said is written, or cannot be. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#cancelRetry();
		this.#write();
		await this.#settled();
		this.#lost += this.#waiting.length;
		this.#waiting = [];
		if (this.#lost > 0) this.#log('error', 'lines of the audit file are lost', {lines: this.#lost});
		void this.#file?.close().catch(() => {});
		this.#file = null;
	}

	/** No write is under way, or it takes too long. */
	async #settled(): Promise<void> {
		if (this.#isWriting) await within(this.#writing, {ms: PATIENCE, clock: this.#clock}, () => {});
	}

	async #openFirst(): Promise<readonly AuditLine[]> {
		const file = await this.#openInPlaceOf(null);
		return file.tail();
	}

	/** Opens the file, unless that takes so long that another one stands in place of the old one by then. */
	async #openInPlaceOf(old: OpenFile | null): Promise<OpenFile> {
		const opened = await this.#open(this.#path);
		const present = this.#file;
		const isLate = present !== null && present !== old;
		if (!isLate) this.#file = opened;
		void (isLate ? opened : old)?.close().catch(() => {});
		return isLate ? present : opened;
	}

	#enqueue(entry: Waiting): void {
		if (this.#waiting.length >= MAX_WAITING) this.#dropOne();
		this.#waiting.push(entry);
		this.#write();
	}

	/** What a sandbox asked for in vain goes before what was done. */
	#dropOne(): void {
		const refusal = this.#waiting.findIndex(({line}) => line.action === 'refuse');
		const [dropped] = this.#waiting.splice(Math.max(refusal, 0), 1);
		this.#lost++;
		if (dropped) this.#giveUp(dropped);
	}

	#write(): void {
		if (this.#isWriting || this.#waiting.length === 0) return;
		this.#isWriting = true;
		this.#writing = this.#writeAll();
	}

	/** One batch after the other, until nothing waits or the file fails. */
	async #writeAll(): Promise<void> {
		// No line that comes after the last look may wait for the next one.
		let isGoingOn = true;
		while (isGoingOn) isGoingOn = (await this.#writeSome()) && this.#waiting.length > 0;
		this.#isWriting = false;
	}

	/** One batch; whether another can be written. */
	async #writeSome(): Promise<boolean> {
		const batch = this.#waiting.slice(0, MAX_BATCH);
		this.#waiting = this.#waiting.slice(batch.length);
		let file: OpenFile | null = null;
		try {
			file = await this.#fileThatIs();
			await file.append(batch.map(({line}) => textOf(line)).join(''));
		} catch (error) {
			this.#waiting = [...batch, ...this.#waiting];
			// It was opened anew meanwhile.
			if (file !== null && file !== this.#file) return true;
			this.#failed(error);
			for (const entry of batch) this.#giveUp(entry);
			this.#cancelRetry();
			if (!this.#isClosed) this.#cancelRetry = this.#clock.after(RETRY_GAP, () => this.#write());
			return false;
		}
		await this.#secure(file, batch);
		return true;
	}

	/** The lines are written; those that somebody waits for must be on disk. */
	async #secure(file: OpenFile, batch: readonly Waiting[]): Promise<void> {
		const intents = batch.filter(({settle}) => settle !== null);
		try {
			if (intents.length > 0) await file.sync();
			this.#problem = null;
			for (const {settle} of intents) settle?.(recorded);
		} catch (error) {
			this.#failed(error);
			for (const entry of intents) this.#giveUp(entry);
		}
	}

	/** The file, made anew where somebody has removed it. */
	async #fileThatIs(): Promise<OpenFile> {
		const file = this.#file;
		if (file && (await file.exists())) return file;
		return this.#openInPlaceOf(file);
	}

	/**
	 * A line that could not be written, or not in time. An intent that is not carried out for that is none; one that is carried out stands in the file as
	 * soon as that can be written.
	 */
	#giveUp(entry: Waiting): void {
		if (entry.settle === null || this.#doubtful.has(entry)) return;
		if (this.#config.auditFailure === 'continue') {
			entry.settle(recorded);
			return;
		}
		const mayStand = !this.#waiting.includes(entry);
		if (mayStand) this.#doubtful.add(entry);
		this.#waiting = this.#waiting.filter(other => other !== entry);
		entry.settle({kind: 'unrecorded', error: this.#refusal(), mayStand});
	}

	#refusal(): string {
		return `it cannot be recorded (auditFailure: stop): ${this.#problem ?? 'the audit file cannot be written'}`;
	}

	#failed(error: unknown): void {
		const problem = messageOf(error);
		if (this.#problem === null)
			this.#log('error', 'the audit file cannot be written', {file: this.#path, error: problem});
		this.#problem = problem;
	}
}
