import * as z from 'zod';
import {REFUSAL_REASONS} from './policy-schema.ts';
import {DECIDERS, requestSchema} from './request-schema.ts';

/** How the attempts to approve, or to reject, one request have gone so far. */
export const attemptsSchema = z.object({
	failures: z.number(),
	/** Why the last one failed. */
	error: z.string().nullable(),
	/** Monotonic milliseconds from which the next one is due. */
	retryAt: z.number(),
});
export type Attempts = Readonly<z.infer<typeof attemptsSchema>>;

/** What is remembered of a request that the policy refuses. */
export const refusalSchema = z.object({
	reason: z.enum(REFUSAL_REASONS),
	deviceId: z.string().nullable(),
	/** The digest of what was refused: an entry of another one is decided anew, since 2026.9.6 may change who asks under one id. */
	digest: z.string(),
	/** When it, or what it has replaced, was refused first; monotonic milliseconds. */
	since: z.number(),
	/** The device had all it asks for before, so that its scopes prove nothing. */
	had: z.boolean(),
	/** A short hash of each role that it is for. */
	roles: z.array(z.string()).readonly(),
	/** A short hash of each: what is remembered goes to the supervisor, so what a sandbox can put into it is kept small. */
	scopes: z.array(z.string()).readonly(),
	/** Monotonic milliseconds from which it is rejected; `null`: never. */
	rejectAt: z.number().nullable(),
	rejected: z.boolean(),
});
export type Refusal = Readonly<z.infer<typeof refusalSchema>>;

/** An approval that was begun: from then on the gateway may grant it, whatever becomes of us. */
const attemptSchema = z.object({
	/** What was to be approved. */
	request: requestSchema,
	/** Whose decision it was. */
	by: z.enum(DECIDERS),
	/** The device had all it asks for before, so that its scopes prove nothing. */
	had: z.boolean(),
	/** What the device may have after it, as `expectedScopes` gives it. */
	expected: z.array(z.string()).readonly(),
	/** An earlier try was answered with a yes, which was told and counted, and proved untrue. */
	isTold: z.boolean(),
});
export type Attempt = Readonly<z.infer<typeof attemptSchema>>;

/** A request that the policy allows, or a person. */
const attemptedSchema = z.object({kind: z.literal('attempted'), ...attemptSchema.shape, attempts: attemptsSchema});

/** A request that the policy refuses; `attempts` are those to reject it. */
const refusedSchema = z.object({
	kind: z.literal('refused'),
	...refusalSchema.shape,
	/** A person's approval of it that was begun, and of which nothing is known. */
	attempt: attemptSchema.nullable(),
	attempts: attemptsSchema,
});

/**
 * What is remembered of one listed request. It is one of these at a time, so that an attempt to approve ends when the request is refused. A record is
 * replaced, never changed.
 */
export const recordSchema = z.discriminatedUnion('kind', [
	/** We have approved it, or so the gateway says: one that is listed again is not settled. */
	z.object({kind: z.literal('approved'), ...attemptSchema.shape, attempts: attemptsSchema}),
	attemptedSchema,
	refusedSchema,
]);
export type RequestRecord = Readonly<z.infer<typeof recordSchema>>;
/** A request whose approval was begun. */
export type Attempted = Readonly<z.infer<typeof attemptedSchema>>;
/** A request whose approval was answered with a yes. */
export type Approved = Extract<RequestRecord, {kind: 'approved'}>;
/** A request that the policy refuses. */
export type Refused = Readonly<z.infer<typeof refusedSchema>>;

/** Records by what `keyOf` gives. */
export const recordsSchema = z.record(z.string(), recordSchema);
export type RequestRecords = Readonly<Record<string, RequestRecord>>;
