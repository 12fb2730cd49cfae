import {randomUUID} from 'node:crypto';
import {
	type ConnectParams,
	GatewayProtocolClient,
	GatewayProtocolRequestError,
	GatewayProtocolRequestTimeoutError,
	type GatewayProtocolSocket,
	type GatewayProtocolSocketHandlers,
} from '@openclaw/gateway-client/browser';
import {rawDataToString} from '@openclaw/gateway-client/websocket-data';
import {GATEWAY_CLIENT_IDS, GATEWAY_CLIENT_MODES} from '@openclaw/gateway-protocol/client-info';
import {formatConnectErrorMessage} from '@openclaw/gateway-protocol/connect-error-details';
import {resolveGatewayStartupRetryAfterMs} from '@openclaw/gateway-protocol/startup-unavailable';
import {PROTOCOL_VERSION} from '@openclaw/gateway-protocol/version';
import {WebSocket} from 'ws';
import {ClientError, type ClientFailure} from '../../client-error.ts';
import {type Cancel, MAX_TIMER, systemClock} from '../../clock.ts';
import {isModest, isRecord} from '../../json.ts';
import {messageOf, printable, redact} from '../../text.ts';
import {mayHold, withoutSecrets} from '../../without-secrets.ts';

/** The event that says a request is pending (OpenClaw: docs/gateway/protocol). */
const REQUESTED = 'device.pair.requested';

/** Codes of RFC 6455, 7.4.1: we are done; a gateway does not let us in. */
const NORMAL_CLOSURE = 1000;
const POLICY_VIOLATION = 1008;

/** More is not read of what a gateway says of its refusal, in characters: it may be as long as a frame. */
const MAX_REASON = 4096;

/** How long after a failed request the reason of a close is waited for, in milliseconds. */
const CLOSING = 100;

/** How long a gateway has to answer our close, in milliseconds. */
const PARTING = 250;

/** A gateway sends something this often, in milliseconds, unless its hello says otherwise, within bounds. */
const TICK = {usual: 30_000, shortest: 1000, longest: 300_000};

/** What a session is made of. */
export interface SessionOptions {
	/** Not open yet, and nobody else's. */
	readonly socket: WebSocket;
	readonly token: string;
	readonly scopes: readonly string[];
	/** Makes sure who is at the other end, after the challenge and before the token is sent; rejects with a {@link ClientError} where it may be a stranger. */
	readonly confirm?: (() => Promise<void>) | undefined;
	/** What is known of why the stream below has ended, or `null`. */
	readonly complaint?: (() => string | null) | undefined;
	/** Milliseconds: for the handshake, and for each request. */
	readonly timeout: number;
	readonly onRequested: () => void;
	/** The connection is over; called before anything that waited on it goes on. */
	readonly onEnd: (why: ClientError) => void;
}

/** One authenticated connection to a gateway. */
export class GatewaySession {
	readonly #protocol: GatewayProtocolClient<null>;
	readonly #options: SessionOptions;
	/** Resolves when the connection is over, with why it is. */
	readonly closed: Promise<ClientError>;
	#close: (why: ClientError) => void = () => {};
	#whyOver: ClientError | null = null;
	/** What is worth adding to the reason of its end: a frame that could not be taken, text that is not JSON. */
	#complaint: string | null = null;
	/** Whether our token may be in what it has said so far, and so in an answer. */
	#mayHoldToken = false;
	#lastHeard = 0;
	#stopListening: Cancel = () => {};

	private constructor(options: SessionOptions, onHello: () => void) {
		this.#options = options;
		this.closed = new Promise(resolve => {
			this.#close = resolve;
		});
		const {timeout} = options;
		this.#protocol = new GatewayProtocolClient<null>({
			createSocket: handlers => this.#adapt(handlers),
			createRequestId: randomUUID,
			createRequestError: error => new GatewayProtocolRequestError({...error, message: wordsOf(error)}),
			createRequestTimeoutError: (method, timeoutMs, requestSent) =>
				new GatewayProtocolRequestTimeoutError(
					{method, timeoutMs, requestSent},
					`timeout, no answer within ${timeoutMs / 1000} s`,
				),
			buildConnectPlan: () => options.confirm?.().then(() => null) ?? null,
			onConnectPlanError: error => {
				this.end(error instanceof ClientError ? error.failure : 'unreachable', messageOf(error));
				return {closeCode: POLICY_VIOLATION, closeReason: 'connect failed', stop: true};
			},
			buildConnectParams: () => connectParams(options),
			onConnectHello: hello => {
				if (isRecord(hello)) {
					this.#listenFor(hello.policy);
					onHello();
				} else this.end('unreadable', 'what it says for a hello is not one');
			},
			onConnectFailure: error => {
				// It would let us in, and says so; what it asks us to wait is not for it to choose.
				const isStarting = resolveGatewayStartupRetryAfterMs(error) !== null;
				this.end(isStarting ? 'unreachable' : 'refused', messageOf(error));
				return {closeCode: POLICY_VIOLATION, closeReason: 'connect failed', stop: true};
			},
			onConnectError: error => void this.end('unreachable', messageOf(error)),
			// A session ends with its connection, so that the next one reads the token anew.
			resolveClose: () => ({retry: false, notify: true}),
			onClose: ({code, reason}) =>
				void this.end(code === POLICY_VIOLATION ? 'refused' : 'unreachable', `gateway closed (${code}): ${reason}`),
			onParseError: () => {
				this.#complaint = 'what it says is not JSON';
			},
			onEvent: ({event}) => {
				if (event === REQUESTED) options.onRequested();
			},
			onActivity: () => {
				this.#lastHeard = systemClock.now();
			},
			// Ours is the bound of the handshake; the library's own one says how many milliseconds it waited, which differs each time.
			handshake: {mode: 'require-challenge', timeoutMs: Math.min(2 * timeout, MAX_TIMER)},
			requestTimeoutMs: Math.min(2 * timeout, MAX_TIMER),
			reconnect: {initialMs: MAX_TIMER, multiplier: 1, maxMs: MAX_TIMER},
		});
	}

	/** Connects, in `within` milliseconds at most; rejects with a {@link ClientError} when the gateway has not said hello by then. */
	static async open(
		options: SessionOptions,
		signal: AbortSignal,
		within: number = options.timeout,
	): Promise<GatewaySession> {
		let hello: () => void = () => {};
		const greeted = new Promise<null>(resolve => {
			hello = () => resolve(null);
		});
		const session = new GatewaySession(options, hello);
		const abort = () => session.end('unreachable', 'stopped');
		const late = () => session.end('timeout', `no answer within ${options.timeout / 1000} s`);
		const timer = setTimeout(late, within);
		signal.addEventListener('abort', abort, {once: true});
		try {
			session.#protocol.start();
			if (signal.aborted) abort();
			const failure = await Promise.race([session.closed, greeted]);
			if (failure === null) return session;
			throw failure;
		} finally {
			clearTimeout(timer);
			signal.removeEventListener('abort', abort);
		}
	}

	/** Asks the gateway; the answer is without our token. Rejects with a {@link ClientError}. An answer that does not come ends the session, since nothing more will come that way. */
	async request(method: string, params: object, signal: AbortSignal): Promise<unknown> {
		try {
			const answer = await this.#protocol.request<unknown>(method, params, {timeoutMs: this.#options.timeout, signal});
			return this.#mayHoldToken ? withoutSecrets(answer, [this.#options.token]) : answer;
		} catch (error) {
			signal.throwIfAborted();
			const message = `${method}: ${messageOf(error)}`;
			if (error instanceof GatewayProtocolRequestError)
				throw new ClientError('refused', this.#safe(message), {cause: error});
			if (error instanceof GatewayProtocolRequestTimeoutError) throw this.end('timeout', message);
			// A connection that closes fails its requests first and says why afterwards.
			await Promise.race([this.closed, systemClock.sleep(CLOSING)]);
			throw this.end('unreachable', message);
		}
	}

	/** Ends the connection, for that reason, unless it is over already. Returns why it is over, in words that are safe to show. */
	end(failure: ClientFailure, reason: string): ClientError {
		if (this.#whyOver !== null) return this.#whyOver;
		const why = new ClientError(failure, this.#safe(this.#explain(reason)));
		this.#whyOver = why;
		this.#stopListening();
		this.#options.onEnd(why);
		this.#close(why);
		this.#protocol.stop();
		return why;
	}

	/** The WebSocket as the library takes it. */
	#adapt(handlers: GatewayProtocolSocketHandlers): GatewayProtocolSocket {
		const {socket} = this.#options;
		socket.on('open', handlers.open);
		socket.on('message', data => {
			const text = rawDataToString(data);
			this.#mayHoldToken ||= mayHold(text, [this.#options.token]);
			// The library would parse it whatever it becomes.
			if (isModest(text)) handlers.message(text);
			else this.end('hostile', 'a frame holds more values than any list of devices');
		});
		socket.on('close', (code, reason) => handlers.close(code, reason.toString()));
		socket.on('error', error => {
			// It is told with the close that follows, unless the library takes it for the reason.
			this.#complaint = messageOf(error);
			if (isNoHttp(error)) this.end('unreadable', 'what listens there is not a gateway');
			handlers.error(error);
		});
		socket.on('unexpected-response', (_request, {statusCode}) => {
			const failure = failureBy(statusCode ?? 0);
			const who = failure === 'unreadable' ? 'what listens there is not a gateway, it' : 'gateway';
			this.end(failure, `${who} rejected the WebSocket (HTTP ${statusCode})`);
		});
		return {
			isOpen: () => socket.readyState === WebSocket.OPEN,
			send: data => socket.send(data),
			close: (code = NORMAL_CLOSURE, reason) => {
				// Of what the library would close for by itself, only this has not ended the session before.
				this.end('timeout', 'no answer to connect');
				part(socket, code, reason);
			},
		};
	}

	/** A connection over which nothing comes any more, not even the ticks that a gateway sends, is over, whatever the kernel says of it. */
	#listenFor(policy: unknown): void {
		const said = isRecord(policy) ? policy.tickIntervalMs : null;
		const tick = Math.min(Math.max(typeof said === 'number' ? said : TICK.usual, TICK.shortest), TICK.longest);
		this.#lastHeard = systemClock.now();
		this.#listenOn(2 * tick);
	}

	/** Looks again when the silence may have lasted for so long, in milliseconds: a connection over which enough comes wakes nobody in between. */
	#listenOn(patience: number): void {
		const left = this.#lastHeard + patience - systemClock.now();
		this.#stopListening = systemClock.after(left > 0 ? left : patience, () => {
			// What is asked has a bound of its own.
			if (this.#protocol.hasPendingRequests || systemClock.now() - this.#lastHeard < patience) this.#listenOn(patience);
			else this.end('unreachable', `nothing came from the gateway for more than ${patience / 1000} s`);
		});
	}

	#explain(reason: string): string {
		const said = reason.slice(0, MAX_REASON).replace(/[:\s]+$/, '');
		const complaint = this.#complaint ?? this.#options.complaint?.() ?? null;
		return complaint === null || said.includes(complaint) ? said : `${said}: ${complaint}`;
	}

	#safe(text: string): string {
		return printable(redact(text.slice(0, MAX_REASON), [this.#options.token]), 300);
	}
}

/** What an answer to the upgrade that is none says of who gave it: a web server knows nothing of WebSockets, and lets everybody in. */
function failureBy(statusCode: number): ClientFailure {
	if ([401, 403, 429].includes(statusCode)) return 'refused';
	return statusCode >= 500 ? 'unreachable' : 'unreadable';
}

/** Node's HTTP parser could not read the answer (Node: errors, HPE_*). */
function isNoHttp(error: Error): boolean {
	return 'code' in error && String(error.code).startsWith('HPE_');
}

/** Closes a WebSocket, and ends what is below it if the other side does not agree soon. */
function part(socket: WebSocket, code: number, reason?: string): void {
	if (socket.readyState !== WebSocket.OPEN) {
		socket.terminate();
		return;
	}
	socket.close(code, reason);
	const timer = setTimeout(() => socket.terminate(), PARTING);
	socket.once('close', () => clearTimeout(timer));
}

function connectParams({token, scopes}: SessionOptions): ConnectParams {
	return {
		minProtocol: PROTOCOL_VERSION,
		maxProtocol: PROTOCOL_VERSION,
		client: {
			id: GATEWAY_CLIENT_IDS.GATEWAY_CLIENT,
			version: '0.0.0',
			platform: process.platform,
			mode: GATEWAY_CLIENT_MODES.BACKEND,
		},
		caps: [],
		auth: {token},
		role: 'operator',
		scopes: [...scopes],
	};
}

/** What a gateway says of its refusal, as OpenClaw's own clients show it. */
function wordsOf({message, details}: {readonly message?: unknown; readonly details?: unknown}): string {
	const said = typeof message === 'string' ? message.slice(0, MAX_REASON) : undefined;
	return formatConnectErrorMessage({...(said === undefined ? {} : {message: said}), details});
}
