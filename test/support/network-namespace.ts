// A network of its own, as a container has one: what listens on its loopback is not reached from ours, but by a passage that a test opens.
import {execFileSync, spawn} from 'node:child_process';
import {createServer, type Server, type Socket} from 'node:net';
import {hasEnded} from './processes.ts';

/** Copies bytes between its standard streams and a port of its loopback. */
const bridge = `const socket = require('net').connect(Number(process.argv[1]), '127.0.0.1');
socket.on('error', () => process.exit(1)).on('close', () => process.exit(0));
process.stdin.pipe(socket).pipe(process.stdout);`;

/** Whether this user may make network namespaces here. */
export function canHaveNetworks(): boolean {
	try {
		execFileSync('unshare', ['--net', 'true'], {stdio: 'ignore'});
		execFileSync('ip', ['netns', 'list'], {stdio: 'ignore'});
		return process.getuid?.() === 0;
	} catch {
		return false;
	}
}

/** A named network namespace with a loopback. */
export class NetworkNamespace implements AsyncDisposable {
	readonly name: string;
	readonly #servers: Server[] = [];
	readonly #sockets = new Set<Socket>();

	constructor(name: string) {
		this.name = name;
		execFileSync('ip', ['netns', 'add', name]);
		execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
	}

	/** Runs what follows inside. */
	get exec(): readonly string[] {
		return ['ip', 'netns', 'exec', this.name];
	}

	/** Lets our loopback lead to a port inside, for what the test itself asks there. */
	async openPassage(port: number): Promise<void> {
		const server = createServer(socket => {
			const [file = '', ...args] = [...this.exec, process.execPath, '-e', bridge, '--', String(port)];
			const child = spawn(file, args, {stdio: ['pipe', 'pipe', 'ignore']});
			this.#sockets.add(socket);
			for (const stream of [socket, child.stdin, child.stdout]) stream.on('error', () => {});
			socket.pipe(child.stdin);
			child.stdout.pipe(socket);
			socket.once('close', () => {
				this.#sockets.delete(socket);
				if (!hasEnded(child)) child.kill('SIGKILL');
			});
			child.once('exit', () => socket.destroy());
		});
		await new Promise<void>((resolve, reject) => {
			server.once('error', reject);
			server.listen(port, '127.0.0.1', resolve);
		});
		this.#servers.push(server);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		const closed = this.#servers.map(server => new Promise(resolve => server.close(resolve)));
		for (const socket of this.#sockets) socket.destroy();
		await Promise.all(closed);
		execFileSync('ip', ['netns', 'del', this.name]);
	}
}
