import os from 'node:os';
import {printable} from '../../worker/text.ts';

/** A `struct sockaddr_un`, as long as it is to be said to be (unix(7)). */
export type UnixAddress = Readonly<Buffer>;

/** AF_UNIX, on every Linux. */
const FAMILY = 1;

/** Bytes of `sun_path`. */
const MAX_PATH = 108;

/** The address of a socket that is called as sd_notify(3) calls it: by an absolute path, or by `@` and an abstract name. Throws where it is neither. */
export function unixAddress(name: string): UnixAddress {
	// A path ends with a zero byte; an abstract name begins with one, and is as long as the address is.
	const path = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`);
	if (!/^(\/|@.)/.test(name)) throw new Error(`${printable(name)} is neither an absolute path nor @ and a name`);
	if (path.length > MAX_PATH) throw new Error(`${printable(name)} is longer than a socket's address can be`);
	const family = Buffer.alloc(2);
	if (os.endianness() === 'LE') family.writeUInt16LE(FAMILY);
	else family.writeUInt16BE(FAMILY);
	return Buffer.concat([family, path]);
}
