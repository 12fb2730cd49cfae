import {randomUUID} from 'node:crypto';
import {every, systemClock} from '../../worker/clock.ts';
import type {Decision, Failure, PassSummary, ToSupervisor} from '../../worker/protocol.ts';
import {messageOf} from '../../worker/text.ts';
import type {CallTurns} from '../calls/turns.ts';
import {checkLiveness} from './liveness.ts';
import type {SandboxSpec} from './spec.ts';
import {failedPass} from './waiters.ts';
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
}

/**
 * Forks a worker for one pass, or for one list that approves nothing, and waits for it, `timeout` milliseconds at most; by then nothing that it
 * started is left. What would end a worker of the supervisor ends this one too. Never rejects.
 */
export async function runOnce(
	kind: 'pass' | 'probe',
	{worker: config, limits}: SandboxSpec,
	turns: CallTurns,
	timeout: number,
): Promise<OneShotResult> {
	const clock = systemClock;
	const notes: string[] = [];
	let met = 0;
	const note = (line: string) => ++met <= MAX_NOTES && notes.push(line);
	let outcome = failedPass('the worker ended without a result');
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
			case 'heartbeat':
				lastBeatAt = clock.now();
				break;
			case 'passed':
				outcome = message.outcome;
				break;
			case 'checkpoint':
				for (const decision of message.decisions) {
					const line = describeDecision(decision);
					if (decision.kind === 'refused') note(line);
					else notes.push(line);
				}
				break;
			case 'log':
				if (message.level !== 'debug') note(describe(message.message, message.fields));
				break;
		}
	};
	let worker: WorkerHandle;
	try {
		worker = forkWorker(
			{kind: 'start', config, owner, task: {kind, until}, checkpoint: null, avoidGatewayUntil: null},
			{onMessage, onOutput: note, onExit: exit => end(exit)},
			limits.workerMemory,
		);
	} catch (error) {
		return {outcome: failedPass(`no worker could be started: ${messageOf(error)}`), notes};
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
	return {outcome, notes};
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
