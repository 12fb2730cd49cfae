import {connect} from 'node:net';
import {ClientError, toClientError} from '../client.ts';
import {type Clock, isoTime} from '../clock.ts';
import type {GatewayTarget} from '../protocol.ts';
import {printable} from '../text.ts';
import {listDevices} from './client.ts';
import {GatewaySession} from './session.ts';
import {readToken, type TokenSource} from './token.ts';

/** The first wait before connecting again, in milliseconds: it doubles with every failure in a row, less a random part of at most half. */
const FIRST_DELAY = 250;

/** The longest wait before connecting again, in milliseconds. */
export const LONGEST_DELAY = 5000;

/** The same after a try that ran a program for its token: such a program may cost as much as a call of the CLI. */
export const LONGEST_COMMAND_DELAY = 30_000;

/** A connection that has listed and is not closed within this counts as up, in milliseconds. */
const SETTLING = 250;

/** A connection that lasted this long was a good one, in milliseconds; one that did not counts as a failure. */
const GOOD_CONNECTION = 5000;

export interface ConnectionOptions {
	readonly gateway: GatewayTarget;
	readonly scopes: readonly string[];
	/** Milliseconds for anything the gateway, or its token, is waited for. */
	readonly timeout: number;
	/** Marks the processes of `tokenCommand`. */
	readonly owner: string;
	readonly clock: Clock;
	/** Not to be tried before that time, monotonic milliseconds: the last worker could not bear it. */
	readonly avoidedUntil: number | null;
	/** The connection is up, or is down for another reason than before. */
	readonly onChange: () => void;
	/** A request is pending. */
	readonly onRequested: () => void;
	readonly signal: AbortSignal;
}

/** A gateway's connection through its whole life: lost, found again, its token read anew each time. */
export class GatewayConnection {
	readonly #options: ConnectionOptions;
	/** Resolves when the first try is over, whatever it came to. */
	readonly firstTry: Promise<void>;
	#firstTryIsOver: () => void = () => {};
	#session: GatewaySession | null = null;
	#whyDown = new ClientError('unreachable', 'not connected yet');
	#up = new AbortController();
	/** The present try has run a program. */
	#hasRunCommand = false;

	constructor(options: ConnectionOptions) {
		this.#options = options;
		this.firstTry = new Promise(resolve => {
			this.#firstTryIsOver = resolve;
		});
	}

	/** The connection, while it is up. */
	get session(): GatewaySession | null {
		return this.#session;
	}

	/** The connection; throws a {@link ClientError} while it is down. */
	required(): GatewaySession {
		if (this.#session) return this.#session;
		const {failure, message} = this.#whyDown;
		throw new ClientError(failure, `the gateway is not connected: ${message}`);
	}

	/** Aborts when the connection comes up; aborted while it is up. */
	get up(): AbortSignal {
		return this.#up.signal;
	}

	/** Why it is down, or was last. */
	get whyDown(): ClientError {
		return this.#whyDown;
	}

	/** Keeps the connection until the signal aborts. */
	async run(): Promise<void> {
		const {clock, signal, avoidedUntil} = this.#options;
		const wait = avoidedUntil === null ? 0 : avoidedUntil - clock.now();
		if (wait > 0) {
			const end = isoTime(clock.wall() + wait);
			const reason = `the last worker grew beyond workerMemory, so the gateway is left alone until ${end}`;
			this.#onDown(new ClientError('unsafe', reason));
			await clock.sleep(wait, signal);
		}
		let failures = 0;
		while (!signal.aborted) {
			const began = clock.now();
			const why = await this.#connectOnce();
			failures = clock.now() - began >= GOOD_CONNECTION ? 1 : failures + 1;
			this.#onDown(why);
			const longest = this.#hasRunCommand ? LONGEST_COMMAND_DELAY : LONGEST_DELAY;
			const delay = Math.min(FIRST_DELAY * 2 ** (failures - 1), longest);
			await clock.sleep(delay * (1 - Math.random() / 2), signal);
		}
	}

	/** Connects, stays connected, and returns why that ended. */
	async #connectOnce(): Promise<ClientError> {
		const {clock, signal, onChange} = this.#options;
		try {
			const session = await this.#open();
			const stop = () => session.end('unreachable', 'stopped');
			signal.addEventListener('abort', stop, {once: true});
			try {
				// One that says hello and cannot list would only be found useless by the next pass, again and again.
				await listDevices(session, signal);
				// Nor is one that closes at once, as some refusals do: it would be up and down at every try.
				const refusal = await Promise.race([session.closed, clock.sleep(SETTLING, signal).then(() => null)]);
				if (refusal !== null) return refusal;
				this.#session = session;
				this.#up.abort();
				onChange();
				this.#firstTryIsOver();
				return await session.closed;
			} finally {
				signal.removeEventListener('abort', stop);
			}
		} catch (error) {
			const {failure, message} = toClientError(error);
			return new ClientError(failure, printable(message, 300), {cause: error});
		}
	}

	async #open(): Promise<GatewaySession> {
		const {gateway, scopes, timeout, owner, signal} = this.#options;
		const {url, fingerprint, allowInsecure} = gateway;
		const source: TokenSource =
			gateway.tokenFile === null
				? {kind: 'command', command: gateway.tokenCommand}
				: {kind: 'file', file: gateway.tokenFile};
		this.#hasRunCommand = false;
		if (source.kind === 'command') {
			// A gateway that is down is tried often; a program for its token is worth running only when it is up.
			await assertListening(url, timeout);
			this.#hasRunCommand = true;
		}
		const token = await readToken(source, {timeout, owner: `${owner}/token`, signal});
		// What is announced before the connection is up is found by the list that follows.
		const onRequested = () => this.#session && this.#options.onRequested();
		const onEnd = (why: ClientError) => this.#session && this.#onDown(why);
		return GatewaySession.open({url, token, scopes, fingerprint, allowInsecure, timeout, onRequested, onEnd}, signal);
	}

	#onDown(why: ClientError): void {
		const hasChanged = this.#session !== null || why.message !== this.#whyDown.message;
		if (this.#session) this.#up = new AbortController();
		this.#session = null;
		this.#whyDown = why;
		if (hasChanged) this.#options.onChange();
		this.#firstTryIsOver();
	}
}

function assertListening(url: string, timeout: number): Promise<void> {
	const {hostname, port, protocol} = new URL(url);
	return new Promise((resolve, reject) => {
		const socket = connect({
			host: hostname.replace(/^\[|\]$/g, ''),
			port: Number(port) || (protocol === 'wss:' ? 443 : 80),
			timeout,
		});
		const finish = (error?: Error) => {
			socket.destroy();
			if (error) reject(new ClientError('unreachable', error.message, {cause: error}));
			else resolve();
		};
		socket.once('connect', () => finish());
		socket.once('timeout', () => finish(new Error('the gateway does not answer')));
		socket.once('error', finish);
	});
}
