import {closeSync, mkdtempSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';

/**
 * The workers' code, as the first of them that got so far has compiled it, for those that are forked later: a third of what a worker's start costs. It is
 * in a file without a name, which no other user can change; a worker that somebody has taken over could, and could do all that we can do as it is. Where it
 * cannot be written, workers compile for themselves.
 */
export class CompiledCode {
	#descriptor: number | null = null;
	/** Whom it was asked of. */
	#asked: object | null = null;

	/** What a worker gets for the descriptor that it looks for its code at (worker/launcher.cts); `ignore`: nothing yet. */
	get stdio(): number | 'ignore' {
		return this.#descriptor ?? 'ignore';
	}

	/** A worker has compiled what most will need; whether it is to give that. */
	wants(worker: object): boolean {
		if (this.#descriptor !== null || this.#asked !== null) return false;
		this.#asked = worker;
		return true;
	}

	/** What was asked for, in base64. */
	keep(code: string): void {
		if (this.#descriptor !== null) return;
		try {
			this.#descriptor = unnamed(Buffer.from(code, 'base64'));
		} catch {
			// A full disk: the next supervisor may have more luck.
		}
	}

	/** The worker has ended, whether it was asked or not. */
	ended(worker: object): void {
		if (this.#descriptor === null && this.#asked === worker) this.#asked = null;
	}
}

/** The descriptor of a file with that in it, and with no name. */
function unnamed(content: Buffer): number {
	const folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-'));
	try {
		const descriptor = openSync(path.join(folder, 'code'), 'wx+', 0o600);
		try {
			writeFileSync(descriptor, content);
			return descriptor;
		} catch (error) {
			closeSync(descriptor);
			throw error;
		}
	} finally {
		rmSync(folder, {recursive: true, force: true});
	}
}
