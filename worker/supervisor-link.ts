import type {Clock} from './clock.ts';
import type {ToSupervisor} from './protocol.ts';
import type {Turn, TurnKind, TurnOutcome, Turns} from './turns.ts';

/** What a worker needs of its supervisor. */
export interface Link extends Turns {
	/** Sends a message; never fails. */
	send(message: ToSupervisor): void;
	/** How long the last turn for a list was, or the present one for a poll has been, waited for, in milliseconds. */
	readonly turnWait: number;
}

interface Waiting {
	readonly kind: TurnKind;
	/** Monotonic milliseconds. */
	readonly since: number;
	readonly grant: () => void;
}

/** The worker's end of the channel to its supervisor: keeps the account of the turns that were asked for. */
export class SupervisorLink implements Link {
	readonly send: (message: ToSupervisor) => void;
	readonly #clock: Pick<Clock, 'now'>;
	readonly #waiting = new Map<number, Waiting>();
	#lastTurn = 0;
	#lastWait = 0;

	constructor(send: (message: ToSupervisor) => void, clock: Pick<Clock, 'now'>) {
		this.send = send;
		this.#clock = clock;
	}

	/** The supervisor has granted a turn; one that is wanted no more was given back already. */
	granted(turn: number): void {
		this.#waiting.get(turn)?.grant();
	}

	take(kind: TurnKind, signal: AbortSignal): Promise<Turn> {
		signal.throwIfAborted();
		const id = ++this.#lastTurn;
		const since = this.#clock.now();
		const over = (outcome: TurnOutcome | 'cancelled') => this.send({kind: 'turn-over', turn: id, outcome});
		return new Promise((resolve, reject) => {
			const end = (wait: number) => {
				this.#waiting.delete(id);
				// An approval comes before the lists, so that it says nothing of how long those wait.
				if (kind === 'list' || kind === 'urgent-list') this.#lastWait = wait;
				signal.removeEventListener('abort', cancel);
			};
			const cancel = () => {
				// Nothing waits any more, so no earlier wait is worth a word either.
				end(0);
				over('cancelled');
				reject(signal.reason);
			};
			const grant = () => {
				end(this.#clock.now() - since);
				resolve({id, over});
			};
			this.#waiting.set(id, {kind, since, grant});
			signal.addEventListener('abort', cancel);
			this.send({kind: 'turn', turn: id, call: kind});
		});
	}

	get turnWait(): number {
		const now = this.#clock.now();
		const polls = [...this.#waiting.values()].filter(({kind}) => kind !== 'token');
		return Math.max(this.#lastWait, ...polls.map(({since}) => now - since));
	}
}
