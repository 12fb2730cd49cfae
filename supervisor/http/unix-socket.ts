import {chmodSync, chownSync, existsSync, linkSync, lstatSync, rmSync, type Stats} from 'node:fs';
import net from 'node:net';
import {dirname} from 'node:path';
import {errnoInWords} from '../host/errno.ts';
import {listenPrivately} from '../host/private-socket.ts';

/** How long one that listens at a socket may take to say so, in milliseconds. */
const PATIENCE = 1000;

/** A socket's file of ours; `remove` takes it away, unless something else stands there by then. */
export interface SocketFile {
	readonly remove: () => void;
}

/**
 * Has `server` listen at a Unix socket for its owner, and for the group with the number `gid` where one is given. What stands at `path` is removed only
 * where it is a socket of ours at which nobody listens any more; else rejects with what is there. The socket is made beside it and linked to its name, so
 * it has its mode before anybody can connect, and nothing that appears meanwhile is written over (Node would remove whatever stands at a path that it
 * listened at).
 */
export async function listenAtPath(server: net.Server, path: string, gid: number | null): Promise<SocketFile> {
	const fresh = `${path}.new`;
	// Node says "no permission" of a directory that is not there.
	if (!existsSync(dirname(path))) throw new Error(`${dirname(path)} does not exist; make that directory`);
	await removeOwn(fresh);
	await removeOwn(path);
	await bind(server, fresh);
	try {
		if (gid !== null) chownSync(fresh, process.geteuid?.() ?? 0, gid);
		chmodSync(fresh, gid === null ? 0o600 : 0o660);
		linkSync(fresh, path);
	} catch (error) {
		server.close();
		throw new Error(errnoInWords((error as NodeJS.ErrnoException).code));
	} finally {
		rmSync(fresh, {force: true});
	}
	const ours = lstatSync(path);
	return {
		remove: () => {
			const there = lstatSync(path, {throwIfNoEntry: false});
			if (there && isSame(there, ours)) rmSync(path, {force: true});
		},
	};
}

function bind(server: net.Server, path: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		listenPrivately(server, path, () => {
			server.off('error', reject);
			resolve();
		});
	});
}

async function removeOwn(path: string): Promise<void> {
	const there = lstatSync(path, {throwIfNoEntry: false});
	if (!there) return;
	if (!there.isSocket())
		throw new Error('something stands there that is not a socket; move it away, or name another path');
	if (there.uid !== process.geteuid?.())
		throw new Error(`a socket of user ${there.uid} stands there; name another path`);
	if (!(await isLeft(path))) throw new Error('another program listens there; stop it, or name another path');
	const now = lstatSync(path, {throwIfNoEntry: false});
	if (now && isSame(now, there)) rmSync(path);
}

/** Whether nobody listens at a socket any more. */
function isLeft(path: string): Promise<boolean> {
	return new Promise(resolve => {
		const socket = net.connect(path);
		const settle = (isLeft: boolean) => {
			socket.destroy();
			resolve(isLeft);
		};
		socket.setTimeout(PATIENCE, () => settle(false));
		socket.once('connect', () => settle(false));
		socket.once('error', error => settle((error as NodeJS.ErrnoException).code === 'ECONNREFUSED'));
	});
}

function isSame(one: Stats, other: Stats): boolean {
	return one.dev === other.dev && one.ino === other.ino;
}
