import {constants, type Stats} from 'node:fs';
import {type FileHandle, open} from 'node:fs/promises';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import type {AuditLine} from './line.ts';
import {parseLines} from './reading.ts';

/** How much of the file's end is looked at for intents without an outcome, in bytes. */
const TAIL = 2 ** 20;

/** Without O_NONBLOCK a named pipe in its place would stop us for ever. */
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file that lines are only ever added to: private, whole lines only, and nowhere where somebody else could have put it. */
export class AuditFile {
	readonly path: string;
	readonly #handle: FileHandle;
	/** The last line is half a line, of a process that was killed, and gets its end from the next write. */
	#isTorn: boolean;

	private constructor(path: string, handle: FileHandle, isTorn: boolean) {
		this.path = path;
		this.#handle = handle;
		this.#isTorn = isTorn;
	}

	/** Opens it, or makes it, with mode 0600. Throws where that cannot be, and where it is a link, not a file, or where others could put another one. */
	static async open(path: string): Promise<AuditFile> {
		assertTrusted(path);
		const handle = await open(path, FLAGS, 0o600).catch((error: NodeJS.ErrnoException) => {
			throw error.code === 'ELOOP'
				? new Error(`${path} is a link; name the file itself`, {cause: error})
				: new Error(`${path} cannot be opened (${error.code})`);
		});
		try {
			const {size, mode, uid} = await ownFile(handle, path);
			if ((mode & 0o777) !== 0o600 && uid === process.geteuid?.()) await handle.chmod(0o600);
			const last = size === 0 ? '\n' : (await readAt(handle, size - 1, 1)).toString('latin1');
			return new AuditFile(path, handle, last !== '\n');
		} catch (error) {
			await handle.close();
			throw error;
		}
	}

	/** The lines at its end. */
	async tail(): Promise<readonly AuditLine[]> {
		const {size} = await this.#handle.stat();
		const from = Math.max(size - TAIL, 0);
		const text = (await readAt(this.#handle, from, size - from)).toString('utf8');
		return parseLines(from === 0 ? text : text.slice(text.indexOf('\n') + 1));
	}

	/** It still stands somewhere: nobody has removed it. */
	async exists(): Promise<boolean> {
		return (await this.#handle.stat()).nlink > 0;
	}

	/**
	 * Adds whole lines. Throws where that cannot be; half a line, as of a disk that is full, is taken back. One at a time.
	 */
	async append(text: string): Promise<void> {
		const {size} = await this.#handle.stat();
		const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text);
		let written = 0;
		try {
			// A disk that gets full takes a part of it first.
			while (written < bytes.length) written += (await this.#handle.write(bytes, written)).bytesWritten;
		} catch (error) {
			if (written > 0) await this.#takeBack(size, written);
			throw error;
		}
		this.#isTorn = false;
	}

	/** Resolves when all lines are on disk; a crash of the host takes none of them. */
	async sync(): Promise<void> {
		await this.#handle.datasync();
	}

	async close(): Promise<void> {
		await this.#handle.close();
	}

	/** Never what others have added: a file that hung has been opened a second time meanwhile, perhaps. */
	async #takeBack(size: number, written: number): Promise<void> {
		try {
			const {size: present} = await this.#handle.stat();
			this.#isTorn = present !== size + written;
			if (!this.#isTorn) await this.#handle.truncate(size);
		} catch {
			this.#isTorn = true;
		}
	}
}

async function ownFile(handle: FileHandle, path: string): Promise<Stats> {
	const stats = await handle.stat();
	if (!stats.isFile()) throw new Error(`${path} is not a regular file`);
	return stats;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
	const {buffer, bytesRead} = await handle.read(Buffer.alloc(length), 0, length, position);
	return buffer.subarray(0, bytesRead);
}
