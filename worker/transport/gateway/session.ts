import {GatewayClient, GatewayClientRequestError, GatewayClientRequestTimeoutError} from '@openclaw/gateway-client';
import {PROTOCOL_VERSION} from '@openclaw/gateway-protocol/version';
import {ClientError, type ClientFailure} from '../../client-error.ts';
import {systemClock} from '../../clock.ts';
import {messageOf, printable, redact} from '../../text.ts';

/** The event that says a request is pending (OpenClaw: docs/gateway/protocol). */
const REQUESTED = 'device.pair.requested';

/** The code with which a gateway closes on whom it does not let in (RFC 6455, 7.4.1). */
const POLICY_VIOLATION = 1008;

/** More is not read of what a gateway says of its refusal, in characters: it may be as long as a frame. */
const MAX_REASON = 4096;

/** How long after a failed request the reason of a close is waited for, in milliseconds. */
const CLOSING = 100;

export interface SessionOptions {
	readonly url: string;
	readonly token: string;
	readonly scopes: readonly string[];
	/** SHA-256 of the certificate, for `wss:`. */
	readonly fingerprint: string | null;
	readonly allowInsecure: boolean;
	/** Milliseconds: for the handshake, and for each request. */
	readonly timeout: number;
	readonly onRequested: () => void;
	/** The connection is over; called before anything that waited on it goes on. */
	readonly onEnd: (why: ClientError) => void;
}

/** One authenticated connection to a gateway. */
export class GatewaySession {
	readonly #client: GatewayClient;
	readonly #options: SessionOptions;
	/** Resolves when the connection is over, with why it is. */
	readonly closed: Promise<ClientError>;
	#close: (why: ClientError) => void = () => {};
	#whyOver: ClientError | null = null;
	/** What the library only mentions: a frame it could not take, text that is no JSON. */
	#complaint: string | null = null;

	private constructor(options: SessionOptions, onHello: () => void) {
		this.#options = options;
		this.closed = new Promise(resolve => {
			this.#close = resolve;
		});
		// The library would reconnect by itself, with the token it has; a session ends with its connection, so that the next reads the token anew.
		this.#client = new GatewayClient({
			url: options.url,
			token: options.token,
			role: 'operator',
			scopes: [...options.scopes],
			minProtocol: PROTOCOL_VERSION,
			maxProtocol: PROTOCOL_VERSION,
			requestTimeoutMs: options.timeout,
			// Ours is the bound of the handshake; the library's own ones say how many milliseconds they waited, which differs each time.
			connectChallengeTimeoutMs: 2 * options.timeout,
			preauthHandshakeTimeoutMs: 2 * options.timeout,
			// Else it would try again within this session, for as long as the gateway tells it to.
			notifyOnStartupRetry: true,
			hostDeps: {logDebug: message => this.#note(message)},
			env: options.allowInsecure ? {OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: '1'} : {},
			...(options.fingerprint === null ? {} : {tlsFingerprint: options.fingerprint}),
			onHelloOk: onHello,
			onEvent: ({event}) => {
				if (event === REQUESTED) options.onRequested();
			},
			onConnectError: error => {
				if (error instanceof GatewayClientRequestError) this.end('refused', messageOf(error));
				// A close is first told as such an error, then as itself, with its code.
				else queueMicrotask(() => this.end('unreachable', messageOf(error)));
			},
			onClose: (code, reason) =>
				void this.end(code === POLICY_VIOLATION ? 'refused' : 'unreachable', `gateway closed (${code}): ${reason}`),
			onReconnectPaused: ({reason}) => void this.end('refused', reason),
		});
	}

	/** Connects; rejects with a {@link ClientError} when the gateway has not said hello within the timeout. */
	static async open(options: SessionOptions, signal: AbortSignal): Promise<GatewaySession> {
		let hello: () => void = () => {};
		const greeted = new Promise<null>(resolve => {
			hello = () => resolve(null);
		});
		const session = new GatewaySession(options, hello);
		const abort = () => session.end('unreachable', 'stopped');
		const {timeout} = options;
		const timer = setTimeout(() => session.end('timeout', `no answer within ${timeout / 1000} s`), timeout);
		signal.addEventListener('abort', abort, {once: true});
		try {
			session.#client.start();
			const failure = await Promise.race([greeted, session.closed]);
			if (failure === null) return session;
			throw failure;
		} finally {
			clearTimeout(timer);
			signal.removeEventListener('abort', abort);
		}
	}

	/** Asks the gateway; rejects with a {@link ClientError}. An answer that does not come ends the session, since nothing more will come that way. */
	async request(method: string, params: object, signal: AbortSignal): Promise<unknown> {
		try {
			return await this.#client.request<unknown>(method, params, {timeoutMs: this.#options.timeout, signal});
		} catch (error) {
			signal.throwIfAborted();
			const message = `${method}: ${messageOf(error)}`;
			if (error instanceof GatewayClientRequestError)
				throw new ClientError('refused', this.#safe(message), {cause: error});
			if (error instanceof GatewayClientRequestTimeoutError) throw this.end('timeout', message);
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
		this.#options.onEnd(why);
		this.#close(why);
		this.#client.stop();
		return why;
	}

	#note(message: string): void {
		const [, parse, error = ''] =
			/^gateway client (parse )?error: (?:\w*Error(?:: |$))?(.*)/.exec(message.slice(0, MAX_REASON)) ?? [];
		if (parse !== undefined) this.#complaint = 'what it says is not JSON';
		else if (error !== '') this.#complaint = error;
	}

	#explain(reason: string): string {
		const said = reason.slice(0, MAX_REASON).replace(/[:\s]+$/, '');
		return this.#complaint === null || said.includes(this.#complaint) ? said : `${said}: ${this.#complaint}`;
	}

	#safe(text: string): string {
		return printable(redact(text.slice(0, MAX_REASON), [this.#options.token]), 300);
	}
}
