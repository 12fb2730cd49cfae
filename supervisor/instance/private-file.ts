import {closeSync, constants, fstatSync, openSync, readFileSync} from 'node:fs';

/** What a JSON file holds that only we can read and write; `null` where there is none, or it is not ours to believe. */
export function readPrivate(file: string): unknown {
	try {
		const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
		try {
			const {uid, mode} = fstatSync(descriptor);
			const isPrivate = uid === process.getuid?.() && (mode & 0o077) === 0;
			return isPrivate ? JSON.parse(readFileSync(descriptor, 'utf8')) : null;
		} finally {
			closeSync(descriptor);
		}
	} catch {
		return null;
	}
}
