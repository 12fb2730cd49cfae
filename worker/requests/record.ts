import * as z from 'zod';
import {attemptsSchema} from './attempts.ts';
import {rolesOf} from './gives.ts';
import {isWithin} from './policy.ts';
import {refusalSchema} from './refusal.ts';
import {DECIDERS, type MalformedRequest, type PairedDevice, type PairingRequest, requestSchema} from './request.ts';

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

/** Records by what {@link keyOf} gives. */
export const recordsSchema = z.record(z.string(), recordSchema);
export type RequestRecords = Readonly<Record<string, RequestRecord>>;

/** What a listed entry is remembered by. */
export function keyOf(request: PairingRequest | MalformedRequest): string {
	return request.kind === 'request' ? request.requestId : request.key;
}

/** The record of one request. A sandbox may call a request `constructor`. */
export function recordOf(records: RequestRecords, key: string): RequestRecord | undefined {
	return Object.hasOwn(records, key) ? records[key] : undefined;
}

/** The approval that was begun of a request, or answered; `null`: none. */
export function attemptIn(record: RequestRecord | undefined): Attempt | null {
	if (record?.kind === 'refused') return record.attempt;
	if (record === undefined) return null;
	const {request, by, had, expected, isTold} = record;
	return {request, by, had, expected, isTold};
}

/** The device is paired, has every scope the request names, and a live token for every role, as far as its tokens are listed. */
export function hasAll(request: PairingRequest, paired: readonly PairedDevice[]): boolean {
	const device = paired.find(known => known.deviceId === request.deviceId);
	return device !== undefined && isWithin(request.scopes ?? [], device.scopes) && hasTokens(request, device);
}

function hasTokens(request: PairingRequest, {tokens}: PairedDevice): boolean {
	if (tokens.length === 0) return true;
	return rolesOf(request).every(role => tokens.some(token => token.role === role && !token.isRevoked));
}
