import {chmodSync, chownSync, rmSync} from 'node:fs';
import {createServer, type Server, type Socket} from 'node:net';
import {parseBounded} from '../../worker/json.ts';
import {messageOf} from '../../worker/text.ts';
import {groupIdOf} from '../group.ts';
import {type ControlRequest, type ControlResponse, controlRequestSchema, MAX_LINE} from './protocol.ts';

/** Connections at once; further ones are closed. */
const MAX_CONNECTIONS = 256;

/** How long a client may take to say what it wants, in milliseconds. */
const REQUEST_TIMEOUT = 5000;

/** Answers one request. What goes wrong with it is an answer too; a rejection is reported as a request that was not understood. */
export type Answer = (request: ControlRequest) => Promise<ControlResponse>;

/** The Unix socket by which `approve`, `kick` and `reload` ask the supervisor. */
export class ControlServer {
	readonly #server: Server;
	readonly #connections = new Set<Socket>();

	readonly #path: string;

	private constructor(path: string, answer: Answer) {
		this.#path = path;
		this.#server = createServer(socket => void this.#serve(socket, answer));
		this.#server.maxConnections = MAX_CONNECTIONS;
	}

	/**
	 * Listens at `path`, for its owner, and for `group` where one is given. Whoever calls this holds the instance lock, so a socket that stands
	 * there was left by a supervisor that has ended.
	 */
	static async listen(path: string, group: string | null, answer: Answer): Promise<ControlServer> {
		rmSync(path, {force: true});
		const control = new ControlServer(path, answer);
		await control.#bind();
		try {
			control.restrictTo(group);
		} catch (error) {
			await control.close();
			throw error;
		}
		return control;
	}

	/** Lets in the owner, and this group where one is given. Where the host has no such group (any more), throws and changes nothing. */
	restrictTo(group: string | null): void {
		const gid = group === null ? null : groupIdOf(group);
		if (group !== null && gid === null)
			throw new Error(`controlGroup: there is no group ${group} on this host any more`);
		if (gid !== null) giveToGroup(this.#path, gid, group);
		chmodSync(this.#path, gid === null ? 0o600 : 0o660);
	}

	/** Ends all connections, after 200 ms by force, and removes the socket (as Node does when a server closes). */
	async close(): Promise<void> {
		const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
		for (const socket of this.#connections) socket.end();
		const timer = setTimeout(() => {
			for (const socket of this.#connections) socket.destroy();
		}, 200);
		await closed;
		clearTimeout(timer);
	}

	#bind(): Promise<void> {
		return new Promise((resolve, reject) => {
			// Once it listens, an error is a connection that could not be accepted, as when descriptors run out. Its client notices, and this
			// promise is settled, so nothing is left to do.
			this.#server.on('error', reject);
			// listen() makes the socket's file at once, with a mode by the umask. Without this, others could connect before the chmod.
			const umask = process.umask(0o177);
			try {
				this.#server.listen(this.#path, resolve);
			} finally {
				process.umask(umask);
			}
		});
	}

	async #serve(socket: Socket, answer: Answer): Promise<void> {
		this.#connections.add(socket);
		socket.on('error', () => {});
		socket.once('close', () => this.#connections.delete(socket));
		const response = await readLine(socket)
			.then(line => answer(controlRequestSchema.parse(parseBounded(line))))
			.catch(
				(error: unknown): ControlResponse => ({
					result: 'refused',
					detail: `the request was not understood: ${messageOf(error)}`,
				}),
			);
		socket.end(`${JSON.stringify(response)}\n`);
	}
}

function giveToGroup(file: string, gid: number, group: string | null): void {
	try {
		chownSync(file, process.getuid?.() ?? 0, gid);
	} catch (error) {
		throw new Error(
			`controlGroup: ${file} cannot be given to the group ${group}; make the user of pairkeeper a member of it (usermod --append --groups ${group} USER), or remove the key`,
			{cause: error},
		);
	}
}

/** The first line that comes, within {@link REQUEST_TIMEOUT} and {@link MAX_LINE}. */
function readLine(socket: Socket): Promise<string> {
	return new Promise((resolve, reject) => {
		let text = '';
		const timer = setTimeout(() => reject(new Error('nothing was asked')), REQUEST_TIMEOUT);
		socket.setEncoding('utf8');
		socket.on('data', (chunk: string) => {
			text += chunk;
			const end = text.indexOf('\n');
			if (end === -1 && text.length <= MAX_LINE) return;
			clearTimeout(timer);
			socket.removeAllListeners('data');
			socket.resume();
			if (end === -1) reject(new Error('the request is too long'));
			else resolve(text.slice(0, end));
		});
		socket.once('close', () => {
			clearTimeout(timer);
			reject(new Error('the client hung up'));
		});
	});
}
