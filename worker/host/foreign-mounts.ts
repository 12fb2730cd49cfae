import {closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, realpathSync} from 'node:fs';
import path from 'node:path';
import {type Clock, systemClock} from '../clock.ts';
import {isWritableThrough, type Location, locationOf, type Mount, mountsIn} from './mounts.ts';
import {UntrustedPathError} from './trusted-path.ts';

/** How long, in milliseconds, a directory that was found to be ours alone is taken to be so: a container that mounts it is not started behind our back often. */
const VALID_FOR = 60_000;

/**
 * How much CPU time one look may take, in microseconds. By the clock a busy host would have too many containers at times. A process of the host costs some
 * 10 µs, a container some 250 µs: this is for thousands of containers, or for more processes than a user may have by default.
 */
const PATIENCE = 1_000_000;

/** After a look that came to no end there is none for so long, in milliseconds: each takes all of the time that it may. */
const PAUSE = 10_000;

/** More is not read of one process's mounts, in bytes: a container that has the host's mounts too has a KiB for each of the others. */
const MAX_MOUNTS = 8 * 2 ** 20;

/** Whether something that we obey can be written from a container. */
export type Sharing =
	| {readonly kind: 'alone'}
	/** It can, by this process of one. */
	| {readonly kind: 'shared'; readonly place: string; readonly pid: number}
	/** Not all that runs here could be looked at. */
	| {readonly kind: 'unknown'; readonly place: string};

type Look = (places: readonly string[]) => Sharing;

/** Whether what was begun has taken too long. */
type IsOver = () => boolean;

/** A process's namespaces, by the names that the kernel gives them. */
interface Namespaces {
	readonly mnt: string;
	readonly pid: string | null;
	readonly user: string | null;
}

const isAlone: Sharing = {kind: 'alone'};

/**
 * Tells whether a container whose root is our root has mounted one of these files, or what a directory of these holds, or something of it, so that it can be
 * written from in there, whatever the modes say. For root alone: only root's files are kept from everybody by their owner. A container is what has
 * a pid and a mount namespace of its own, and in which our root is somebody; what it mounts where we have it too, as a copy of our mounts does, is not counted.
 *
 * How many processes there are, anybody decides, and so whether a look comes to its end. So what was not looked at is never taken for ours alone, and in
 * which order it is looked at does not matter. That nobody may keep us from approving in this way either, a look has room for more than one
 * user's processes, and what cannot matter, the namespaces that need no privilege, is dropped after two links.
 */
export function lookout(clock: Pick<Clock, 'now'> = systemClock, begin: () => IsOver = withinPatience): Look {
	const alone = new Map<string, number>();
	let gaveUp = Number.NEGATIVE_INFINITY;
	return places => {
		if (process.geteuid?.() !== 0) return isAlone;
		const now = clock.now();
		const open = places.filter(place => now - (alone.get(place) ?? Number.NEGATIVE_INFINITY) >= VALID_FOR);
		const [place] = open;
		if (place === undefined) return isAlone;
		const sharing: Sharing = now - gaveUp < PAUSE ? {kind: 'unknown', place} : look(open, begin());
		if (sharing.kind === 'alone') for (const each of open) alone.set(each, now);
		else if (sharing.kind === 'unknown' && now - gaveUp >= PAUSE) gaveUp = now;
		return sharing;
	};
}

const sharedWith = lookout();

/** Throws where {@link lookout} finds something, the container's root being ours, so that no mode protects it; and where it cannot say. */
export function assertAlone(places: readonly string[], look: Look = sharedWith): void {
	const sharing = look(places);
	switch (sharing.kind) {
		case 'alone':
			return;
		case 'shared':
			throw new UntrustedPathError(
				sharing.place,
				`is mounted in a container too (process ${sharing.pid}), whose root is root here and could change it`,
				'run the call in there, by exec: [docker, exec, NAME] or the like',
			);
		case 'unknown':
			throw new UntrustedPathError(
				sharing.place,
				'may be mounted in a container too, whose root could change it: more runs on this host than can be looked at',
				'find what runs in such numbers (lsns -t mnt; ps -e) and end it, or run the call in its sandbox, by exec',
			);
	}
}

function withinPatience(): IsOver {
	const start = process.cpuUsage();
	return () => {
		const {user, system} = process.cpuUsage(start);
		return user + system > PATIENCE;
	};
}

function look(places: readonly string[], isOver: IsOver): Sharing {
	const [place = ''] = places;
	const mnt = namespace('self', 'mnt');
	// Without /proc there are no namespaces either.
	if (mnt === null) return isAlone;
	const ours = {mnt, pid: namespace('self', 'pid'), user: namespace('self', 'user')};
	const ourMounts = mountsOf('self');
	if (ourMounts === 'excess' || ourMounts === null) return {kind: 'unknown', place};
	const located = places.flatMap(each => {
		const location = locationOf(realPath(each), ourMounts);
		return location === null ? [] : {place: each, location};
	});
	return lookAround(ours, located, isOver) ?? isAlone;
}

interface Located {
	readonly place: string;
	readonly location: Location;
}

/** What is found before it is over, `null` where nothing is. */
function lookAround(ours: Namespaces, located: readonly Located[], isOver: IsOver): Sharing | null {
	const [{place} = {place: ''}] = located;
	/** Whether our root is somebody there, by user namespace. */
	const ourRoot = new Map([[ours.user ?? '', true]]);
	const seen = new Set<string>();
	for (const pid of attempt(() => readdirSync('/proc')) ?? []) {
		if (!/^\d+$/.test(pid)) continue;
		if (isOver()) return {kind: 'unknown', place};
		const mnt = namespace(pid, 'mnt');
		if (mnt === null || mnt === ours.mnt) continue;
		const user = namespace(pid, 'user');
		if (user === null) continue;
		const isRoot = ourRoot.get(user) ?? hasOurRoot(pid);
		if (isRoot !== null) ourRoot.set(user, isRoot);
		if (!isRoot) continue;
		// A process that has changed its root is shown what it has below that one alone.
		const view = `${mnt} ${linkOf(pid, 'root')}`;
		if (seen.has(view) || namespace(pid, 'pid') === ours.pid) continue;
		const theirs = mountsOf(pid);
		if (theirs === null) continue;
		if (theirs === 'excess') return {kind: 'unknown', place};
		seen.add(view);
		const shared = located.find(({location}) => isWritableThrough(theirs, location));
		if (shared) return {kind: 'shared', place: shared.place, pid: Number(pid)};
	}
	return null;
}

/** Of what does not exist yet, where it would be made. */
function realPath(file: string): string {
	const parent = path.dirname(file);
	return (
		attempt(() => realpathSync(file)) ?? (parent === file ? file : path.join(realPath(parent), path.basename(file)))
	);
}

/** Whether our root is somebody in its user namespace: nobody without privilege can make such a one (user_namespaces(7), from our side: /proc/pid/uid_map). */
function hasOurRoot(pid: string): boolean | null {
	const map = attempt(() => readFileSync(`/proc/${pid}/uid_map`, 'latin1'));
	return map === null ? null : map.split('\n').some(line => /^\s*\d+\s+0\s/.test(line));
}

function namespace(pid: string, kind: 'mnt' | 'pid' | 'user'): string | null {
	return linkOf(pid, `ns/${kind}`);
}

function linkOf(pid: string, name: string): string | null {
	return attempt(() => readlinkSync(`/proc/${pid}/${name}`));
}

function mountsOf(pid: string): readonly Mount[] | 'excess' | null {
	return attempt(() => {
		const descriptor = openSync(`/proc/${pid}/mountinfo`, 'r');
		try {
			// Most are of a few KiB, and the kernel gives no more at once.
			let buffer = Buffer.allocUnsafe(2 ** 12);
			for (let length = 0; length <= MAX_MOUNTS; ) {
				if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * length);
				const bytes = readSync(descriptor, buffer, length, buffer.length - length, null);
				if (bytes === 0) return mountsIn(buffer.toString('utf8', 0, length));
				length += bytes;
			}
			return 'excess';
		} finally {
			closeSync(descriptor);
		}
	});
}

/** What is gone, or may not be seen, is `null`. */
function attempt<T>(read: () => T): T | null {
	try {
		return read();
	} catch {
		return null;
	}
}
