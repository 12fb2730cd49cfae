import {randomUUID} from 'node:crypto';
import {applyChanges, type Checkpoint, emptyCheckpoint} from '../../worker/checkpoint.ts';
import {every, systemClock} from '../../worker/clock.ts';
import type {
	Decision,
	DecisionResult,
	Failure,
	HeldRequest,
	PassSummary,
	PersonalDecision,
	Snapshot,
	Task,
	ToSupervisor,
} from '../../worker/protocol.ts';
import {messageOf} from '../../worker/text.ts';
import type {CallTurns} from '../calls/turns.ts';
import {checkLiveness} from './liveness.ts';
import type {SandboxSpec} from './spec.ts';
import {failedPass} from './waiters.ts';
import {nobody, reasonOf, type Witness} from './witness.ts';
import {forkWorker, type WorkerExit, type WorkerHandle} from './worker-process.ts';

/** Kept back from a one-shot's time, so that its last call can be ended properly, in milliseconds. */
const CLOSING_TIME = 1500;

/** How often the worker is looked at, in milliseconds. */
const INSPECTION = 500;

/** More is not told of what a pass met; what it did is told whole. */
const MAX_NOTES = 50;

export interface OneShotResult {
	readonly outcome: PassSummary;
	/** What the worker had to say: refusals and failures. */
	readonly notes: readonly string[];
	/** What became of a person's decision; `null` where that was not asked for, or is not known. */
	readonly decided: DecisionResult | null;
	/** What is known of the sandbox's requests by now. */
	readonly ledger: Checkpoint['ledger'];
}

/** A pass, a list that approves nothing, or a person's decision about one request. */
export type OneShot = 'pass' | 'probe' | PersonalDecision;

/**
 * Forks a worker for one pass, for one list, or for one decision, and waits for it, `timeout` milliseconds at most; by then nothing that it
 * started is left. `ledger`: what is known of the sandbox's requests. What would end a worker of the supervisor ends this one too. Never rejects.
 */
export async function runOnce(
	what: OneShot,
	{worker: config, limits}: SandboxSpec,
	turns: CallTurns,
	timeout: number,
	witness: Witness = nobody,
	ledger: Checkpoint['ledger'] = emptyCheckpoint.ledger,
): Promise<OneShotResult> {
	const clock = systemClock;
	const notes: string[] = [];
	let met = 0;
	const note = (line: string) => ++met <= MAX_NOTES && notes.push(line);
	let outcome = failedPass('the worker ended without a result');
	let decided: DecisionResult | null = null;
	let transport: Snapshot['transport'] | null = null;
	let checkpoint: Checkpoint = {...emptyCheckpoint, ledger};
	let held: readonly HeldRequest[] = [];
	// A tight timeout is shared out, so that there is always some time to work and some to end.
	const until = clock.now() + Math.max(timeout - CLOSING_TIME, timeout / 2);
	const owner = `${randomUUID()}/${randomUUID()}`;
	let lastBeatAt = clock.now();
	// Two probes of one sandbox are two parties among the turns.
	const party = randomUUID();
	const {promise: ended, resolve: end} = Promise.withResolvers<WorkerExit>();
	const onMessage = (message: ToSupervisor): void => {
		switch (message.kind) {
			case 'turn':
				turns.request(party, message.turn, message.call, () => worker.send({kind: 'granted', turn: message.turn}));
				break;
			case 'turn-over':
				turns.over(party, message.turn, message.outcome);
				break;
			case 'alive':
				lastBeatAt = clock.now();
				break;
			case 'heartbeat':
				lastBeatAt = clock.now();
				transport = message.snapshot.transport;
				break;
			case 'held':
				held = message.requests;
				break;
			case 'intent': {
				const {kind: _, intent, ...subject} = message;
				void witness
					.intent(config.name, subject, reasonOf(subject, held))
					.then(error => worker.send({kind: 'recorded', intent, error}));
				break;
			}
			case 'decided':
				decided = {result: message.result, detail: message.detail};
				break;
			case 'passed':
				outcome = message.outcome;
				break;
			case 'checkpoint':
				checkpoint = applyChanges(checkpoint, message.changes);
				for (const decision of message.decisions) {
					witness.decided(config.name, decision, transport);
					const line = describeDecision(decision);
					if (decision.kind === 'refused') note(line);
					else notes.push(line);
				}
				break;
			case 'log':
				if (message.level !== 'debug') note(describe(message.message, message.fields));
				break;
			case 'done':
				break;
			default:
				message satisfies never;
		}
	};
	let worker: WorkerHandle;
	try {
		worker = forkWorker(
			{kind: 'start', config, owner, task: taskOf(what, until), checkpoint, avoidGatewayUntil: null},
			{onMessage, onOutput: note, onExit: exit => end(exit)},
			limits.workerMemory,
		);
	} catch (error) {
		return {outcome: failedPass(`no worker could be started: ${messageOf(error)}`), notes, decided, ledger};
	}
	const killFor = (error: string, failure: Failure) => {
		outcome = failedPass(error, failure);
		worker.kill();
	};
	const endInspection = every(clock, INSPECTION, () => {
		// Its loop is bounded by the timeout.
		const observation = {lastBeatAt, lastProgressAt: clock.now(), isWaitingForTurn: true, rss: worker.rss};
		const failure = checkLiveness(observation, limits, clock.now());
		if (failure === 'memory') killFor('the worker grew beyond workerMemory', 'hostile');
		else if (failure !== null) killFor('the worker hung', 'hostile');
	});
	const cancelTimeout = clock.after(timeout - Math.min(CLOSING_TIME, timeout) / 4, () =>
		killFor('out of time', 'timeout'),
	);
	if ((await ended).isOutOfMemory) outcome = failedPass('the worker grew beyond workerMemory', 'hostile');
	endInspection();
	cancelTimeout();
	turns.forget(party, false);
	witness.gone(config.name);
	return {outcome, notes, decided, ledger: checkpoint.ledger};
}

function taskOf(what: OneShot, until: number): Task {
	return typeof what === 'string' ? {kind: what, until} : {kind: 'decide', until, ...what};
}

function describeDecision(decision: Decision): string {
	const {kind, at: _, ...fields} = decision;
	return describe(kind, fields);
}

function describe(message: string, fields: Readonly<Record<string, unknown>>): string {
	const parts = Object.entries(fields)
		.filter(([, value]) => value !== null)
		.map(([key, value]) => `${key}: ${Array.isArray(value) ? value.join(' ') : String(value)}`);
	return parts.length === 0 ? message : `${message} (${parts.join(', ')})`;
}
