import {lstatSync, readlinkSync, type Stats} from 'node:fs';
import path from 'node:path';

const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
const MAX_LINKS = 32;

/** Debian's group of those who may add to /usr/local without being root (Debian Policy, 9.1.2), and the number it has everywhere. */
const STAFF = 50;

/** What the system made, for everybody: no mode of these is changed for the sake of one program (hier(7), Filesystem Hierarchy Standard 3.0). */
const SYSTEM =
	/^\/($|(bin|boot|dev|etc|home|lib\w*|media|mnt|opt|proc|run|sbin|srv|sys|tmp|usr|var)$|(dev|proc|sys|usr)\/|(media|run|var)\/[^/]+$)/;

/** Those of them that are ours after all: a service manager makes them for us (systemd.exec(5), RuntimeDirectory=). */
const OWN = /^\/(run|var)\/[^/]*pairkeeper[^/]*$/;

/** Somebody else could change what stands at this path; the message says where, and what to do. */
export class UntrustedPathError extends Error {
	override readonly name = 'UntrustedPathError';
	/** What could be changed. */
	readonly where: string;
	/** The message without what to do. */
	readonly problem: string;

	constructor(where: string, problem: string, remedy: string) {
		super(`${where} ${problem}; ${remedy}`);
		this.where = where;
		this.problem = `${where} ${problem}`;
	}
}

/** Whose group may write, on the way to something. */
type GroupRule =
	/** No group. */
	| 'none'
	/** One that has its owner alone in it, as many distributions give to each user, and Debian's staff in /usr/local: whoever runs programs from there trusts it. */
	| 'own-or-staff';

/**
 * Throws an {@link UntrustedPathError} unless `file` and every directory and link on the way to it can be changed by nobody but root and us.
 * Root's sticky directories (`/tmp`) are allowed as parents: there, only an entry's owner can replace it. What does not exist is
 * trusted where only root and we can create it, so not right below such a directory.
 */
export function assertTrusted(file: string, uid: number = process.getuid?.() ?? 0): void {
	assertWay(file, uid, 'none');
}

/** As {@link assertTrusted}, for a program that is to be run: what installs programs leaves directories that a group of the owner's own may write. */
export function assertTrustedProgram(file: string, uid: number = process.getuid?.() ?? 0): void {
	assertWay(file, uid, 'own-or-staff');
}

function assertWay(file: string, uid: number, rule: GroupRule): void {
	const pending = path.resolve(file).split('/').filter(Boolean);
	let current = '/';
	let links = 0;
	check(current, lstatSync(current), {uid, rule, isParent: pending.length > 0});
	while (pending.length > 0) {
		const next = path.join(current, pending.shift() ?? '');
		const stats = lstatSync(next, {throwIfNoEntry: false});
		if (!stats) {
			if (!isWritableByOthers(current, lstatSync(current), rule)) return;
			throw new UntrustedPathError(
				next,
				'does not exist, and anybody could create it',
				`create it yourself, with mode ${pending.length > 0 ? '0700' : '0600'}`,
			);
		}
		if (stats.isSymbolicLink()) {
			if (!isOurs(stats, uid))
				throw new UntrustedPathError(
					next,
					`is a link that belongs to user ${stats.uid}`,
					'replace it with one of your own',
				);
			if (++links > MAX_LINKS)
				throw new UntrustedPathError(file, 'goes through too many symbolic links', 'name the file itself');
			const target = path.resolve(current, readlinkSync(next));
			pending.unshift(...target.split('/').filter(Boolean));
			current = '/';
			continue;
		}
		check(next, stats, {uid, rule, isParent: pending.length > 0});
		current = next;
	}
}

function check(
	name: string,
	stats: Stats,
	{uid, rule, isParent}: {readonly uid: number; readonly rule: GroupRule; readonly isParent: boolean},
): void {
	if (!isOurs(stats, uid)) {
		const remedy = uid === 0 && !isSystems(name) ? `make it yours: chown 0 ${name}` : "use one that is yours or root's";
		throw new UntrustedPathError(name, `belongs to user ${stats.uid}, who could change it`, remedy);
	}
	const isRootsSticky = isParent && stats.isDirectory() && stats.uid === 0 && (stats.mode & STICKY) !== 0;
	if (isRootsSticky || !isWritableByOthers(name, stats, rule)) return;
	const remedy = isForUsToChange(name, stats, uid)
		? `fix: chmod go-w ${name}`
		: 'that is not for pairkeeper to change: configure a place in a directory that only you can write';
	throw new UntrustedPathError(name, 'can be written by other users', remedy);
}

/** Whether it is for this user to say who may write this file or directory: it is the user's, and neither the system's nor shared on purpose. */
export function isForUsToChange(name: string, stats: Stats, uid: number): boolean {
	if (stats.uid !== uid) return false;
	return !stats.isDirectory() || ((stats.mode & STICKY) === 0 && !isSystems(name));
}

function isSystems(name: string): boolean {
	return SYSTEM.test(name) && !OWN.test(name);
}

function isWritableByOthers(name: string, {mode, uid, gid}: Stats, rule: GroupRule): boolean {
	if ((mode & OTHERS_WRITE) !== 0) return true;
	if ((mode & GROUP_WRITE) === 0) return false;
	const isStaffs = uid === 0 && gid === STAFF && /^\/usr\/local(\/|$)/.test(name);
	return rule === 'none' || !(gid === uid || isStaffs);
}

function isOurs(stats: Stats, uid: number): boolean {
	return stats.uid === 0 || stats.uid === uid;
}
