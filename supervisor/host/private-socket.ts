import type {Server} from 'node:net';

/**
 * Has `server` listen at a Unix socket that is its owner's alone from the first moment: listen() makes the socket's file at once, with a mode by the umask, and
 * others could connect before a chmod. What goes wrong is the server's `error` event.
 */
export function listenPrivately(server: Server, path: string, onListening: () => void): void {
	const umask = process.umask(0o177);
	try {
		server.listen(path, onListening);
	} finally {
		process.umask(umask);
	}
}
