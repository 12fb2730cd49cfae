// A gateway's WebSocket that does what a test says: by default what a real one does, at any point something else.
import {createServer as createPlainServer} from 'node:http';
import {createServer as createTlsServer} from 'node:https';
import {type AddressInfo, createServer, type Server, type Socket} from 'node:net';
import type {Duplex} from 'node:stream';
import {type WebSocket, WebSocketServer} from 'ws';
import type {Ask} from './scripted-openclaw.ts';
import {until} from './until.ts';

/** A request frame of a client (OpenClaw: docs/gateway/protocol). */
export interface Frame {
	readonly id: string;
	readonly method: string;
	readonly params: Readonly<Record<string, unknown>>;
}

/** One client's connection. */
export interface Connection {
	/** Sends a value as JSON. */
	send(value: unknown): void;
	/** Sends text or bytes as they are; resolves when they are on their way, or the connection is gone. */
	sendRaw(data: string | Buffer): Promise<void>;
	/** Sends a short text so many times, each in a frame of its own, in one write: a flood should cost its reader more than its sender. Resolves as `sendRaw`. */
	sendMany(text: string, times: number): Promise<void>;
	/** Begins a text frame of so many bytes, and sends the first MiB of it: whoever takes no such frame knows it from its head. */
	beginFrame(bytes: number): void;
	/** Announces something, as a gateway does. */
	announce(event: string, payload: unknown): void;
	answer(frame: Frame, payload: unknown): void;
	refuse(frame: Frame, message: string, details?: object): void;
	close(code?: number, reason?: string): void;
	/** Ends the TCP connection without a word. */
	drop(): void;
	readonly isOpen: boolean;
}

/** What a gateway does at each point; what is left out is done as a real one does it. */
export interface Script {
	/** A TCP connection has come in; `false`: it is the script's alone, which may well say nothing on it. */
	accept?(socket: Socket): boolean;
	/** The WebSocket is open. */
	opened?(connection: Connection): void;
	/** The client has asked to be let in. */
	connect?(connection: Connection, frame: Frame): void;
	/** The client has asked for something else. */
	request?(connection: Connection, frame: Frame): void;
}

export interface GatewayIdentity {
	readonly key: string;
	readonly cert: string;
}

/** The token that a scripted gateway takes. */
export const scriptedToken = 'a-token-of-the-tests-0123456789';

/** A listening gateway; {@link script} may be exchanged at any time. */
export class ScriptedGateway implements AsyncDisposable {
	script: Script;
	/** Another one makes the token in the client's file wrong. */
	token = scriptedToken;
	/** What it lists; {@link ask} adds to it, an approval takes away. */
	pending: unknown[] = [];
	paired: unknown[] = [];
	/** TCP connections, and clients that were let in, so far. */
	accepted = 0;
	greeted = 0;
	/** What was asked after the handshake, in order. */
	readonly requests: Frame[] = [];
	/** Parameters of every `connect`. */
	readonly connects: Readonly<Record<string, unknown>>[] = [];
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	readonly #connections = new Set<Connection>();
	readonly #isTls: boolean;
	#port = 0;

	private constructor(script: Script, identity: GatewayIdentity | null) {
		this.script = script;
		this.#isTls = identity !== null;
		const server = identity === null ? createPlainServer() : createTlsServer(identity);
		new WebSocketServer({server}).on('connection', socket => this.#onConnection(socket));
		this.#server = createServer(socket => {
			this.#onSocket(socket);
			if (this.script.accept?.(socket) !== false) server.emit('connection', socket);
		});
	}

	/** A gateway on a free port of loopback. */
	static async start(script: Script = {}, identity: GatewayIdentity | null = null): Promise<ScriptedGateway> {
		const gateway = new ScriptedGateway(script, identity);
		await gateway.open();
		return gateway;
	}

	get url(): string {
		return `${this.#isTls ? 'wss' : 'ws'}://127.0.0.1:${this.#port}`;
	}

	get port(): number {
		return this.#port;
	}

	/** Clients that are connected and were let in. */
	get clients(): readonly Connection[] {
		return [...this.#connections].filter(({isOpen}) => isOpen);
	}

	/** The requests of one method. */
	asked(method: string): Frame[] {
		return this.requests.filter(request => request.method === method);
	}

	/** The ids that it was asked to approve, in order. */
	get approved(): unknown[] {
		return this.asked('device.pair.approve').map(({params}) => params.requestId);
	}

	/** A request becomes pending and is announced, unless `isSilent`. */
	ask(request: Ask, {isSilent = false}: {readonly isSilent?: boolean} = {}): void {
		this.pending.push(request);
		if (!isSilent) this.announce('device.pair.requested', request);
	}

	announce(event: string, payload: unknown): void {
		for (const connection of this.clients) connection.announce(event, payload);
	}

	/** Listens, after {@link shut} on the same port again. */
	async open(): Promise<void> {
		const port = this.#port;
		await new Promise<void>((resolve, reject) => {
			this.#server.once('error', reject);
			this.#server.listen(port, '127.0.0.1', resolve);
		});
		this.#port = (this.#server.address() as AddressInfo).port;
	}

	/** Ends all connections and refuses new ones. */
	async shut(): Promise<void> {
		const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
		for (const socket of this.#sockets) socket.destroy();
		await closed;
	}

	/** Waits until so many more clients have been let in. */
	async untilGreeted(more = 1): Promise<void> {
		const before = this.greeted;
		await until(`${more} more clients`, () => this.greeted >= before + more);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#server.listening) await this.shut();
	}

	#onSocket(socket: Socket): void {
		this.accepted++;
		this.#sockets.add(socket);
		socket.on('error', () => {});
		socket.once('close', () => this.#sockets.delete(socket));
	}

	#onConnection(socket: WebSocket): void {
		const connection = connectionOver(socket);
		socket.on('error', () => {});
		socket.on('close', () => this.#connections.delete(connection));
		socket.on('message', data => this.#onMessage(connection, JSON.parse(String(data))));
		if (this.script.opened) this.script.opened(connection);
		else challenge(connection);
	}

	#onMessage(connection: Connection, frame: Frame): void {
		if (frame.method === 'connect') {
			this.connects.push(frame.params);
			if (this.script.connect) this.script.connect(connection, frame);
			else this.greet(connection, frame);
			return;
		}
		this.requests.push(frame);
		if (this.script.request) this.script.request(connection, frame);
		else this.serve(connection, frame);
	}

	/** Lets a client in that knows the token, as a real gateway does. */
	greet(connection: Connection, frame: Frame): void {
		const {auth} = frame.params as {auth?: {token?: string}};
		if (auth?.token !== this.token) {
			connection.refuse(frame, 'unauthorized: gateway token mismatch', {code: 'AUTH_TOKEN_MISMATCH'});
			return;
		}
		this.#connections.add(connection);
		this.greeted++;
		connection.answer(frame, {
			type: 'hello-ok',
			protocol: 4,
			server: {version: '2026.9.6', connId: String(this.greeted)},
			features: {methods: [], events: []},
			snapshot: {},
			auth: {role: 'operator', scopes: []},
			policy: {maxPayload: 26_214_400, maxBufferedBytes: 52_428_800, tickIntervalMs: 30_000},
		});
	}

	/** Answers a request as a real gateway does. */
	serve(connection: Connection, frame: Frame): void {
		const {requestId} = frame.params;
		const named = (entry: unknown) => (entry as {requestId?: unknown} | null)?.requestId === requestId;
		if (frame.method === 'device.pair.list') {
			connection.answer(frame, {pending: this.pending, paired: this.paired});
			return;
		}
		const request = this.pending.find(named) as Ask | undefined;
		this.pending = this.pending.filter(entry => !named(entry));
		if (!request) {
			connection.refuse(frame, 'unknown requestId');
			return;
		}
		const {deviceId, publicKey, clientId, clientMode, scopes} = request;
		const device = {deviceId, publicKey, clientId, clientMode, role: 'operator', roles: ['operator'], scopes};
		if (frame.method === 'device.pair.approve') this.paired.push(device);
		connection.answer(frame, frame.method === 'device.pair.approve' ? {requestId, device} : {requestId, deviceId});
	}
}

/** The first word of a real gateway. */
export function challenge(connection: Connection): void {
	connection.announce('connect.challenge', {nonce: 'a-nonce', ts: Date.now()});
}

/** A script that lets clients in, and then does this. */
export function onceInside(gateway: ScriptedGateway, act: (connection: Connection) => void): Script {
	return {
		connect: (connection, frame) => {
			gateway.greet(connection, frame);
			act(connection);
		},
	};
}

/** A whole unmasked text frame (RFC 6455, 5.2), for less than 64 KiB. */
function textFrame(text: string): Buffer {
	const payload = Buffer.from(text);
	const {length} = payload;
	const header = length < 126 ? [0x81, length] : [0x81, 126, length >> 8, length & 0xff];
	return Buffer.concat([Buffer.from(header), payload]);
}

/** The connection below a WebSocket; there is no other way to write many frames at once. */
function streamBelow(socket: WebSocket): Duplex {
	return (socket as unknown as {readonly _socket: Duplex})._socket;
}

function connectionOver(socket: WebSocket): Connection {
	const send = (value: unknown) => socket.send(JSON.stringify(value), () => {});
	return {
		send,
		sendRaw: data => new Promise(sent => socket.send(data, () => sent())),
		sendMany: (text, times) =>
			new Promise(sent => {
				const frames = Buffer.concat(Array(times).fill(textFrame(text)));
				if (socket.readyState === 1) streamBelow(socket).write(frames, () => sent());
				else sent();
			}),
		beginFrame: bytes => {
			const head = Buffer.alloc(10);
			// A length of 64 bits follows (RFC 6455, 5.2).
			head.set([0x81, 127]);
			head.writeBigUInt64BE(BigInt(bytes), 2);
			if (socket.readyState === 1) streamBelow(socket).write(Buffer.concat([head, Buffer.alloc(2 ** 20, 'x')]));
		},
		announce: (event, payload) => send({type: 'event', event, payload}),
		answer: ({id}, payload) => send({type: 'res', id, ok: true, payload}),
		refuse: ({id}, message, details) =>
			send({type: 'res', id, ok: false, error: {code: 'INVALID_REQUEST', message, details}}),
		close: (code, reason) => socket.close(code, reason),
		drop: () => socket.terminate(),
		get isOpen() {
			return socket.readyState === 1;
		},
	};
}
