import {createHash} from 'node:crypto';
import {closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

/** The worker's script, as it is built. */
const SCRIPT = fileURLToPath(new URL('../worker/main.cjs', import.meta.url));

/** More than a worker's code is not kept, in characters of base64: of some 600 kB of source, nearly as much is compiled. */
const MAX_CODE = 8 * 2 ** 20;

/** How much of it is written at once, in bytes or characters: of base64, whole groups of four. */
const PART = 64 * 1024;

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
			this.#descriptor = unnamed(this.#script, {code, source});
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

/**
 * A descriptor for reading a file with no name: the script, the code, the SHA-256 of that, and how long the script is, in four bytes (worker/launcher.cts).
 * `null` where the script is of another source: another one is installed since. Its name is gone before anything is written: nobody else gets at what is
 * written by that, and nothing is left of it wherever we end.
 */
function unnamed(script: string, {code, source}: {readonly code: string; readonly source: string}): number | null {
	const file = namelessFile();
	let isWhole = false;
	try {
		if (append(file.write, partsOf(script)).toString('hex') !== source) return null;
		const length = Buffer.alloc(4);
		length.writeUInt32LE(fstatSync(file.write).size);
		const digest = append(file.write, decoded(code));
		writeFileSync(file.write, Buffer.concat([digest, length]));
		isWhole = true;
		return file.read;
	} finally {
		closeSync(file.write);
		if (!isWhole) closeSync(file.read);
	}
}

/** An empty file without a name: a descriptor to write it, and one to read it. */
function namelessFile(): {readonly write: number; readonly read: number} {
	const folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-'));
	try {
		const write = openSync(path.join(folder, 'code'), 'wx', 0o600);
		// The very file, whatever has its name by now. Where there is no /proc, there are no workers either.
		return {write, read: openSync(`/proc/self/fd/${write}`, 'r')};
	} finally {
		rmSync(folder, {recursive: true, force: true});
	}
}

/** Appends that to the file; returns its SHA-256. In parts, since a supervisor at rest keeps for long what it has once had room for. */
function append(file: number, parts: Iterable<Buffer>): Buffer {
	const hash = createHash('sha256');
	for (const part of parts) {
		writeFileSync(file, part);
		hash.update(part);
	}
	return hash.digest();
}

/** A file's content. A part is good until the next one is asked for. */
function* partsOf(file: string): Generator<Buffer> {
	const descriptor = openSync(file, 'r');
	try {
		const part = Buffer.alloc(PART);
		for (let length = PART; length > 0; ) {
			length = readSync(descriptor, part);
			yield part.subarray(0, length);
		}
	} finally {
		closeSync(descriptor);
	}
}

function* decoded(base64: string): Generator<Buffer> {
	for (let at = 0; at < base64.length; at += PART) yield Buffer.from(base64.slice(at, at + PART), 'base64');
}
