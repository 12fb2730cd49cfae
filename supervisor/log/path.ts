import {
	accessSync,
	closeSync,
	constants,
	fstatSync,
	lstatSync,
	openSync,
	realpathSync,
	type Stats,
	statSync,
} from 'node:fs';
import path from 'node:path';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {ConfigError} from '../config/config.ts';
import {errnoInWords} from '../host/errno.ts';
import {distrustOf, isKernels, parentsOf} from '../host/own-directory.ts';

const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * Why a log cannot be kept in this file, with what to do about it, or `null`. Nothing is created: whoever checks a configuration need not be the
 * one who runs it. Others must not be able to lead us to a file of their choice by a link.
 */
export function logFileProblem(file: string): string | null {
	const directory = path.dirname(file);
	const stats = statOf(statSync, directory);
	if (isKernels(directory))
		return `no log can be kept in ${directory}, which is the kernel's; name a file elsewhere, such as in /var/log`;
	if (typeof stats === 'string') return `${directory} cannot be looked at (${stats}); name a file elsewhere`;
	if (stats === null) return `its directory ${directory} does not exist; create it, or name a file elsewhere`;
	if (!stats.isDirectory()) return `${directory} is not a directory; name a file elsewhere`;
	return placeProblem(directory) ?? fileProblem(file, directory) ?? namesProblem(file, directory);
}

/** Opens a log to be appended to. Creates the file, but no directory, and never waits for a reader. Throws a {@link ConfigError}. */
export function openLog(file: string): number {
	const problem = logFileProblem(file);
	if (problem !== null) throw new ConfigError(`logFile: ${problem}`);
	const {O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY} = constants;
	// A link that was judged trustworthy is followed here, and none that comes meanwhile.
	const real = path.join(realpathSync(path.dirname(file)), path.basename(file));
	const target = isLink(real) ? realpathSync(real) : real;
	let descriptor: number;
	try {
		descriptor = openSync(target, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640);
	} catch (error) {
		throw new ConfigError(`logFile: ${file} cannot be opened: ${errnoInWords((error as NodeJS.ErrnoException).code)}`, {
			cause: error,
		});
	}
	if (fstatSync(descriptor).isFile()) return descriptor;
	closeSync(descriptor);
	throw new ConfigError(`logFile: ${file} is not a regular file`);
}

function fileProblem(file: string, directory: string): string | null {
	const stats = statOf(lstatSync, file);
	if (typeof stats === 'string') return `${file} cannot be looked at (${stats}); name a file elsewhere`;
	if (stats === null)
		return mayWrite(directory, constants.W_OK | constants.X_OK)
			? null
			: `${us()} cannot create a file in ${directory}; create ${file} for that user, or name a file elsewhere`;
	if (stats.isSymbolicLink()) {
		try {
			assertTrusted(file);
		} catch (error) {
			return `is a link that others could have made or could change, to have any file written to: ${distrustOf(error, 'name the file itself')}`;
		}
		const target = statOf(statSync, file);
		if (target === null || typeof target === 'string')
			return 'is a link that leads nowhere; remove it, or name the file itself';
		return regularProblem(file, target);
	}
	return regularProblem(file, stats);
}

/** Where a group may write too, one of it may have given our log's name to a file of ours that is not a log. */
function namesProblem(file: string, directory: string): string | null {
	const stats = lstatSync(file, {throwIfNoEntry: false});
	if (stats === undefined || stats.nlink === 1 || isTrusted(directory)) return null;
	return `${file} is a file with another name too, and others may write in ${directory}; remove it, or name a file elsewhere`;
}

function regularProblem(file: string, stats: Stats): string | null {
	if (stats.isDirectory()) return `${file} is a directory; name a file in it`;
	if (!stats.isFile()) return `${file} is not a regular file; leave logFile out to log to standard error`;
	if (stats.uid !== 0 && stats.uid !== ourId())
		return `${file} belongs to user ${stats.uid}, not to ${us()}; remove it, or name another file`;
	return mayWrite(file, constants.W_OK)
		? null
		: `${file} cannot be written by ${us()}; run pairkeeper as its owner, or name another file`;
}

/** Others must not be able to put a link where the log is. `/var/log` may be its log daemon's group's too, as on Debian. */
function placeProblem(directory: string): string | null {
	// Else perhaps only by a rule that is stricter than a log needs.
	if (isTrusted(directory)) return null;
	const real = realpathSync(directory);
	const isPlain = real === path.resolve(directory);
	if (isPlain && parentsOf(real).every(isOurAlone) && isOurEnough(lstatSync(real))) return null;
	return `others could replace files in ${directory}, and so choose what is written to; name a file elsewhere, such as in /var/log`;
}

function isTrusted(directory: string): boolean {
	try {
		assertTrusted(directory);
		return true;
	} catch {
		return false;
	}
}

function isOurAlone(directory: string): boolean {
	const stats = lstatSync(directory);
	return isOurEnough(stats) && ((stats.mode & GROUP_WRITE) === 0 || (stats.mode & STICKY) !== 0);
}

function isOurEnough({uid, mode}: Stats): boolean {
	const isOurs = uid === 0 || uid === ourId();
	return isOurs && ((mode & OTHERS_WRITE) === 0 || (uid === 0 && (mode & STICKY) !== 0));
}

function isLink(file: string): boolean {
	return lstatSync(file, {throwIfNoEntry: false})?.isSymbolicLink() === true;
}

/** `null`: there is nothing; a text: the error's code. */
function statOf(stat: typeof statSync | typeof lstatSync, file: string): Stats | string | null {
	try {
		return stat(file);
	} catch (error) {
		const {code = 'EIO'} = error as NodeJS.ErrnoException;
		return code === 'ENOENT' ? null : code;
	}
}

function mayWrite(file: string, mode: number): boolean {
	try {
		accessSync(file, mode);
		return true;
	} catch {
		return false;
	}
}

function us(): string {
	return `user ${ourId()}`;
}

function ourId(): number {
	return process.getuid?.() ?? 0;
}
