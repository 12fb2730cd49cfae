import path from 'node:path';

/** A line of /proc/pid/mountinfo (proc(5)). */
export interface Mount {
	/** The filesystem's device, `major:minor`. */
	readonly device: string;
	/** What of the filesystem is mounted. */
	readonly root: string;
	readonly point: string;
	readonly isReadOnly: boolean;
}

/** Where something stands in the filesystem that holds it, whatever leads there. */
export interface Location {
	/** By which we get to it. */
	readonly mount: Mount;
	/** From the filesystem's own root. */
	readonly inner: string;
}

/** Where a file or directory stands, by its real path and our mounts; `null` where none of them holds it. */
export function locationOf(file: string, ours: readonly Mount[]): Location | null {
	// Of several at one point the last one hides the others.
	const mount = ours.reduce<Mount | null>(
		(deepest, each) => (holds(each.point, file) && each.point.length >= (deepest?.point.length ?? 0) ? each : deepest),
		null,
	);
	return mount && {mount, inner: path.join(mount.root, path.relative(mount.point, file))};
}

/** Whether what stands there, or something in it, can be written through these mounts, that are not ours. */
export function isWritableThrough(theirs: readonly Mount[], {mount, inner}: Location): boolean {
	return theirs.some(
		({device, root, point, isReadOnly}) =>
			device === mount.device &&
			!isReadOnly &&
			(holds(root, inner) || holds(inner, root)) &&
			!(root === mount.root && point === mount.point),
	);
}

/** The mounts in the text of a mountinfo file. */
export function mountsIn(text: string): readonly Mount[] {
	return text.split('\n').flatMap(line => {
		// What follows may be long: a container's layers have a path each.
		const [, , device, root, point, options = ''] = line.split(' ', 6);
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
