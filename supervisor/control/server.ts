import {chmodSync, chownSync, rmSync} from 'node:fs';
import {createServer, type Server, type Socket} from 'node:net';
import {parseBounded} from '../../worker/json.ts';
import type {RateLimit} from '../../worker/rate-limit.ts';
import {messageOf} from '../../worker/text.ts';
import {listenPrivately} from '../host/private-socket.ts';
import {type ControlRequest, type ControlResponse, controlRequestSchema, MAX_REQUEST} from './protocol.ts';

/** What a server lets those have who connect to it. */
export interface ServerBounds {
	/** The longest line it reads, in bytes. */
	readonly maxRequest: number;
	/** How many connections it serves; whoever comes beyond it is told so, and not read. `null`: all there are. */
	readonly connections: Pick<RateLimit, 'take'> | null;
}

const forOwner: ServerBounds = {maxRequest: MAX_REQUEST, connections: null};

/** Connections at once; for a further one the client goes that has been silent longest. */
const MAX_CONNECTIONS = 256;

/** So many clients may wait for an answer; the rest of the connections is kept for those that have yet to ask. */
const MAX_ANSWERING = 192;

/** All that clients have said and not yet finished, in longest lines; beyond it they go, as above. */
const MAX_UNFINISHED = 8;

const tooMany: ControlResponse = {
	result: 'failed',
	detail: 'more is asked here than there is time for; ask again in a moment',
};

/** So many are told at once to come back later, and for so long at most, in milliseconds. */
const MAX_LEAVING = 32;
const FAREWELL = 200;

/** How long a client may take to say what it wants, and to take its answer, in milliseconds. */
const PATIENCE = 5000;

/** Answers one request. What goes wrong with it is an answer too; a rejection is reported as a request that was not understood. */
export type Answer = (request: ControlRequest) => Promise<ControlResponse>;

/** A client that has not finished asking. */
interface Asking {
	text: string;
}

/** A Unix socket by which the supervisor is asked. However many clients are silent there, or wait, another one can ask. */
export class ControlServer {
	readonly #server: Server;
	readonly #path: string;
	readonly #answer: Answer;
	readonly #bounds: ServerBounds;
	readonly #connections = new Set<Socket>();
	/** Those that have not finished asking, the one that came first first. */
	readonly #asking = new Map<Socket, Asking>();
	#answering = 0;
	#unfinished = 0;
	#leaving = 0;

	private constructor(path: string, answer: Answer, bounds: ServerBounds) {
		this.#path = path;
		this.#answer = answer;
		this.#bounds = bounds;
		this.#server = createServer(socket => void this.#serve(socket));
	}

	/**
	 * Listens at `path`, for its owner, and for the group with the number `gid` where one is given. Whoever calls this holds the instance lock, so a
	 * socket that stands there was left by a supervisor that has ended.
	 */
	static async listen(
		path: string,
		answer: Answer,
		{gid = null, bounds = forOwner}: {readonly gid?: number | null; readonly bounds?: ServerBounds} = {},
	): Promise<ControlServer> {
		rmSync(path, {force: true});
		const control = new ControlServer(path, answer, bounds);
		await control.#bind();
		try {
			if (gid !== null) control.giveTo(gid);
		} catch (error) {
			await control.close();
			throw error;
		}
		return control;
	}

	/** Lets in the members of this group, besides the owner. Throws where they cannot be. */
	giveTo(gid: number): void {
		chownSync(this.#path, process.geteuid?.() ?? 0, gid);
		chmodSync(this.#path, 0o660);
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
			listenPrivately(this.#server, this.#path, resolve);
		});
	}

	async #serve(socket: Socket): Promise<void> {
		socket.on('error', () => {});
		if (this.#bounds.connections?.take() === false) {
			this.#sendAway(socket);
			return;
		}
		this.#connections.add(socket);
		socket.once('close', () => this.#connections.delete(socket));
		const line = this.#readLine(socket);
		this.#makeRoom();
		const response = await line.then(text => this.#respond(text)).catch(notUnderstood);
		socket.end(`${JSON.stringify(response)}\n`);
		// One that does not take its answer must not keep its place.
		const timer = setTimeout(() => socket.destroy(), PATIENCE);
		socket.once('close', () => clearTimeout(timer));
	}

	/** Tells a client to come back later, as long as not too many have to be told. */
	#sendAway(socket: Socket): void {
		if (this.#leaving >= MAX_LEAVING) {
			socket.destroy();
			return;
		}
		this.#leaving++;
		// What it says is read and passed over: it would not see our answer if we hung up on it.
		socket.resume();
		socket.end(`${JSON.stringify(tooMany)}\n`);
		const timer = setTimeout(() => socket.destroy(), FAREWELL);
		socket.once('close', () => {
			this.#leaving--;
			clearTimeout(timer);
		});
	}

	/** Whoever has been silent longest goes first; those that wait for an answer stay. */
	#makeRoom(): void {
		while (this.#connections.size > MAX_CONNECTIONS || this.#unfinished > MAX_UNFINISHED * this.#bounds.maxRequest) {
			const [oldest] = this.#asking.keys();
			if (!oldest) return;
			this.#forget(oldest);
			this.#connections.delete(oldest);
			oldest.destroy();
		}
	}

	async #respond(line: string): Promise<ControlResponse> {
		const request = controlRequestSchema.parse(parseBounded(line));
		if (this.#answering >= MAX_ANSWERING)
			return {result: 'failed', detail: 'too many wait for an answer already; ask again in a moment'};
		this.#answering++;
		try {
			return await this.#answer(request);
		} finally {
			this.#answering--;
		}
	}

	/** The first line that comes, within {@link PATIENCE} and what is read at most. */
	#readLine(socket: Socket): Promise<string> {
		const asking: Asking = {text: ''};
		this.#asking.set(socket, asking);
		const {promise, resolve, reject} = Promise.withResolvers<string>();
		const timer = setTimeout(() => reject(new Error('nothing was asked')), PATIENCE);
		socket.setEncoding('utf8');
		socket.on('data', (chunk: string) => {
			asking.text += chunk;
			this.#unfinished += chunk.length;
			const end = asking.text.indexOf('\n');
			if (end > this.#bounds.maxRequest || (end === -1 && asking.text.length > this.#bounds.maxRequest))
				reject(new Error('the request is too long'));
			else if (end !== -1) resolve(asking.text.slice(0, end));
			else this.#makeRoom();
		});
		socket.once('close', () => reject(new Error('the client hung up')));
		const over = () => {
			clearTimeout(timer);
			this.#forget(socket);
			socket.removeAllListeners('data');
			socket.resume();
		};
		promise.then(over, over);
		return promise;
	}

	#forget(socket: Socket): void {
		this.#unfinished -= this.#asking.get(socket)?.text.length ?? 0;
		this.#asking.delete(socket);
	}
}

function notUnderstood(error: unknown): ControlResponse {
	return {result: 'refused', detail: `the request was not understood: ${messageOf(error)}`};
}
