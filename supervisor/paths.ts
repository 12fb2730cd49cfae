import {lstatSync, mkdirSync, statSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {assertTrusted} from '../worker/host/trusted-path.ts';

/** The longest path a Unix socket can have on Linux, in bytes (unix(7)). */
const MAX_SOCKET_PATH = 107;

/** What stands beside a status file. One directory holds one instance. */
export interface InstancePaths {
	readonly statusFile: string;
	readonly directory: string;
	/** Held for a supervisor's life. */
	readonly lockFile: string;
	/** Held while somebody approves without a supervisor. */
	readonly approveLockFile: string;
	readonly controlSocket: string;
	/** What the next supervisor needs of a killed one. Private. */
	readonly stateFile: string;
}

/** The place of an instance cannot be used; the message says how to mend it. */
export class InstancePathError extends Error {
	override readonly name = 'InstancePathError';
}

/** Where the status goes when nobody says. */
export function defaultStatusFile(environment: NodeJS.ProcessEnv): string {
	const uid = process.getuid?.() ?? 0;
	if (uid === 0) return '/run/pairkeeper/status.json';
	const runtime = environment.XDG_RUNTIME_DIR;
	return runtime ? path.join(runtime, 'pairkeeper', 'status.json') : path.join(temporaryDirectory(uid), 'status.json');
}

export function instancePaths(statusFile: string): InstancePaths {
	const directory = path.dirname(statusFile);
	return {
		statusFile,
		directory,
		lockFile: path.join(directory, '.pairkeeper.lock'),
		approveLockFile: path.join(directory, '.pairkeeper.approve.lock'),
		controlSocket: path.join(directory, 'control.sock'),
		stateFile: path.join(directory, '.pairkeeper.state.json'),
	};
}

/**
 * Makes the directory where it is missing, and throws an {@link InstancePathError} where somebody else could put a socket or lock of his own
 * into it. For servers, and for whoever is about to become one.
 */
export function prepareDirectory({directory, controlSocket}: InstancePaths): void {
	if (Buffer.byteLength(controlSocket) > MAX_SOCKET_PATH) {
		throw new InstancePathError(
			`${controlSocket} is too long for a socket (${MAX_SOCKET_PATH} bytes at most); choose a shorter statusFile`,
		);
	}
	const uid = process.getuid?.() ?? 0;
	try {
		mkdirSync(directory, {recursive: true, mode: uid === 0 ? 0o755 : 0o700});
	} catch (error) {
		throw new InstancePathError(`${directory} cannot be created; create it yourself, or choose another statusFile`, {
			cause: error,
		});
	}
	assertPrivate(directory, uid);
}

/** Throws an {@link InstancePathError} unless only root and `owner` can put files there; a client trusts whoever owns the directory. */
export function assertPrivate(directory: string, owner: number | null = null): void {
	assertOwnTemporary(directory);
	const stats = statSync(directory, {throwIfNoEntry: false});
	if (!stats) return;
	try {
		assertTrusted(directory, owner ?? stats.uid);
	} catch (error) {
		throw new InstancePathError(
			`${directory} is not a safe place for the status file, since others could pose as pairkeeper there; choose a directory of your own`,
			{cause: error},
		);
	}
}

/** The directory of last resort has a name that anybody can take first; throws an {@link InstancePathError} where somebody has. */
export function assertOwnTemporary(directory: string): void {
	const uid = process.getuid?.() ?? 0;
	if (directory !== temporaryDirectory(uid)) return;
	const stats = lstatSync(directory, {throwIfNoEntry: false});
	if (!stats || (stats.isDirectory() && stats.uid === uid && (stats.mode & 0o077) === 0)) return;
	throw new InstancePathError(
		`${directory} must be a directory of yours with mode 0700; remove it, or choose another statusFile`,
	);
}

function temporaryDirectory(uid: number): string {
	return path.join(os.tmpdir(), `pairkeeper-${uid}`);
}
