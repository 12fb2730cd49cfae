import {spawn} from 'node:child_process';
import {closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs';

/** flock(1)'s exit code when the lock is held (`-E`), chosen to differ from its failures. */
const HELD = 75;

/** A lock file cannot be used; the message says how to mend it. */
export class LockError extends Error {
	override readonly name = 'LockError';
}

/**
 * A lock that the kernel releases with the process, however that ends. Node has no flock(2); flock(1) on an inherited descriptor locks the open file
 * description, which we keep and no other child inherits.
 */
export class FileLock {
	readonly #descriptor: number;

	private constructor(descriptor: number) {
		this.#descriptor = descriptor;
	}

	/** The lock, or `null` when somebody holds it still after `wait` milliseconds. Throws a {@link LockError} where it cannot be tried. */
	static async acquire(file: string, wait = 0): Promise<FileLock | null> {
		const descriptor = openOwn(file);
		const patience = wait > 0 ? ['-w', String(wait / 1000)] : ['-n'];
		const {exitCode, problem} = await flock(['-x', '-E', String(HELD), ...patience, '3'], descriptor);
		if (exitCode === 0) {
			ftruncateSync(descriptor);
			writeSync(descriptor, `${process.pid}\n`, 0);
			return new FileLock(descriptor);
		}
		closeSync(descriptor);
		if (exitCode === HELD) return null;
		throw new LockError(`${file} cannot be locked: ${problem}`);
	}

	release(): void {
		closeSync(this.#descriptor);
	}
}

/** The process that holds, or last held, the lock, as far as the file says. */
export function holderOf(file: string): number | null {
	try {
		const pid = Number.parseInt(readFileSync(file, 'utf8').slice(0, 20), 10);
		return Number.isInteger(pid) ? pid : null;
	} catch {
		return null;
	}
}

/** Runs flock(1) with the lock file as descriptor 3. Not by execa, which hands on no descriptor of ours beyond the third. */
function flock(args: readonly string[], descriptor: number): Promise<{exitCode: number | null; problem: string}> {
	return new Promise(resolve => {
		const child = spawn('flock', args, {stdio: ['ignore', 'ignore', 'inherit', descriptor]});
		child.once('error', (error: NodeJS.ErrnoException) => {
			const isMissing = error.code === 'ENOENT';
			resolve({
				exitCode: null,
				problem: isMissing ? 'flock(1) is not installed: apt-get install util-linux' : error.message,
			});
		});
		child.once('close', (exitCode, signal) => resolve({exitCode, problem: `flock ended with ${exitCode ?? signal}`}));
	});
}

/** Opens the file without following a link, and only if it is ours, so that nobody can have put it there for us. */
function openOwn(file: string): number {
	let descriptor: number;
	try {
		descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
	} catch (error) {
		throw new LockError(`${file} cannot be opened; is the directory of the status file yours to write?`, {
			cause: error,
		});
	}
	const {uid} = fstatSync(descriptor);
	if (uid === process.getuid?.()) return descriptor;
	closeSync(descriptor);
	throw new LockError(`${file} belongs to user ${uid}; choose a statusFile in a directory of your own`);
}
