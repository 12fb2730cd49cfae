import {ClientError, toClientError} from '../../client-error.ts';
import type {Clock} from '../../clock.ts';
import {type ApprovalAnswer, readApproval} from '../../requests/listing.ts';
import {PAIRING_SCOPE} from '../../requests/policy.ts';
import {printable, printableList} from '../../text.ts';
import type {Approval} from '../client.ts';
import {afterAttempt, noReconnectAttempts, type ReconnectAttempts, waitAfter} from './reconnect.ts';
import type {Route} from './route.ts';
import {GatewaySession} from './session.ts';
import {webSocketOver} from './websocket.ts';

/** What a second connection is made with. */
export interface SecondConnectionDeps {
	readonly route: Route;
	/** Milliseconds for the whole of it, from now on. */
	readonly timeout: () => number;
	readonly clock: Clock;
}

/**
 * Approves what the lasting connection lacks the scopes for, over a connection that asks for exactly those, lives for that one approval, and is bounded in time as
 * one call is. Attempts that do not come to a hello are paced as the lasting connection's are: whoever asks again and again for what cannot be approved must not buy
 * a relay, or a program for the token, each time.
 */
export class SecondConnection {
	readonly #deps: SecondConnectionDeps;
	#attempts: ReconnectAttempts = noReconnectAttempts;
	/** Monotonic milliseconds before which it is not tried again. */
	#notBefore = Number.NEGATIVE_INFINITY;
	#whyNot = new ClientError('unreachable', 'not tried yet');

	constructor(deps: SecondConnectionDeps) {
		this.#deps = deps;
	}

	/** Rejects with a {@link ClientError}, or when the signal aborts. */
	async approve({requestId, needs}: Approval, signal: AbortSignal): Promise<ApprovalAnswer> {
		const {clock} = this.#deps;
		const scopes = [...new Set([PAIRING_SCOPE, ...needs])];
		if (clock.now() < this.#notBefore) throw named(this.#whyNot, scopes);
		const timeout = this.#deps.timeout();
		const ending = new AbortController();
		const late = () => ending.abort(new ClientError('timeout', `no approval within ${timeout / 1000} s`));
		const cancel = clock.after(timeout, late);
		const either = AbortSignal.any([signal, ending.signal]);
		try {
			const session = await this.#open(scopes, timeout, either);
			try {
				return readApproval(await session.request('device.pair.approve', {requestId}, either));
			} finally {
				session.end('unreachable', 'done');
			}
		} catch (error) {
			signal.throwIfAborted();
			throw named(ending.signal.aborted ? ending.signal.reason : error, scopes);
		} finally {
			cancel();
		}
	}

	async #open(scopes: readonly string[], timeout: number, signal: AbortSignal): Promise<GatewaySession> {
		const {route, clock} = this.#deps;
		let hasRunCommand = false;
		const onCommand = () => {
			hasRunCommand = true;
		};
		try {
			const {stream, url, token, confirm, complaint} = await route.open({timeout, signal, onCommand});
			const socket = webSocketOver(stream, url);
			// What is pending is announced to the lasting connection.
			const deaf = {onRequested: () => {}, onEnd: () => {}};
			const session = await GatewaySession.open({socket, token, scopes, confirm, complaint, timeout, ...deaf}, signal);
			this.#attempts = noReconnectAttempts;
			return session;
		} catch (error) {
			const why = toClientError(error);
			const attempt = {
				lasted: null,
				isRefused: why.failure === 'refused',
				isUnfit: why.failure === 'unfit',
				isByRelay: route.kind === 'inside',
				hasRunCommand,
			};
			this.#attempts = afterAttempt(this.#attempts, attempt);
			this.#notBefore = clock.now() + waitAfter(this.#attempts, attempt);
			this.#whyNot = why;
			throw error;
		}
	}
}

/** The error, with what the connection was for; safe to show. */
function named(error: unknown, scopes: readonly string[]): ClientError {
	const {failure, message} = toClientError(error);
	const shown = printableList(scopes).slice(0, 8).join(' ');
	return new ClientError(failure, `over a second connection for ${shown}: ${printable(message, 300)}`, {cause: error});
}
