import {lstatSync, readlinkSync, type Stats} from 'node:fs';
import path from 'node:path';

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const MAX_LINKS = 32;

/** Somebody else could change what stands at this path; the message says where, and what to do. */
export class UntrustedPathError extends Error {
	override readonly name = 'UntrustedPathError';
}

/**
 * Throws an {@link UntrustedPathError} unless `file` and every directory and link on the way to it can be changed by nobody but root and us.
 * Root's sticky directories (`/tmp`) are allowed as parents: there, only an entry's owner can replace it. What does not exist is
 * trusted where only root and we can create it, so not right below such a directory.
 */
export function assertTrusted(file: string, uid: number = process.getuid?.() ?? 0): void {
	const pending = path.resolve(file).split('/').filter(Boolean);
	let current = '/';
	let links = 0;
	check(current, lstatSync(current), uid, pending.length > 0);
	while (pending.length > 0) {
		const next = path.join(current, pending.shift() ?? '');
		const stats = lstatSync(next, {throwIfNoEntry: false});
		if (!stats) {
			if ((lstatSync(current).mode & GROUP_OR_OTHERS_WRITE) === 0) return;
			throw new UntrustedPathError(
				`${next} does not exist, and anybody could create it; create it yourself, with mode 0700`,
			);
		}
		if (stats.isSymbolicLink()) {
			if (!isOurs(stats, uid))
				throw new UntrustedPathError(
					`${next} is a link that belongs to user ${stats.uid}; replace it with one of your own`,
				);
			if (++links > MAX_LINKS) throw new UntrustedPathError(`${file} goes through too many symbolic links`);
			const target = path.resolve(current, readlinkSync(next));
			pending.unshift(...target.split('/').filter(Boolean));
			current = '/';
			continue;
		}
		check(next, stats, uid, pending.length > 0);
		current = next;
	}
}

function check(name: string, stats: Stats, uid: number, isParent: boolean): void {
	if (!isOurs(stats, uid)) {
		throw new UntrustedPathError(
			`${name} belongs to user ${stats.uid}, who could change it; make it yours or root's: chown ${uid} ${name}`,
		);
	}
	const isRootsSticky = isParent && stats.isDirectory() && stats.uid === 0 && (stats.mode & STICKY) !== 0;
	if ((stats.mode & GROUP_OR_OTHERS_WRITE) !== 0 && !isRootsSticky) {
		throw new UntrustedPathError(`${name} can be written by other users; fix: chmod go-w ${name}`);
	}
}

function isOurs(stats: Stats, uid: number): boolean {
	return stats.uid === 0 || stats.uid === uid;
}
