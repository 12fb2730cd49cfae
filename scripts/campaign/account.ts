// The account of a campaign: what was asked for, what became of it, and what the audit file says of that.
import {readFileSync} from 'node:fs';
import {openIntents} from '../../supervisor/audit/line.ts';
import {parseLines} from '../../supervisor/audit/reading.ts';
import type {Status} from '../../supervisor/status/schema.ts';
import type {TriedSandbox} from './sandboxes.ts';

/** What was asked for, and when. */
export interface Asked {
	readonly sandbox: string;
	readonly requestId: string;
	readonly isRight: boolean;
	readonly at: number;
}

export interface Account {
	readonly asked: number;
	readonly right: number;
	readonly approved: number;
	/** Granted, and must not have been. */
	readonly wrong: readonly string[];
	/** Never granted, and should have been. */
	readonly lost: readonly Asked[];
	readonly twice: readonly string[];
}

/** What has become of all that was asked for so far. */
export async function accountOf(asked: readonly Asked[], sandboxes: readonly TriedSandbox[]): Promise<Account> {
	const lists = await Promise.all(sandboxes.map(async ({granted}) => granted()));
	const granted = lists.flat();
	const known = new Set(granted);
	const right = asked.filter(({isRight}) => isRight);
	return {
		asked: asked.length,
		right: right.length,
		approved: granted.length,
		wrong: asked.filter(({isRight, requestId}) => !isRight && known.has(requestId)).map(nameOf),
		lost: right.filter(({requestId}) => !known.has(requestId)),
		twice: granted.filter((id, index) => granted.indexOf(id) !== index),
	};
}

/** So many of the audit file's last lines on a request that was lost are told. */
const TOLD_LINES = 6;

/** A request that was lost, with what the status file says of its sandbox, and the audit file of itself, that could tell why. */
export function lossOf(lost: Asked, status: Status | null, auditFile: string): string {
	const {state, healthy, pending, failures, lastError, warnings, lastRefusal} = status?.sandboxes[lost.sandbox] ?? {};
	const seen = JSON.stringify({state, healthy, pending, failures, lastError, warnings, lastRefusal});
	const lines = parseLines(readFileSync(auditFile, 'utf8')).filter(({requestId}) => requestId === lost.requestId);
	const told = lines
		.slice(-TOLD_LINES)
		.map(({time, phase, action, result, error}) => JSON.stringify({time, phase, action, result, error}));
	return [nameOf(lost), `its sandbox: ${seen}`, `audit file: ${lines.length} lines`, ...told].join('\n\t');
}

function nameOf({sandbox, requestId}: Asked): string {
	return `${sandbox} ${requestId}`;
}

/** What is wrong with an audit file that nothing is approved without. */
export interface AuditAccount {
	readonly lines: number;
	/** Granted without an intent. */
	readonly unrecorded: readonly string[];
	/** Begun, and without an outcome though all has ended. */
	readonly unended: readonly string[];
	/** Lines that cannot be read: half of one is left where a supervisor was killed. */
	readonly torn: number;
}

/** What the audit file says, after the end, of these requests. */
export function auditAccountOf(file: string, granted: readonly string[]): AuditAccount {
	const text = readFileSync(file, 'utf8');
	const lines = parseLines(text);
	const begun = new Set(lines.flatMap(({phase, requestId}) => (phase === 'intent' ? (requestId ?? []) : [])));
	return {
		lines: lines.length,
		unrecorded: granted.filter(id => !begun.has(id)),
		unended: openIntents(lines).map(({sandbox, requestId, time}) => `${sandbox} ${requestId} (${time})`),
		torn: text.split('\n').filter(line => line !== '').length - lines.length,
	};
}
