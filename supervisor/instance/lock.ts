import {spawn} from 'node:child_process';
import {closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs';
import {environmentFor} from '../../worker/host/environment.ts';

/** The exit code that flock(1) is told to use when somebody holds the lock (`-E`), unlike any of its failures. */
const HELD = 75;

/** How often flock(1) is run where a signal ends it. */
const MAX_ATTEMPTS = 3;

/** A lock file cannot be used; the message says what to do. */
export class LockError extends Error {
	override readonly name = 'LockError';
}

/**
 * A lock that the kernel releases when this process ends, also by SIGKILL. Node has no flock(2), so flock(1) takes the lock on a descriptor that it
 * inherits. The lock belongs to the open file description (flock(2)), so it outlives flock(1) and is held until we close our descriptor, which Node
 * hands on to no other child.
 */
export class FileLock {
	readonly #descriptor: number;

	private constructor(descriptor: number) {
		this.#descriptor = descriptor;
	}

	/** The lock, or `null` when somebody still holds it after `wait` milliseconds. Throws a {@link LockError} where it cannot be tried. */
	static async acquire(file: string, wait = 0): Promise<FileLock | null> {
		const descriptor = openOwn(file);
		const patience = wait > 0 ? ['-w', String(wait / 1000)] : ['-n'];
		const args = ['-x', '-E', String(HELD), ...patience, '3'];
		let {exitCode, problem, isEnded} = await flock(args, descriptor);
		// What a terminal sends to its foreground group reaches a child that has no session of its own yet, and says nothing of the lock.
		for (let attempt = 1; isEnded && attempt < MAX_ATTEMPTS; attempt++)
			({exitCode, problem, isEnded} = await flock(args, descriptor));
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

interface Tried {
	readonly exitCode: number | null;
	readonly problem: string;
	/** A signal ended it. */
	readonly isEnded: boolean;
}

/** Runs flock(1) with the lock file as descriptor 3. By spawn, since execa's types do not allow an open descriptor there. */
function flock(args: readonly string[], descriptor: number): Promise<Tried> {
	return new Promise(resolve => {
		// Out of reach of what a terminal sends to its foreground group: a Ctrl-C is for us to act on.
		const env = environmentFor({kind: 'program'}, [], process.env);
		const child = spawn('flock', args, {env, detached: true, stdio: ['ignore', 'ignore', 'inherit', descriptor]});
		child.once('error', (error: NodeJS.ErrnoException) => {
			const isMissing = error.code === 'ENOENT';
			resolve({
				exitCode: null,
				isEnded: false,
				problem: isMissing ? 'flock(1) is not installed: apt-get install util-linux' : error.message,
			});
		});
		child.once('close', (exitCode, signal) =>
			resolve({exitCode, problem: `flock ended with ${exitCode ?? signal}`, isEnded: signal !== null}),
		);
	});
}

/** Opens the file unless it is a link or somebody else's: whoever put such a file there could hold its lock and keep us from starting. */
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
