import {ClientError, type ClientFailure, toClientError} from '../../client-error.ts';
import {type Clock, isoTime} from '../../clock.ts';
import {printable} from '../../text.ts';
import {type Breaker, trip} from '../circuit-breaker.ts';
import {NOT_CONNECTED_YET} from '../way.ts';
import {listDevices} from './client.ts';
import {afterAttempt, noReconnectAttempts, probation, waitAfter} from './reconnect.ts';
import type {Route} from './route.ts';
import {GatewaySession} from './session.ts';
import {webSocketOver} from './websocket.ts';

/** Where a connection leads, and who is told of it. */
export interface ConnectionOptions {
	readonly route: Route;
	readonly scopes: readonly string[];
	/** Milliseconds for anything the gateway, or its token, is waited for from now on. */
	readonly timeout: () => number;
	readonly clock: Clock;
	/** Not to be tried before that time, monotonic milliseconds: the last worker could not bear it. */
	readonly avoidedUntil: number | null;
	/** How long a gateway that we broke with is left alone at most, in milliseconds. */
	readonly longestCoolDown: number;
	/** The connection is up, or is down for another reason than before. */
	readonly onChange: () => void;
	/** A request is pending. */
	readonly onRequested: () => void;
	/** A connection is being made or is open, or is not any more. */
	readonly onOpen: (isOpen: boolean) => void;
	readonly signal: AbortSignal;
}

/** A gateway's connection through its whole life: lost, found again, its token read anew each time. */
export class GatewayConnection {
	readonly #options: ConnectionOptions;
	readonly #firstAttempt = Promise.withResolvers<void>();
	#session: GatewaySession | null = null;
	#whyDown = new ClientError('unreachable', NOT_CONNECTED_YET);
	#up = new AbortController();
	/** Ends the present attempt or, between two, the next. */
	#attempt = new AbortController();
	/** When the present attempt's connection came up, monotonic milliseconds, or `null`. */
	#upSince: number | null = null;
	/** The present attempt has run a program. */
	#hasRunCommand = false;

	constructor(options: ConnectionOptions) {
		this.#options = options;
	}

	/** Resolves when the first attempt has come up or is over. */
	get firstAttempt(): Promise<void> {
		return this.#firstAttempt.promise;
	}

	/** The connection; throws a {@link ClientError} while it is down. */
	required(): GatewaySession {
		if (this.#session) return this.#session;
		const {failure, message} = this.#whyDown;
		throw new ClientError(failure, `the gateway is not connected: ${message}`);
	}

	/** Whether there is a connection that has proved itself. */
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

	/** Breaks with the gateway, however far it has come, and leaves it alone for a while. */
	breakOff(reason: string): void {
		this.#attempt.abort(new ClientError('hostile', reason));
	}

	/** Keeps the connection until the signal aborts. */
	async run(): Promise<void> {
		const {clock, signal, avoidedUntil} = this.#options;
		const wait = avoidedUntil === null ? 0 : avoidedUntil - clock.now();
		if (wait > 0)
			await this.#leaveAlone(
				'unsafe',
				'the last worker with this gateway hung, crashed or grew beyond workerMemory',
				wait,
			);
		let attempts = noReconnectAttempts;
		let breaker: Breaker | null = null;
		while (!signal.aborted) {
			const why = await this.#connectOnce(probation(attempts));
			const lasted = this.#upSince === null ? null : clock.now() - this.#upSince;
			const attempt = {
				lasted,
				isRefused: why.failure === 'refused',
				isUnfit: why.failure === 'unfit',
				isByRelay: this.#options.route.kind === 'inside',
				hasRunCommand: this.#hasRunCommand,
			};
			attempts = afterAttempt(attempts, attempt);
			if (why.failure === 'hostile') {
				breaker = trip(breaker, clock.now(), this.#options.longestCoolDown);
				await this.#leaveAlone('hostile', why.message, breaker.coolDown);
				continue;
			}
			this.#onDown(why);
			// Workers that lost their gateways together must not come back in step.
			await clock.sleep(waitAfter(attempts, attempt) * (1 - Math.random() / 2), signal);
		}
	}

	/** Leaves the gateway alone for so many milliseconds. */
	async #leaveAlone(failure: ClientFailure, reason: string, ms: number): Promise<void> {
		const {clock, signal} = this.#options;
		this.#onDown(new ClientError(failure, `${reason}; it is left alone until ${isoTime(clock.wall() + ms)}`));
		await clock.sleep(ms, signal);
	}

	/** Connects, stays connected, and returns why that ended. `probation`: how long the connection has to prove itself, in milliseconds. */
	async #connectOnce(probation: number): Promise<ClientError> {
		const {clock, onChange, onOpen} = this.#options;
		const attempt = this.#attempt;
		const signal = AbortSignal.any([this.#options.signal, attempt.signal]);
		this.#upSince = null;
		this.#hasRunCommand = false;
		try {
			signal.throwIfAborted();
			const session = await this.#open(signal);
			const stop = () => session.end('unreachable', 'stopped');
			signal.addEventListener('abort', stop, {once: true});
			try {
				// One that says hello and cannot list would only be found useless by the next pass, again and again.
				await listDevices(session, signal);
				// One that closes at once, as some refusals do, would be up and down at every attempt.
				const refusal = await Promise.race([session.closed, clock.sleep(probation, signal).then(() => null)]);
				signal.throwIfAborted();
				if (refusal !== null) return refusal;
				this.#session = session;
				this.#upSince = clock.now();
				this.#up.abort();
				onChange();
				this.#firstAttempt.resolve();
				const why = await session.closed;
				signal.throwIfAborted();
				return why;
			} finally {
				signal.removeEventListener('abort', stop);
			}
		} catch (error) {
			if (attempt.signal.aborted) return attempt.signal.reason as ClientError;
			const {failure, message} = toClientError(error);
			return new ClientError(failure, printable(message, 300), {cause: error});
		} finally {
			onOpen(false);
			this.#attempt = new AbortController();
		}
	}

	async #open(signal: AbortSignal): Promise<GatewaySession> {
		const {route, scopes} = this.#options;
		const timeout = this.#options.timeout();
		const onCommand = () => {
			this.#hasRunCommand = true;
		};
		const {stream, url, token, confirm, complaint} = await route.open({timeout, signal, onCommand});
		// What is announced before the connection is up is found by the list that follows.
		const onRequested = () => this.#session && this.#options.onRequested();
		// What we break off ourselves is told with its end.
		const onEnd = (why: ClientError) => this.#session && !signal.aborted && this.#onDown(why);
		this.#options.onOpen(true);
		const socket = webSocketOver(stream, url);
		return GatewaySession.open({socket, token, scopes, confirm, complaint, timeout, onRequested, onEnd}, signal);
	}

	#onDown(why: ClientError): void {
		const hasChanged = this.#session !== null || why.message !== this.#whyDown.message;
		if (this.#session) this.#up = new AbortController();
		this.#session = null;
		this.#whyDown = why;
		// A stop is no news.
		if (hasChanged && !this.#options.signal.aborted) this.#options.onChange();
		this.#firstAttempt.resolve();
	}
}
