import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {assertTrusted} from './trusted-path.ts';

/** No token is longer, in bytes. */
const MAX_TOKEN = 4096;

/**
 * The token in `file`; links are followed. Throws an error that names the file and the remedy when it cannot be read, is empty, or can be read by
 * more than its owner; a group may where root owns the file, since root chose the group. And when somebody else could put another file there.
 */
export function readTokenFile(file: string): string {
	// Without O_NONBLOCK a named pipe in its place would stop us for ever.
	const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	try {
		const stats = fstatSync(descriptor);
		const {mode, uid} = stats;
		if (!stats.isFile()) throw new Error(`${file} is not a regular file`);
		if ((mode & 0o007) !== 0) throw new Error(`${file} can be read by other users; fix: chmod o-rwx ${file}`);
		if ((mode & 0o070) !== 0 && uid !== 0)
			throw new Error(`${file} can be read by its group; fix: chmod go-rwx ${file}`);
		// Whoever could put another file there could have any secret that we can read sent to a gateway.
		assertTrusted(file);
		const buffer = Buffer.alloc(MAX_TOKEN + 1);
		return toToken(buffer.toString('utf8', 0, readSync(descriptor, buffer)), file);
	} finally {
		closeSync(descriptor);
	}
}

/** The token in `text`, which came from `where`. Throws where there is none, or what cannot be one. */
export function toToken(text: string, where: string): string {
	const token = text.trim();
	if (token === '') throw new Error(`${where} holds no token`);
	if (token.length > MAX_TOKEN || /[\s\p{Cc}]/u.test(token))
		throw new Error(`${where} holds something that is not a token`);
	return token;
}
