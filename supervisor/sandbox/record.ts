import * as z from 'zod';
import {applyChanges, checkpointWithAlarm, checkpointWithoutAlarm, emptyCheckpoint} from '../../worker/checkpoint.ts';
import {checkpointSchema} from '../../worker/checkpoint-schema.ts';
import {isoTime} from '../../worker/clock.ts';
import type {ToSupervisor} from '../../worker/protocol.ts';
import {sandboxStatusSchema} from '../status/schema.ts';

/** What is remembered of a sandbox: what its next worker is handed, and what is counted. It outlives workers, and supervisors that are killed. */
export const recordSchema = z.object({
	/** Which gateway this is about, as `targetOf` names it. */
	target: z.string(),
	checkpoint: checkpointSchema,
	/** Exits in a row of workers that had not become stable. */
	unstableExits: z.number(),
	/** The gateway is left alone, since it has brought a worker down; monotonic milliseconds. */
	breaker: z.object({openUntil: z.number(), coolDown: z.number()}).nullable(),
	/** When a list last succeeded; monotonic milliseconds. */
	lastListedAt: z.number().nullable().default(null),
	/** The gateway was connected at some time in this shift. */
	hasUsedGateway: z.boolean().default(false),
	/** Since when it is not; monotonic milliseconds. `null` while it is, and before the first worker. */
	gatewayDownSince: z.number().nullable().default(null),
	...sandboxStatusSchema.pick({
		restarts: true,
		approved: true,
		refused: true,
		lastListAt: true,
		lastExit: true,
		lastApproval: true,
		lastRefusal: true,
	}).shape,
});
export type SandboxRecord = Readonly<z.infer<typeof recordSchema>>;

/** The record of a sandbox that was never watched. */
export function newRecord(target: string): SandboxRecord {
	return {
		target,
		checkpoint: emptyCheckpoint,
		unstableExits: 0,
		breaker: null,
		lastListedAt: null,
		hasUsedGateway: false,
		gatewayDownSince: null,
		restarts: 0,
		approved: 0,
		refused: 0,
		lastListAt: null,
		lastExit: null,
		lastApproval: null,
		lastRefusal: null,
	};
}

/** The record, if it is about this gateway; of another one nothing is kept but what was counted under the sandbox's name. */
export function recordFor(target: string, record: SandboxRecord): SandboxRecord {
	if (record.target === target) return record;
	return withCountsOf(record, newRecord(target));
}

/** A record with what was counted in another one. */
export function withCountsOf(counted: SandboxRecord, record: SandboxRecord): SandboxRecord {
	const {restarts, approved, refused, lastExit, lastApproval, lastRefusal} = counted;
	return {...record, restarts, approved, refused, lastExit, lastApproval, lastRefusal};
}

/** Approvals may go on: somebody has looked at what raised the alarm. */
export function withoutAlarm(record: SandboxRecord): SandboxRecord {
	return {...record, checkpoint: checkpointWithoutAlarm(record.checkpoint)};
}

/** Nothing more is approved, for a reason that was found before. */
export function withAlarm(record: SandboxRecord, alarm: string): SandboxRecord {
	return {...record, checkpoint: checkpointWithAlarm(record.checkpoint, alarm)};
}

type CheckpointMessage = Extract<ToSupervisor, {kind: 'checkpoint'}>;

/** Takes in what a worker tells of its progress. */
export function withCheckpoint(record: SandboxRecord, {changes, decisions}: CheckpointMessage): SandboxRecord {
	const updated = {...record, checkpoint: applyChanges(record.checkpoint, changes)};
	return decisions.reduce(count, updated);
}

function count(record: SandboxRecord, decision: CheckpointMessage['decisions'][number]): SandboxRecord {
	switch (decision.kind) {
		case 'approved': {
			const {requestId, clientId, scopes, latencyMs, at, isAgain} = decision;
			if (isAgain) return record;
			const lastApproval = {requestId, clientId, scopes, at: isoTime(at), latencyMs};
			return {...record, approved: record.approved + 1, lastApproval};
		}
		case 'refused': {
			const {requestId, clientId, clientMode, scopes, reason, at} = decision;
			const lastRefusal = {requestId, clientId, clientMode, scopes, reason, at: isoTime(at)};
			return {...record, refused: record.refused + 1, lastRefusal};
		}
		case 'rejected':
		case 'failed':
		case 'alarm':
			return record;
	}
}
