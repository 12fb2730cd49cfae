import writeFileAtomic from 'write-file-atomic';
import type {Cancel, Clock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';

/** The files are written at most this often, and at least this often, in milliseconds: a little more often than the 5 s that are promised. */
const MIN_WRITE_GAP = 250;
const MAX_WRITE_GAP = 4500;

/** They are written no more often than that so much of the time goes into it: what sandboxes have us remember may make them large. */
const SHARE = 0.2;

/** The files are ours, whoever's they replace. */
const owner = {uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0};

/** A file that shows what is, and how its text comes about. */
export interface PublishedFile {
	readonly path: string;
	/** Whatever the umask. */
	readonly mode: number;
	readonly compose: () => string;
}

/** Replaces a file in one step, so that a reader sees the old text or the new. No fsync: after a reboot it is of no use. */
async function replaceFile({path, mode}: Pick<PublishedFile, 'path' | 'mode'>, text: string): Promise<void> {
	// Not by atomically: its clean-up at exit sends the process every signal a second time, and a second SIGTERM means "at once".
	await writeFileAtomic(path, text, {mode, chown: owner, fsync: false});
}

export interface PublisherDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** How a file is written, where it is not as {@link replaceFile} does. */
	readonly replace?: typeof replaceFile;
}

/** Keeps what an instance shows the world, and what it leaves to the next one should it be killed, true on disk: always written together. */
export class Publisher {
	readonly #files: readonly PublishedFile[];
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #replace: typeof replaceFile;
	readonly #errors = new Map<string, string>();
	/** When the last write began, and how long it took; monotonic milliseconds. */
	#lastWrite = Number.NEGATIVE_INFINITY;
	#lastTook = 0;
	#writing: Promise<void> = Promise.resolve();
	/** The write that begins when the one under way is done. */
	#next: Promise<void> | null = null;
	/** When the next write is planned, and what takes that back. */
	#due: number | null = null;
	#cancel: Cancel = () => {};
	#isClosed = false;

	constructor(files: readonly PublishedFile[], {clock, log, replace = replaceFile}: PublisherDeps) {
		this.#files = files;
		this.#replace = replace;
		this.#clock = clock;
		this.#log = log;
	}

	/** What cannot be written, and why. */
	get warnings(): readonly string[] {
		return [...this.#errors.values()];
	}

	/** Something has changed: written at once, or as soon as may be written again. */
	touch(): void {
		const gap = Math.min(Math.max(this.#lastTook / SHARE, MIN_WRITE_GAP), MAX_WRITE_GAP);
		this.#writeIn(Math.max(this.#lastWrite + gap - this.#clock.now(), 0));
	}

	/** Resolves when what is true now, or later, is on disk, or cannot be written, which is a warning. */
	write(): Promise<void> {
		this.#next ??= this.#writing.then(() => {
			this.#next = null;
			this.#writing = this.#writeAll();
			return this.#writing;
		});
		return this.#next;
	}

	/** Writes a last time; nothing is written after it has resolved. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#cancel();
		await this.write();
	}

	#writeIn(ms: number): void {
		if (this.#isClosed) return;
		const at = this.#clock.now() + ms;
		if (this.#due !== null && this.#due <= at) return;
		this.#cancel();
		this.#due = at;
		this.#cancel = this.#clock.after(ms, () => void this.write());
	}

	async #writeAll(): Promise<void> {
		this.#cancel();
		this.#due = null;
		this.#lastWrite = this.#clock.now();
		await Promise.all(this.#files.map(file => this.#write(file)));
		this.#lastTook = this.#clock.now() - this.#lastWrite;
		this.#writeIn(Math.max(this.#lastWrite + MAX_WRITE_GAP - this.#clock.now(), 0));
	}

	/** A failure is told once per change. */
	async #write(file: PublishedFile): Promise<void> {
		try {
			await this.#replace(file, file.compose());
			this.#errors.delete(file.path);
		} catch (error) {
			const warning = `${file.path} cannot be written: ${messageOf(error)}`;
			if (this.#errors.get(file.path) !== warning)
				this.#log('error', 'a file cannot be written', {file: file.path, error: messageOf(error)});
			this.#errors.set(file.path, warning);
		}
	}
}
