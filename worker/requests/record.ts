import * as z from 'zod';
import {attemptsSchema} from './attempts.ts';
import {isWithin, type MalformedRequest, type PairedDevice, type PairingRequest, requestSchema} from './policy.ts';
import {refusalSchema} from './refusal.ts';

/** An approval that was begun: from then on the gateway may grant it, whatever becomes of us. */
const attemptedSchema = z.object({
	kind: z.literal('attempted'),
	/** What was to be approved. */
	request: requestSchema,
	/** The device had all it asks for before, so that its scopes prove nothing. */
	had: z.boolean(),
	attempts: attemptsSchema,
});

/** A request that the policy refuses; `attempts` are those to reject it. */
const refusedSchema = z.object({kind: z.literal('refused'), ...refusalSchema.shape, attempts: attemptsSchema});

/**
 * What is remembered of one listed request. It is one of these at a time, so that an attempt to approve ends when the request is refused. A record is
 * replaced, never changed.
 */
export const recordSchema = z.discriminatedUnion('kind', [
	/** We have approved it. */
	z.object({kind: z.literal('approved')}),
	attemptedSchema,
	refusedSchema,
]);
export type RequestRecord = Readonly<z.infer<typeof recordSchema>>;
/** A request whose approval was begun. */
export type Attempted = Readonly<z.infer<typeof attemptedSchema>>;
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

/** The device is paired and has every scope the request names. */
export function hasAll({deviceId, scopes}: PairingRequest, paired: readonly PairedDevice[]): boolean {
	const device = paired.find(known => known.deviceId === deviceId);
	return device !== undefined && isWithin(scopes ?? [], device.scopes);
}
