// A way from our loopback to a port that only what `exec` reaches can see, for what a test itself asks there.
import {spawn} from 'node:child_process';
import {createServer, type Socket} from 'node:net';
import {hasEnded} from './processes.ts';

/** Copies bytes between its standard streams and a port of its loopback. */
const bridge = `const socket = require('net').connect(Number(process.argv[1]), '127.0.0.1');
socket.on('error', () => process.exit(1)).on('close', () => process.exit(0));
process.stdin.pipe(socket).pipe(process.stdout);`;

/** Lets a port of our loopback lead to the same one there, for as long as it is not disposed of. */
export async function openPassage(exec: readonly string[], port: number): Promise<AsyncDisposable> {
	const sockets = new Set<Socket>();
	const server = createServer(socket => {
		const [file = '', ...args] = [...exec, process.execPath, '-e', bridge, '--', String(port)];
		const child = spawn(file, args, {stdio: ['pipe', 'pipe', 'ignore']});
		sockets.add(socket);
		for (const stream of [socket, child.stdin, child.stdout]) stream.on('error', () => {});
		socket.pipe(child.stdin);
		child.stdout.pipe(socket);
		socket.once('close', () => {
			sockets.delete(socket);
			if (!hasEnded(child)) child.kill('SIGKILL');
		});
		child.once('exit', () => socket.destroy());
	});
	await new Promise<void>((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, '127.0.0.1', resolve);
	});
	return {
		[Symbol.asyncDispose]: async () => {
			const closed = new Promise(resolve => server.close(resolve));
			for (const socket of sockets) socket.destroy();
			await closed;
		},
	};
}
