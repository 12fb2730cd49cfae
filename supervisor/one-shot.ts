import {randomUUID} from 'node:crypto';
import {systemClock} from '../worker/clock.ts';
import type {Failure, PassSummary, ToSupervisor} from '../worker/protocol.ts';
import {messageOf} from '../worker/text.ts';
import type {CallTurns} from './call-turns.ts';
import {diagnose} from './liveness.ts';
import {failedPass, type SandboxPlan} from './sandbox.ts';
import {WorkerProcess} from './worker-process.ts';

/** Kept back from a one-shot's time, so that its last call can be ended properly, in milliseconds. */
const CLOSING_TIME = 1500;

/** How often the worker is looked at, in milliseconds. */
const INSPECTION = 500;

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
	{worker: config, limits}: SandboxPlan,
	turns: CallTurns,
	timeout: number,
): Promise<OneShotResult> {
	const notes: string[] = [];
	let outcome = failedPass('the worker ended without a result');
	// A tight timeout is shared out, so that there is always some time to work and some to end.
	const budget = Math.max(timeout - CLOSING_TIME, timeout / 2);
	const owner = `${randomUUID()}/${randomUUID()}`;
	const {now} = systemClock;
	let lastBeatAt = now();
	// Two probes of one sandbox are two parties among the turns.
	const party = randomUUID();
	const {promise: ended, resolve: end} = Promise.withResolvers<void>();
	const onMessage = (message: ToSupervisor): void => {
		switch (message.kind) {
			case 'turn':
				turns.request(party, message.turn, message.call, () => worker.send({kind: 'granted', turn: message.turn}));
				break;
			case 'turn-over':
				turns.over(party, message.turn, message.outcome);
				break;
			case 'heartbeat':
				lastBeatAt = now();
				break;
			case 'passed':
				outcome = message.outcome;
				break;
			case 'checkpoint':
				for (const {kind, at: _, ...fields} of message.decisions) notes.push(noteOf(kind, fields));
				break;
			case 'log':
				if (message.level !== 'debug') notes.push(noteOf(message.message, message.fields));
				break;
		}
	};
	let worker: WorkerProcess;
	try {
		worker = new WorkerProcess(
			{kind: 'start', config, owner, task: {kind, budget}, checkpoint: null, avoidGatewayUntil: null},
			{onMessage, onOutput: line => notes.push(line), onExit: () => end()},
		);
	} catch (error) {
		return {outcome: failedPass(`no worker could be started: ${messageOf(error)}`), notes};
	}
	const killFor = (error: string, failure: Failure) => {
		outcome = failedPass(error, failure);
		worker.kill();
	};
	const inspection = setInterval(() => {
		// Its loop is bounded by the timeout.
		const vitals = {lastBeatAt, lastStepAt: now(), isWaitingForTurn: true, rss: worker.rss};
		const ailment = diagnose(vitals, limits, now());
		if (ailment === 'memory') killFor('the worker grew beyond workerMemory', 'hostile');
		else if (ailment !== null) killFor('the worker hung', 'hostile');
	}, INSPECTION);
	const timer = setTimeout(() => killFor('out of time', 'timeout'), timeout - Math.min(CLOSING_TIME, timeout) / 4);
	await ended;
	clearInterval(inspection);
	clearTimeout(timer);
	turns.forget(party, false);
	return {outcome, notes};
}

function noteOf(message: string, fields: Readonly<Record<string, unknown>>): string {
	const parts = Object.entries(fields).map(
		([key, value]) => `${key}: ${Array.isArray(value) ? value.join(' ') : String(value)}`,
	);
	return parts.length === 0 ? message : `${message} (${parts.join(', ')})`;
}
