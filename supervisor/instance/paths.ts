import {lstatSync, mkdirSync, statSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {distrustOf, isKernels} from '../host/own-directory.ts';

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
	/** For the members of `controlGroup`, where there is one. */
	readonly groupSocket: string;
	/** What a supervisor leaves for the next one, in case it is killed. Nobody else may read or write it. */
	readonly stateFile: string;
	/** The alarms of passes that were made without a supervisor. As private. */
	readonly alarmFile: string;
}

/** The directory of an instance cannot be used; the message says what to do. */
export class InstancePathError extends Error {
	override readonly name = 'InstancePathError';
}

/** Where a session's files of a user are, whether or not the environment says so (systemd: pam_systemd(8)). */
const RUNTIME_ROOT = '/run/user';

/** The status file where neither command line nor configuration names one. `runtimeRoot`: holds users' runtime directories. */
export function defaultStatusFile(
	{XDG_RUNTIME_DIR: named = ''}: NodeJS.ProcessEnv,
	uid: number = process.getuid?.() ?? 0,
	runtimeRoot = RUNTIME_ROOT,
): string {
	if (uid === 0) return '/run/pairkeeper/status.json';
	// A relative one is to be ignored (XDG Base Directory Specification).
	if (path.isAbsolute(named)) return path.join(named, 'pairkeeper', 'status.json');
	// cron and su(1) do not say it, and mean the same user.
	const runtime = path.join(runtimeRoot, String(uid));
	const stats = lstatSync(runtime, {throwIfNoEntry: false});
	const isThere = stats?.isDirectory() === true && stats.uid === uid;
	return isThere ? path.join(runtime, 'pairkeeper', 'status.json') : path.join(temporaryDirectory(uid), 'status.json');
}

/** The files of the instance that has this status file. */
export function instancePaths(statusFile: string): InstancePaths {
	const directory = path.dirname(statusFile);
	return {
		statusFile,
		directory,
		lockFile: path.join(directory, '.pairkeeper.lock'),
		approveLockFile: path.join(directory, '.pairkeeper.approve.lock'),
		controlSocket: path.join(directory, 'control.sock'),
		groupSocket: path.join(directory, 'group.sock'),
		stateFile: path.join(directory, '.pairkeeper.state.json'),
		alarmFile: path.join(directory, '.pairkeeper.alarms.json'),
	};
}

/**
 * Makes the directory where it is missing, and throws an {@link InstancePathError} where somebody else could put a socket or a lock of their own
 * into it. For `run`, and for an `approve` that makes the pass itself; a command that only asks a supervisor creates nothing.
 */
export function prepareDirectory(paths: InstancePaths): void {
	assertUsable(paths);
	const {directory} = paths;
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

/** Throws an {@link InstancePathError} where nobody could run with this status file. Creates nothing, and does not ask who runs it. */
export function assertUsable({statusFile, directory, controlSocket}: InstancePaths): void {
	if (Buffer.byteLength(controlSocket) > MAX_SOCKET_PATH) {
		throw new InstancePathError(
			`${controlSocket} is too long for a socket (${MAX_SOCKET_PATH} bytes at most); choose a shorter statusFile`,
		);
	}
	if (isKernels(directory))
		throw new InstancePathError(
			`statusFile: no file can be kept in ${directory}, which is the kernel's; ${elsewhere(directory)}`,
		);
	if (isDirectory(statusFile))
		throw new InstancePathError(
			`statusFile: ${statusFile} is a directory; name a file in it: ${path.join(statusFile, 'status.json')}`,
		);
	assertPrivate(directory);
}

/** What cannot be looked at is found out by whoever uses it. */
function isDirectory(file: string): boolean {
	try {
		return statSync(file).isDirectory();
	} catch {
		return false;
	}
}

/**
 * Throws an {@link InstancePathError} where others than root and `owner` could put files into the directory. Without `owner`, that is the
 * directory's own: a client may ask the supervisor of another user.
 */
export function assertPrivate(directory: string, owner: number | null = null): void {
	assertOwnTemporary(directory);
	const stats = statSync(directory, {throwIfNoEntry: false});
	if (!stats) return;
	try {
		assertTrusted(directory, owner ?? stats.uid);
	} catch (error) {
		throw new InstancePathError(
			`${directory} is not a safe place for the status file, since others could pose as pairkeeper there: ${distrustOf(error, elsewhere(directory))}`,
		);
	}
}

/** What to do where it is not for us to say who may write a directory. */
function elsewhere(directory: string): string {
	const usual = defaultStatusFile(process.env);
	const example = path.dirname(usual) === directory ? '…' : usual;
	return `name a file in a directory that only you can change: statusFile: ${example}`;
}

/** The name of the directory in /tmp is known beforehand, so another user may have made it first; throws an {@link InstancePathError} then. */
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
