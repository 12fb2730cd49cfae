import {randomUUID} from 'node:crypto';
import {systemClock} from '../worker/clock.ts';
import type {PassSummary, Snapshot} from '../worker/protocol.ts';
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
	readonly snapshot: Snapshot | null;
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
	let snapshot: Snapshot | null = null;
	let outcome = failedPass('the worker ended without a result');
	// A tight timeout is shared out, so that there is always some time to work and some to end.
	const budget = Math.max(timeout - CLOSING_TIME, timeout / 2);
	const owner = `${randomUUID()}/${randomUUID()}`;
	const {now} = systemClock;
	let lastBeatAt = now();
	await new Promise<void>(resolve => {
		const inspection = setInterval(() => {
			// Its loop is bounded by the timeout.
			const vitals = {lastBeatAt, lastStepAt: now(), isWaitingForTurn: true, rss: worker.rss};
			const ailment = diagnose(vitals, limits, now());
			if (ailment === null) return;
			outcome = failedPass(ailment === 'memory' ? 'the worker grew beyond workerMemory' : 'the worker hung');
			worker.kill();
		}, INSPECTION);
		const kill = setTimeout(
			() => {
				outcome = failedPass('out of time');
				worker.kill();
			},
			timeout - Math.min(CLOSING_TIME, timeout) / 4,
		);
		const worker = new WorkerProcess(
			{kind: 'start', config, owner, task: {kind, budget}, carry: null, avoidGatewayUntil: null},
			{
				onMessage: message => {
					if (message.kind === 'turn')
						turns.request(config.name, message.turn, message.call, () =>
							worker.send({kind: 'granted', turn: message.turn}),
						);
					else if (message.kind === 'turn-over') turns.over(config.name, message.turn, message.outcome);
					else if (message.kind === 'heartbeat') {
						snapshot = message.snapshot;
						lastBeatAt = now();
					} else if (message.kind === 'passed') outcome = message.outcome;
					else if (message.kind === 'log' && message.level !== 'debug')
						notes.push(noteOf(message.message, message.fields));
				},
				onOutput: line => notes.push(line),
				onExit: () => {
					clearTimeout(kill);
					clearInterval(inspection);
					turns.forget(config.name, false);
					resolve();
				},
			},
		);
	});
	return {outcome, snapshot, notes};
}

function noteOf(message: string, fields: Readonly<Record<string, unknown>>): string {
	const parts = Object.entries(fields).map(
		([key, value]) => `${key}: ${Array.isArray(value) ? value.join(' ') : String(value)}`,
	);
	return parts.length === 0 ? message : `${message} (${parts.join(', ')})`;
}
