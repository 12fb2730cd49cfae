import {type ToSupervisor, type ToWorker, toWorkerSchema} from './protocol.ts';
import type {Turn, TurnKind, TurnOutcome, Turns} from './turns.ts';

/** The worker's end of the channel to its supervisor. */
export class SupervisorLink implements Turns {
	readonly #waiting = new Map<number, {call: TurnKind; grant: () => void; since: number}>();
	#lastTurn = 0;
	#lastWait = 0;

	/** Sends a message; once the channel is closed it is dropped, since the worker is about to end. */
	send(message: ToSupervisor, sent: () => void = () => {}): void {
		if (process.connected && process.send) process.send(message, undefined, undefined, sent);
		else sent();
	}

	/** Hands every valid message to `take`; those about turns are served here. */
	listen(take: (message: ToWorker) => void): void {
		process.on('message', (value: unknown) => {
			const message = toWorkerSchema.parse(value);
			if (message.kind === 'granted') this.#waiting.get(message.turn)?.grant();
			else take(message);
		});
	}

	take(call: TurnKind, signal: AbortSignal): Promise<Turn> {
		signal.throwIfAborted();
		const turn = ++this.#lastTurn;
		const over = (outcome: TurnOutcome | 'cancelled') => this.send({kind: 'turn-over', turn, outcome});
		return new Promise((resolve, reject) => {
			const cancel = () => {
				this.#waiting.delete(turn);
				over('cancelled');
				reject(signal.reason);
			};
			const since = performance.now();
			const grant = () => {
				this.#waiting.delete(turn);
				if (call !== 'token') this.#lastWait = performance.now() - since;
				signal.removeEventListener('abort', cancel);
				resolve({id: turn, over});
			};
			this.#waiting.set(turn, {call, grant, since});
			signal.addEventListener('abort', cancel, {once: true});
			this.send({kind: 'turn', turn, call});
		});
	}

	get #pollsWaiting(): {since: number}[] {
		return [...this.#waiting.values()].filter(({call}) => call !== 'token');
	}

	/** How long the last turn for a poll was, or the present one has been, waited for, in milliseconds. */
	get turnWait(): number {
		const now = performance.now();
		return Math.max(this.#lastWait, ...this.#pollsWaiting.map(({since}) => now - since));
	}
}
