import {readdirSync, readFileSync, readlinkSync, realpathSync} from 'node:fs';
import path from 'node:path';
import {systemClock} from '../clock.ts';
import {UntrustedPathError} from './trusted-path.ts';

/** How long, in milliseconds, a directory that was found to be ours alone is taken to be so: a container that mounts it is not started behind our back often. */
const VALID_FOR = 60_000;

/** More mount namespaces than these are not looked into, nor for longer than this, in milliseconds: how many there are, other users decide. */
const MAX_NAMESPACES = 256;
const PATIENCE = 300;

/** More is not read of the mounts of one, in characters. */
const MAX_MOUNTS = 2 ** 19;

/** A line of /proc/pid/mountinfo (proc(5)). */
export interface Mount {
	/** The filesystem's device, `major:minor`. */
	readonly device: string;
	/** What of the filesystem is mounted. */
	readonly root: string;
	readonly point: string;
	readonly isReadOnly: boolean;
}

const alone = new Map<string, number>();

/** What a container can write, and the pid of one of its processes. */
export interface Shared {
	readonly place: string;
	readonly pid: number;
}

/**
 * Whether a container whose root is our root has mounted one of these files, or what a directory of these holds, or something of it, so that it can be
 * written from in there, whatever the modes say. For root alone: only root's files are kept from everybody by their owner. A container is what has
 * a pid and a mount namespace of its own, and our user namespace; what it mounts where we have it too, as a copy of our mounts does, is not counted. Where
 * there are too many to look at, `null`.
 */
export function sharedWith(places: readonly string[]): Shared | null {
	const now = systemClock.now();
	if (process.geteuid?.() !== 0) return null;
	const unknown = places.filter(place => now - (alone.get(place) ?? Number.NEGATIVE_INFINITY) >= VALID_FOR);
	const shared = unknown.length === 0 ? null : containerWith(unknown, now + PATIENCE);
	if (shared === null) for (const place of unknown) alone.set(place, now);
	return shared;
}

/** Throws where {@link sharedWith} finds something: the container's root being ours, no mode protects it. */
export function assertAlone(places: readonly string[]): void {
	const shared = sharedWith(places);
	if (shared === null) return;
	throw new UntrustedPathError(
		shared.place,
		`is mounted in a container too (process ${shared.pid}), whose root is root here and could change it`,
		'run the call in there, by exec: [docker, exec, NAME] or the like',
	);
}

function containerWith(places: readonly string[], until: number): Shared | null {
	const real = places.flatMap(place => {
		const target = attempt(() => realpathSync(place));
		return target === null ? [] : {place, target};
	});
	const ours = {mnt: namespace('self', 'mnt'), pid: namespace('self', 'pid'), user: namespace('self', 'user')};
	if (real.length === 0 || ours.mnt === null) return null;
	const ourMounts = mountsIn(mountinfoOf('self'));
	const seen = new Set([ours.mnt]);
	for (const pid of attempt(() => readdirSync('/proc')) ?? []) {
		if (seen.size > MAX_NAMESPACES || systemClock.now() > until) return null;
		if (!/^\d+$/.test(pid)) continue;
		const mnt = namespace(pid, 'mnt');
		if (mnt === null || seen.has(mnt) || namespace(pid, 'pid') === ours.pid) continue;
		seen.add(mnt);
		if (namespace(pid, 'user') !== ours.user) continue;
		const theirs = mountsIn(mountinfoOf(pid));
		const shared = real.find(({target}) => isWritableThrough(theirs, target, ourMounts));
		if (shared) return {place: shared.place, pid: Number(pid)};
	}
	return null;
}

/** Whether something of the directory, by its real path, can be written through these mounts, that are not ours. */
export function isWritableThrough(theirs: readonly Mount[], directory: string, ours: readonly Mount[]): boolean {
	const holder = ours.findLast(({point}, _, all) => {
		const longest = Math.max(...all.filter(each => holds(each.point, directory)).map(each => each.point.length));
		return holds(point, directory) && point.length === longest;
	});
	if (!holder) return false;
	const inner = path.join(holder.root, path.relative(holder.point, directory));
	return theirs.some(
		({device, root, point, isReadOnly}) =>
			device === holder.device &&
			!isReadOnly &&
			(holds(root, inner) || holds(inner, root)) &&
			!(root === holder.root && point === holder.point),
	);
}

/** The mounts in the text of a mountinfo file. */
export function mountsIn(text: string): readonly Mount[] {
	return text.split('\n').flatMap(line => {
		const [, , device, root, point, options = ''] = line.split(' ');
		if (device === undefined || root === undefined || point === undefined) return [];
		return [{device, root: unescaped(root), point: unescaped(point), isReadOnly: options.split(',').includes('ro')}];
	});
}

function holds(directory: string, file: string): boolean {
	return file === directory || file.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

/** Blanks and the like stand as octal numbers. */
function unescaped(text: string): string {
	return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function namespace(pid: string, kind: 'mnt' | 'pid' | 'user'): string | null {
	return attempt(() => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

function mountinfoOf(pid: string): string {
	return (attempt(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')) ?? '').slice(0, MAX_MOUNTS);
}

/** What is gone, or may not be seen, is `null`. */
function attempt<T>(read: () => T): T | null {
	try {
		return read();
	} catch {
		return null;
	}
}
