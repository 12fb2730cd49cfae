import {createHash} from 'node:crypto';
import {rolesOf} from './gives.ts';
import {isWithin, matchingEntry, type Policy, type RefusalReason} from './policy.ts';
import type {Refusal} from './record-schema.ts';
import type {MalformedRequest, PairingRequest} from './request.ts';

export type {Refusal} from './record-schema.ts';

/** What a refusal depends on besides the request and the reason. */
export interface RefusalContext {
	readonly policy: Policy;
	readonly now: number;
	readonly digest: string;
	readonly had: boolean;
	/** A person took away what is asked for. */
	readonly isRevoked: boolean;
	/** Our own failed approval made the gateway list this request. */
	readonly isCaused: boolean;
	/** The refusal of what the same device asked for before, under this id or one that is gone. */
	readonly predecessor: Refusal | undefined;
}

/** The refusal of a request, and when it is to be rejected. */
export function refusalOf(
	request: PairingRequest | MalformedRequest,
	reason: RefusalReason,
	context: RefusalContext,
): Refusal {
	const scopes = (request.scopes ?? []).map(shortHash);
	const {digest, had, policy, now, predecessor} = context;
	const roles = request.kind === 'request' ? rolesOf(request).map(shortHash) : [];
	// An unknown client is somebody else's business, and a revoked device a person's: never touched. Nor can be what has no id.
	const isTouchable = request.requestId !== null && !context.isRevoked && matchingEntry(request, policy) !== undefined;
	const rejectAt = isTouchable ? rejectionTime(scopes, context) : null;
	const since = predecessor && isWithin(predecessor.scopes, scopes) ? predecessor.since : now;
	return {reason, deviceId: request.deviceId, digest, since, had, roles, scopes, rejectAt, rejected: false};
}

/**
 * A refused request poisons its device: the gateway merges the device's later, harmless asks into it, so it is rejected in the end.
 * A human has `refusalHold` to approve it, unless the device asked again meanwhile (the merged ask is wider) or we caused it ourselves.
 */
function rejectionTime(scopes: readonly string[], {policy, now, isCaused, predecessor}: RefusalContext): number | null {
	if (policy.onRefused === 'ignore') return null;
	if (policy.onRefused === 'reject' || isCaused) return now;
	if (predecessor && isWithin(predecessor.scopes, scopes)) {
		const isWider = !isWithin(scopes, predecessor.scopes);
		// 2026.5.27 gives the same ask a new id each time; the human's time runs from the first.
		return isWider ? now : (predecessor.rejectAt ?? now + policy.refusalHold);
	}
	return now + policy.refusalHold;
}

/** The hashes of short texts, scopes and roles, which are met again and again; of so many, of so many characters at most. */
const hashes = new Map<string, string>();
const MAX_HASHES = 256;
const MAX_REMEMBERED = 32;

/** Enough of a hash to tell one text from another. */
export function shortHash(text: string): string {
	const known = hashes.get(text);
	if (known !== undefined) return known;
	const hash = createHash('sha256').update(text).digest('base64url').slice(0, 12);
	if (hashes.size < MAX_HASHES && text.length <= MAX_REMEMBERED) hashes.set(text, hash);
	return hash;
}
