import type {Clock} from '../../worker/clock.ts';
import type {Decision} from '../../worker/protocol.ts';
import {type Log, limitedLog} from '../log/log.ts';

/** Writes down what was decided in a sandbox. What it asks for in vain is rationed; what was done there never is, nor an alarm. */
export class DecisionLog {
	readonly #log: Log;
	readonly #refusals: Log;

	constructor(log: Log, clock: Pick<Clock, 'now'>) {
		this.#log = log;
		this.#refusals = limitedLog(log, clock);
	}

	log(decision: Decision): void {
		switch (decision.kind) {
			case 'approved':
				if (!decision.isAgain) this.#log('info', 'approved', fieldsOf(decision));
				break;
			case 'refused': {
				const {kind: _, at: __, remedy, ...fields} = decision;
				this.#refusals('warn', 'refused', remedy === null ? fields : {...fields, remedy});
				break;
			}
			case 'rejected':
				this.#log('info', 'request rejected, so that the next ask of its device is clean', fieldsOf(decision));
				break;
			case 'failed':
				// The worker says so itself, when it tries again.
				break;
			case 'alarm':
				this.#log('error', 'alarm: nothing more is approved in this sandbox until pairkeeper reload', {
					reason: decision.reason,
				});
				break;
			default:
				decision satisfies never;
		}
	}
}

/** All there is to say of a decision, its device too; the line has its own time. */
function fieldsOf({kind: _, at: __, ...fields}: Decision): Readonly<Record<string, unknown>> {
	return fields;
}
