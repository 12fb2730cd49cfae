import {closeSync, mkdtempSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';

/** More than a worker's code is not kept, in characters of base64: of some 850 kB of source, half as much is compiled. */
const MAX_CODE = 8 * 2 ** 20;

/** Signals by which a process ends by somebody's will, and not by its own fault. */
const KILLS: ReadonlySet<string> = new Set(['SIGINT', 'SIGKILL', 'SIGTERM']);

/** How a worker has ended. */
interface Ending {
	/** It was forked with code of ours, and had not said anything yet. */
	readonly wasTryingCode: boolean;
	readonly code: number | null;
	readonly signal: string | null;
}

/**
 * The workers' code, as the first of them that has listed has compiled it, for those that are forked later: a third of what a worker's start costs. It is
 * in a file without a name, which no other user can change; a worker that somebody has taken over could, and could do all that we can do as it is. Where it
 * cannot be written, and once somebody has failed with it, workers compile for themselves.
 */
export class CompiledCode {
	#descriptor: number | null = null;
	#isDone = false;
	/** Whom it was asked of. */
	#asked: object | null = null;

	/** The descriptor for a worker that is forked now; `null`: there is none. */
	get descriptor(): number | null {
		return this.#descriptor;
	}

	/** A worker has compiled what most will need; whether it is to give that. */
	wants(worker: object): boolean {
		if (this.#isDone || this.#asked !== null) return false;
		this.#asked = worker;
		return true;
	}

	/** What that worker was asked for, in base64. */
	keep(worker: object, code: string): void {
		if (this.#isDone || this.#asked !== worker || code.length > MAX_CODE) return;
		this.#isDone = true;
		try {
			this.#descriptor = unnamed(Buffer.from(code, 'base64'));
		} catch {
			// There is no room for it, perhaps; it is only a help.
		}
	}

	ended(worker: object, {wasTryingCode, code, signal}: Ending): void {
		if (!this.#isDone && this.#asked === worker) this.#asked = null;
		const isFault = signal === null ? code !== 0 : !KILLS.has(signal);
		if (!wasTryingCode || !isFault || this.#descriptor === null) return;
		closeSync(this.#descriptor);
		this.#descriptor = null;
	}
}

/** A descriptor for reading a file with that in it, and with no name. */
function unnamed(content: Buffer): number {
	const folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-'));
	try {
		const file = path.join(folder, 'code');
		writeFileSync(file, content, {mode: 0o600});
		return openSync(file, 'r');
	} finally {
		rmSync(folder, {recursive: true, force: true});
	}
}
