import {ClientError} from './client-error.ts';
import {type Clock, within} from './clock.ts';
import type {Subject, ToSupervisor, ToWorker} from './protocol.ts';

type Recorded = Extract<ToWorker, {kind: 'recorded'}>;

/** What an account of intents works with. */
interface IntentDeps {
	readonly send: (message: ToSupervisor) => void;
	readonly clock: Pick<Clock, 'sleep'>;
	/** How long an answer is waited for, in milliseconds. */
	readonly timeout: () => number;
}

/** What is about to be done is written down by the supervisor first: asks for it, and waits for the answer. */
export class Intents {
	readonly #deps: IntentDeps;
	readonly #waiting = new Map<number, (error: ClientError | null) => void>();
	#last = 0;

	constructor(deps: IntentDeps) {
		this.#deps = deps;
	}

	/** Resolves when this is written down; rejects with a {@link ClientError} where it is not, and with the signal's reason when that aborts. */
	async announce(subject: Subject, signal: AbortSignal): Promise<void> {
		const {send, clock, timeout} = this.#deps;
		signal.throwIfAborted();
		const intent = ++this.#last;
		const {promise, resolve} = Promise.withResolvers<ClientError | null>();
		const ms = timeout();
		this.#waiting.set(intent, resolve);
		send({kind: 'intent', intent, ...subject});
		const late = () => new ClientError('timeout', `it was not written down within ${ms / 1000} s`);
		const error = await within(promise, {ms, clock, signal}, late).finally(() => this.#waiting.delete(intent));
		signal.throwIfAborted();
		if (error) throw error;
	}

	/** The supervisor has written it down, or says why it has not. */
	recorded({intent, error}: Recorded): void {
		this.#waiting.get(intent)?.(error === null ? null : new ClientError('unsafe', error));
	}
}
