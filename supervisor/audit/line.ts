import * as z from 'zod';
import {DECIDERS} from '../../worker/requests/request-schema.ts';

/** What is done about a request: it is granted, taken out of the gateway's list, or left alone. */
const AUDIT_ACTIONS = ['approve', 'reject', 'refuse'] as const;

/**
 * One line of the audit file. An approve and a reject have an `intent`, written before anything is done, and then an `outcome`; a refusal has an outcome
 * alone, whose result is `null`. What is not known is `null`; texts are safe to show.
 */
export const auditLineSchema = z.object({
	/** ISO 8601 UTC. */
	time: z.string(),
	sandbox: z.string(),
	phase: z.enum(['intent', 'outcome']),
	action: z.enum(AUDIT_ACTIONS),
	/** `failed` covers what was never heard of again: a later `done` may follow, where a listing shows that it was granted after all. */
	result: z.enum(['done', 'failed']).nullable(),
	/** What the policy says of the request. */
	reason: z.string().nullable(),
	by: z.enum(DECIDERS),
	requestId: z.string().nullable(),
	deviceId: z.string().nullable(),
	clientId: z.string().nullable(),
	clientMode: z.string().nullable(),
	role: z.string().nullable(),
	scopes: z.array(z.string()),
	transport: z.string().nullable(),
	/** From the request's creation to its approval, in milliseconds. */
	latencyMs: z.number().nullable(),
	error: z.string().nullable(),
});
export type AuditLine = Readonly<z.infer<typeof auditLineSchema>>;

/** What a line says besides when and where. */
export type AuditEntry = Omit<AuditLine, 'time' | 'sandbox'>;

/** An entry that says nothing yet. */
export const emptyEntry: AuditEntry = {
	phase: 'outcome',
	action: 'refuse',
	result: null,
	reason: null,
	by: 'policy',
	requestId: null,
	deviceId: null,
	clientId: null,
	clientMode: null,
	role: null,
	scopes: [],
	transport: null,
	latencyMs: null,
	error: null,
};

/** The line as it stands in the file, its keys in the order in which they are documented. */
export function textOf({time, sandbox, ...entry}: AuditLine): string {
	return `${JSON.stringify({time, sandbox, ...emptyEntry, ...entry})}\n`;
}

/** What pairs an intent with its outcome. */
export function pairOf({sandbox, action, requestId}: Pick<AuditLine, 'sandbox' | 'action' | 'requestId'>): string {
	return JSON.stringify([sandbox, action, requestId]);
}

/** The intent of something that may have its outcome already: the disk that it was written to did not answer, and it comes from there late. */
export function lateIntent(intent: AuditLine, path: string): AuditLine {
	return {...intent, error: `written late, since ${path} did not take it`};
}

/** The intents among these lines that have no outcome. Pure. */
export function openIntents(lines: Iterable<AuditLine>): readonly AuditLine[] {
	const open = new Map<string, AuditLine>();
	const ended = new Set<string>();
	for (const line of lines) {
		const pair = pairOf(line);
		const isLate = line.error !== null;
		if (line.phase === 'outcome') {
			open.delete(pair);
			ended.add(pair);
		} else if (!isLate || !ended.has(pair)) open.set(pair, line);
	}
	return [...open.values()];
}
