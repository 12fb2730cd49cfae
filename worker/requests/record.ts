import {rolesOf} from './gives.ts';
import {isWithin} from './policy.ts';
import type {Attempt, RequestRecord, RequestRecords} from './record-schema.ts';
import type {MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

export type {Approved, Attempt, Attempted, Refused, RequestRecord, RequestRecords} from './record-schema.ts';

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
