import {createHash} from 'node:crypto';
import {closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

/** The worker's script, as it is built. */
const SCRIPT = fileURLToPath(new URL('../worker/main.cjs', import.meta.url));

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
 * in a file without a name, with the script, so that the two belong together whatever is installed meanwhile; no other user can change it; a worker that
 * somebody has taken over could, and could do all that we can do as it is. Where it cannot be written, and once somebody has failed with it, workers
 * compile for themselves.
 */
export class CompiledCode {
	readonly #script: string;
	#descriptor: number | null = null;
	#isDone = false;
	/** Whom it was asked of. */
	#asked: object | null = null;

	/** `script`: the file that workers run. */
	constructor(script = SCRIPT) {
		this.#script = script;
	}

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

	/** What that worker was asked for: `code` in base64, and the SHA-256 of the `source` that it has compiled, in hex. */
	keep(worker: object, {code, source}: {readonly code: string; readonly source: string}): void {
		if (this.#isDone || this.#asked !== worker || code.length > MAX_CODE) return;
		this.#isDone = true;
		try {
			const script = readFileSync(this.#script);
			// Another one is installed since.
			if (sha256(script).toString('hex') !== source) return;
			this.#descriptor = unnamed(contentOf(script, Buffer.from(code, 'base64')));
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

/** As worker/launcher.cts reads it. */
function contentOf(script: Buffer, code: Buffer): Buffer {
	const length = Buffer.alloc(4);
	length.writeUInt32LE(script.length);
	return Buffer.concat([sha256(code), length, script, code]);
}

function sha256(data: Buffer): Buffer {
	return createHash('sha256').update(data).digest();
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
