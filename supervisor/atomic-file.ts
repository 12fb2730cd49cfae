import writeFileAtomic from 'write-file-atomic';

/** The file is ours, whoever's it replaces. */
const owner = {uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0};

/** Replaces a file in one step, so that a reader sees the old text or the new. `mode` whatever the umask. No fsync: it is of no use after a reboot. */
export async function replaceFile(file: string, text: string, mode: number): Promise<void> {
	// Not by atomically: its clean-up at exit sends the process every signal a second time, and a second SIGTERM means "at once".
	await writeFileAtomic(file, text, {mode, chown: owner, fsync: false});
}

/** Writes of one file that never overlap: what is written is always the newest text, and a failure is told once per change. */
export class AtomicFile {
	readonly #file: string;
	readonly #mode: number;
	readonly #onError: (error: Error | null) => void;
	#writing: Promise<void> | null = null;
	#next: (() => string) | null = null;

	constructor(file: string, mode: number, onError: (error: Error | null) => void) {
		this.#file = file;
		this.#mode = mode;
		this.#onError = onError;
	}

	/** Writes what `compose` gives, as soon as the write under way is done. Resolves when that text, or a newer one, stands in the file or has failed to. */
	async write(compose: () => string): Promise<void> {
		this.#next = compose;
		while (this.#next !== null || this.#writing !== null) {
			this.#writing ??= this.#writeNext();
			try {
				await this.#writing;
			} finally {
				this.#writing = null;
			}
		}
	}

	async #writeNext(): Promise<void> {
		const compose = this.#next;
		this.#next = null;
		try {
			if (compose) await replaceFile(this.#file, compose(), this.#mode);
			this.#onError(null);
		} catch (error) {
			this.#onError(error as Error);
		}
	}
}
