import {printableList} from '../text.ts';
import {givesOf} from './gives.ts';
import type {ApprovalAnswer} from './listing.ts';
import {ADMIN_SCOPE} from './policy.ts';
import {shortHash} from './refusal.ts';
import type {PairedDevice, PairingRequest} from './request.ts';

/** What OpenClaw takes a scope to include, and may write beside it (docs/gateway/operator-scopes.md). */
const IMPLIED: Readonly<Record<string, readonly string[]>> = {
	[ADMIN_SCOPE]: ['operator.read', 'operator.write'],
	'operator.write': ['operator.read'],
};

/**
 * The scopes that a device may have once this is approved, as short hashes of them: what it had, what is decided on, and what OpenClaw takes those to
 * include. `also`: what may be added to any approval. Pure.
 */
export function expectedScopes(
	request: PairingRequest,
	paired: readonly PairedDevice[],
	also: readonly string[],
): readonly string[] {
	const devices = paired.filter(({deviceId}) => deviceId === request.deviceId);
	const had = devices.flatMap(scopesHad);
	const decided = [...had, ...(request.scopes ?? []), ...(givesOf(request, paired) ?? []), ...also];
	const implied = decided.flatMap(scope => (Object.hasOwn(IMPLIED, scope) ? (IMPLIED[scope] ?? []) : []));
	return [...new Set([...decided, ...implied])].map(shortHash);
}

/** Why an answer to approve cannot be trusted, or `null`. One that names neither device nor scopes says nothing against it. Pure. */
export function alarmInAnswer(
	{deviceId, scopes, isUnreadable}: ApprovalAnswer,
	request: PairingRequest,
	expected: readonly string[],
): string | null {
	const {requestId} = request;
	if (isUnreadable) return `approving ${requestId} was answered in a way that cannot be read`;
	if (deviceId !== null && request.deviceId !== null && deviceId !== request.deviceId)
		return `approving ${requestId} was answered for another device than the one decided on`;
	return alarmOver(requestId, scopes ?? [], expected);
}

/** The same for an approval whose answer never came: what a later listing shows of its device. Pure. */
export function alarmInListing(
	request: PairingRequest,
	paired: readonly PairedDevice[],
	expected: readonly string[],
): string | null {
	const devices = paired.filter(({deviceId}) => deviceId === request.deviceId);
	if (devices.some(({isUnreadable}) => isUnreadable))
		return `approving ${request.requestId} gave its device what cannot be read`;
	return alarmOver(request.requestId, devices.flatMap(scopesHad), expected);
}

function alarmOver(requestId: string, scopes: readonly string[], expected: readonly string[]): string | null {
	const extra = [...new Set(scopes)].filter(scope => !expected.includes(shortHash(scope)));
	if (extra.length === 0) return null;
	return `approving ${requestId} granted more than was decided: ${printableList(extra).slice(0, 4).join(' ')}`;
}

/** What a device has: its record, and what its live tokens have besides. */
function scopesHad({scopes, tokens}: PairedDevice): readonly string[] {
	return [...scopes, ...tokens.flatMap(token => (token.isRevoked ? [] : token.scopes))];
}
