import {connect} from 'node:net';
import {ClientError, toClientError} from '../client.ts';
import {type Clock, isoTime} from '../clock.ts';
import {type GatewayTarget, NOT_CONNECTED_YET} from '../protocol.ts';
import {printable} from '../text.ts';
import type {Turns} from '../turns.ts';
import {listDevices} from './client.ts';
import {GatewaySession} from './session.ts';
import {readToken, type TokenSource} from './token.ts';

/** The first wait before connecting again, in milliseconds: it doubles with every failure in a row, less a random part of at most half. */
const FIRST_DELAY = 250;

/** The longest wait before connecting again, in milliseconds. */
export const LONGEST_DELAY = 5000;

/** The same after a try that ran a program for its token: such a program may cost as much as a call of the CLI. */
export const LONGEST_COMMAND_DELAY = 30_000;

/** How long a gateway is left alone that we broke with, in milliseconds: at first, doubling with each time in a row, and at most. */
const FIRST_REST = 60_000;
const LONGEST_REST = 3_600_000;

/**
 * A connection that has listed and is not closed within this counts as up, in milliseconds: at first, doubling with each in a row that did not last,
 * and at most.
 */
const FIRST_SETTLING = 250;
const LONGEST_SETTLING = 5000;

export interface ConnectionOptions {
	readonly gateway: GatewayTarget;
	readonly scopes: readonly string[];
	/** Milliseconds for anything the gateway, or its token, is waited for from now on. */
	readonly timeout: () => number;
	/** For `tokenCommand`. */
	readonly turns: Turns;
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
	#whyDown = new ClientError('unreachable', NOT_CONNECTED_YET);
	#up = new AbortController();
	/** When the connection came up, monotonic milliseconds; `null` while the present try has not come that far. */
	#upSince: number | null = null;
	/** Connections in a row that came up and did not last. */
	#shortLived = 0;
	/** How often in a row we broke with the gateway. */
	#breaks = 0;
	/** The present try has run a program. */
	#hasRunCommand = false;

	constructor(options: ConnectionOptions) {
		this.#options = options;
		this.firstTry = new Promise(resolve => {
			this.#firstTryIsOver = resolve;
		});
	}

	/** The connection; throws a {@link ClientError} while it is down. */
	required(): GatewaySession {
		if (this.#session) return this.#session;
		const {failure, message} = this.#whyDown;
		throw new ClientError(failure, `the gateway is not connected: ${message}`);
	}

	get isUp(): boolean {
		return this.#session !== null;
	}

	/** Aborts when the connection comes up; aborted while it is up. */
	get up(): AbortSignal {
		return this.#up.signal;
	}

	/** Why it is down, or was last. */
	get whyDown(): ClientError {
		return this.#whyDown;
	}

	/** Breaks with a gateway that is up, and leaves it alone for a while. */
	breakOff(reason: string): void {
		this.#session?.end('hostile', reason);
	}

	/** Keeps the connection until the signal aborts. */
	async run(): Promise<void> {
		const {clock, signal, avoidedUntil} = this.#options;
		const wait = avoidedUntil === null ? 0 : avoidedUntil - clock.now();
		if (wait > 0) {
			const end = isoTime(clock.wall() + wait);
			const reason = `the last worker with this gateway hung, crashed or grew beyond workerMemory; it is left alone until ${end}`;
			this.#onDown(new ClientError('unsafe', reason));
			await clock.sleep(wait, signal);
		}
		let failures = 0;
		while (!signal.aborted) {
			const why = await this.#connectOnce();
			const longest = this.#hasRunCommand ? LONGEST_COMMAND_DELAY : LONGEST_DELAY;
			const hasLasted = this.#upSince !== null && clock.now() - this.#upSince >= longest;
			failures = hasLasted ? 1 : failures + 1;
			if (this.#upSince !== null) this.#shortLived = hasLasted ? 0 : this.#shortLived + 1;
			this.#onDown(why);
			const isBroken = why.failure === 'hostile';
			if (isBroken || hasLasted) this.#breaks = isBroken ? this.#breaks + 1 : 0;
			const delay = isBroken
				? Math.min(FIRST_REST * 2 ** (this.#breaks - 1), LONGEST_REST)
				: Math.min(FIRST_DELAY * 2 ** (failures - 1), longest);
			await clock.sleep(delay * (1 - Math.random() / 2), signal);
		}
	}

	/** Connects, stays connected, and returns why that ended. */
	async #connectOnce(): Promise<ClientError> {
		const {clock, signal, onChange} = this.#options;
		this.#upSince = null;
		this.#hasRunCommand = false;
		try {
			const session = await this.#open();
			const stop = () => session.end('unreachable', 'stopped');
			signal.addEventListener('abort', stop, {once: true});
			try {
				// One that says hello and cannot list would only be found useless by the next pass, again and again.
				await listDevices(session, signal);
				// Nor is one that closes at once, as some refusals do: it would be up and down at every try.
				const settling = Math.min(FIRST_SETTLING * 2 ** this.#shortLived, LONGEST_SETTLING);
				const refusal = await Promise.race([session.closed, clock.sleep(settling, signal).then(() => null)]);
				if (refusal !== null) return refusal;
				this.#session = session;
				this.#upSince = clock.now();
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
		const {gateway, scopes, owner, turns, signal} = this.#options;
		const timeout = this.#options.timeout();
		const {url, fingerprint, allowInsecure} = gateway;
		const source: TokenSource =
			gateway.tokenFile === null
				? {kind: 'command', command: gateway.tokenCommand}
				: {kind: 'file', file: gateway.tokenFile};
		if (source.kind === 'command') {
			// A gateway that is down is tried often; a program for its token is worth running only when it is up.
			await assertListening(url, timeout);
			this.#hasRunCommand = true;
		}
		const token = await readToken(source, {timeout, owner: `${owner}/token`, turns, signal});
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
		// A stop is no news.
		if (hasChanged && !this.#options.signal.aborted) this.#options.onChange();
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
