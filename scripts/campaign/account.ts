// The account of a campaign: what was asked for, what became of it, and what the audit file says of that.
import {readFileSync} from 'node:fs';
import {openIntents} from '../../supervisor/audit/line.ts';
import {parseLines} from '../../supervisor/audit/reading.ts';
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
	readonly lost: readonly string[];
	readonly twice: readonly string[];
}

/** What has become of all that was asked for so far. */
export async function accountOf(asked: readonly Asked[], sandboxes: readonly TriedSandbox[]): Promise<Account> {
	const lists = await Promise.all(sandboxes.map(async ({granted}) => granted()));
	const granted = lists.flat();
	const known = new Set(granted);
	const right = asked.filter(({isRight}) => isRight);
	const namesOf = (some: readonly Asked[]) => some.map(({sandbox, requestId}) => `${sandbox} ${requestId}`);
	return {
		asked: asked.length,
		right: right.length,
		approved: granted.length,
		wrong: namesOf(asked.filter(({isRight, requestId}) => !isRight && known.has(requestId))),
		lost: namesOf(right.filter(({requestId}) => !known.has(requestId))),
		twice: granted.filter((id, index) => granted.indexOf(id) !== index),
	};
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
