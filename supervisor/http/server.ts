import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {Socket} from 'node:net';
import type {Clock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';
import type {ListenAddress} from './address.ts';
import {listenErrorInWords} from './address.ts';
import {answerTo, plainReply, type Reply} from './answers.ts';
import {EventStreams} from './event-streams.ts';
import {isProbe, type Route, routeOf} from './routes.ts';
import type {Sources} from './sources.ts';
import {listenAtPath, type SocketFile} from './unix-socket.ts';
import {viewOf} from './view.ts';

/** What clients may take of us. Times in milliseconds. */
export interface HttpLimits {
	/** Connections at once; for a further one that goes which has been silent longest. */
	readonly connections: number;
	/** So many may be answered at once, those that watch events included; the rest of the connections is kept for probes. */
	readonly answering: number;
	/** So many may watch events at once. */
	readonly streams: number;
	/** How long a client may take for its request. */
	readonly requestPatience: number;
	/** How long a client may take to take its answer. */
	readonly answerPatience: number;
}

const LIMITS: HttpLimits = {
	connections: 256,
	answering: 192,
	streams: 128,
	requestPatience: 5000,
	answerPatience: 10_000,
};

/** How often it is looked for clients that take too long for their request, in milliseconds. */
const LOOK_GAP = 500;

/** The longest headers of a request, in bytes. */
const MAX_HEADERS = 8192;

/** What every answer says: nothing of it is kept, guessed at, or shown inside another site. */
const HEADERS = {
	'Cache-Control': 'no-store',
	'X-Content-Type-Options': 'nosniff',
	'Referrer-Policy': 'no-referrer',
	'Cross-Origin-Resource-Policy': 'same-origin',
	'X-Frame-Options': 'DENY',
};

export interface HttpServerDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly sources: Sources;
	/** Where they are not the usual ones. */
	readonly limits?: Partial<HttpLimits>;
}

/** Who may come, and by what names. */
export interface HttpAccess {
	/** How this host may be called, lower-case, besides its addresses and `localhost`. */
	readonly hosts: readonly string[];
	/** Whose group may use a Unix socket; `null`: its owner alone. */
	readonly gid: number | null;
}

/** Shows over HTTP, to be read only, what the supervisor knows. Over a Unix socket it is shown who asks for what, over a port it is not. */
export class HttpServer {
	readonly #server: Server;
	readonly #deps: HttpServerDeps;
	readonly #limits: HttpLimits;
	readonly #isPrivate: boolean;
	readonly #streams: EventStreams;
	/** Every connection, the one that has been silent longest first, and what it is being answered. */
	readonly #connections = new Map<Socket, ServerResponse | null>();
	#hosts: readonly string[];
	#file: SocketFile | null = null;

	private constructor(address: ListenAddress, hosts: readonly string[], deps: HttpServerDeps) {
		this.#deps = deps;
		this.#limits = {...LIMITS, ...deps.limits};
		this.#isPrivate = address.kind === 'unix';
		this.#hosts = hosts;
		this.#streams = new EventStreams(() => this.#view(), deps.clock);
		this.#server = createServer(
			{
				headersTimeout: this.#limits.requestPatience,
				requestTimeout: this.#limits.requestPatience,
				connectionsCheckingInterval: LOOK_GAP,
				maxHeaderSize: MAX_HEADERS,
			},
			(request, response) => void this.#serve(request, response),
		);
		this.#server.on('connection', socket => this.#admit(socket));
	}

	/** Listens; rejects with why that cannot be done, in words. */
	static async open(address: ListenAddress, {hosts, gid}: HttpAccess, deps: HttpServerDeps): Promise<HttpServer> {
		const server = new HttpServer(address, hosts, deps);
		await server.#listen(address, gid);
		return server;
	}

	/** How this host may be called from now on. */
	set hosts(hosts: readonly string[]) {
		this.#hosts = hosts;
	}

	/** Where it listens, should that be a port that the system chose. */
	get port(): number | null {
		const address = this.#server.address();
		return address !== null && typeof address === 'object' ? address.port : null;
	}

	/** Something in the status has changed. */
	touch(): void {
		this.#streams.touch();
	}

	/** Ends all connections and removes the socket. */
	async close(): Promise<void> {
		this.#file?.remove();
		this.#streams.close();
		const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
		for (const socket of this.#connections.keys()) socket.destroySoon();
		const cancel = this.#deps.clock.after(200, () => {
			for (const socket of this.#connections.keys()) socket.destroy();
		});
		await closed;
		cancel();
	}

	async #listen(address: ListenAddress, gid: number | null): Promise<void> {
		try {
			if (address.kind === 'unix') this.#file = await listenAtPath(this.#server, address.path, gid);
			else
				await new Promise<void>((resolve, reject) => {
					this.#server.once('error', reject);
					this.#server.listen({host: address.host, port: address.port}, () => {
						this.#server.off('error', reject);
						resolve();
					});
				});
		} catch (error) {
			throw new Error(listenErrorInWords(error));
		}
		// A connection that could not be accepted, as when descriptors run out: its client notices.
		this.#server.on('error', error =>
			this.#deps.log('debug', 'a connection was not accepted', {error: messageOf(error)}),
		);
	}

	/** A further connection has its place; where there is none, that of whoever has been silent longest. Those that are being answered stay. */
	#admit(socket: Socket): void {
		this.#connections.set(socket, null);
		socket.on('error', () => {});
		socket.once('close', () => this.#connections.delete(socket));
		if (this.#connections.size <= this.#limits.connections) return;
		const [silent] = [...this.#connections].find(([, answer]) => answer === null) ?? [socket];
		this.#connections.delete(silent);
		silent.destroy();
	}

	async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const {socket} = request;
		// One that asks before it was answered would have answers made without end that it need not read.
		if (this.#connections.get(socket)) {
			socket.destroy();
			return;
		}
		this.#connections.set(socket, response);
		const cancel = this.#deps.clock.after(this.#limits.answerPatience, () => socket.destroy());
		response.once('close', () => {
			cancel();
			// From now on it is silent, so it comes last in that order.
			if (this.#connections.delete(socket)) this.#connections.set(socket, null);
		});
		const {method = '', url = ''} = request;
		const asked = routeOf({method, url, host: request.headers.host}, this.#hosts);
		if (asked.kind === 'refused') {
			const headers = asked.code === 405 ? {Allow: 'GET'} : {};
			return send(response, plainReply(asked.code, asked.text, headers));
		}
		const {route} = asked;
		if (this.#isCrowdedFor(route))
			return send(
				response,
				plainReply(503, 'too many are being answered already; ask again in a moment', {'Retry-After': '10'}),
			);
		if (route === 'events') {
			cancel();
			response.writeHead(200, {...HEADERS, 'Content-Type': 'text/event-stream'});
			this.#streams.add(response);
			return;
		}
		const {sources, log} = this.#deps;
		const reply = await answerTo(route, sources, {isPrivate: this.#isPrivate}).catch((error: unknown) => {
			log('error', 'a request could not be answered', {route, error: messageOf(error)});
			return plainReply(500, 'that cannot be shown; see the log');
		});
		send(response, reply);
	}

	#isCrowdedFor(route: Route): boolean {
		if (isProbe(route)) return false;
		const answering = [...this.#connections.values()].filter(answer => answer !== null).length;
		return answering > this.#limits.answering || (route === 'events' && this.#streams.size >= this.#limits.streams);
	}

	async #view(): Promise<ReturnType<typeof viewOf>> {
		const {sources} = this.#deps;
		const status = sources.status();
		return viewOf(status, sources.health(status), await sources.pending(), {isPrivate: this.#isPrivate});
	}
}

function send(response: ServerResponse, {code, type, body, headers}: Reply): void {
	response.writeHead(code, {
		...HEADERS,
		...headers,
		'Content-Type': type,
		'Content-Length': Buffer.byteLength(body),
	});
	response.end(body);
}
