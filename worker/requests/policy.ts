import {createHash} from 'node:crypto';
import {printable, printableList} from '../text.ts';
import {givesOf, isRevoked, namedRoles} from './gives.ts';
import type {ClientEntry, Policy, RefusalReason} from './policy-schema.ts';
import type {MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

export type {ClientEntry, Policy, RefusalReason} from './policy-schema.ts';

/** The scope that is granted only where a client entry names it. */
export const ADMIN_SCOPE = 'operator.admin';

/** The scope that lets a client of the gateway see and settle pairing requests (OpenClaw: docs/gateway/operator-scopes.md). */
export const PAIRING_SCOPE = 'operator.pairing';

/** What the policy says of a request. */
export type Verdict =
	| {readonly allowed: true; readonly reason: 'allowed'}
	| {readonly allowed: false; readonly reason: RefusalReason};

const allowed: Verdict = {allowed: true, reason: 'allowed'};
const refuse = (reason: RefusalReason): Verdict => ({allowed: false, reason});

/**
 * Whether `request` may be approved. Pure. What is judged is what the approval would give, which may be more than is asked for. Scopes and roles are
 * compared exactly; an absent list asks for nothing. `isRemoved`: it asks for what a person has removed.
 * The reason is that of the first check that fails; they go from who asks to what for, since a client that is not listed needs no other remedy.
 */
export function decide(
	request: PairingRequest | MalformedRequest,
	paired: readonly PairedDevice[],
	policy: Policy,
	isRemoved = false,
): Verdict {
	if (request.kind === 'malformed') return refuse('malformed');
	const entry = matchingEntry(request, policy);
	if (!entry) return refuse('unknown-client');
	// A person took it away, and a person gives it back, whatever is asked for.
	if (isRemoved || isRevoked(request, paired)) return refuse('revoked');
	const gives = givesOf(request, paired);
	if (gives === null) return refuse('malformed');
	if (!isWithin(namedRoles(request), policy.roles)) return refuse('disallowed-role');
	if (!isWithin([...(request.scopes ?? []), ...gives], grantableScopes(entry, policy)))
		return refuse('disallowed-scope');
	if (policy.firstPairing === 'deny' && !isKnownDevice(request, paired)) return refuse('first-pairing');
	return allowed;
}

/** The first entry that matches decides, so that a narrow entry can stand before a wide one. */
export function matchingEntry(
	request: Pick<PairingRequest, 'clientId' | 'clientMode'>,
	policy: Pick<Policy, 'clients'>,
): ClientEntry | undefined {
	return policy.clients.find(
		entry =>
			(entry.id !== undefined || entry.mode !== undefined) &&
			(entry.id === undefined || entry.id === request.clientId) &&
			(entry.mode === undefined || entry.mode === request.clientMode),
	);
}

/** What a client of this entry may be granted: its own list, else the policy's without `operator.admin`, which must be named client by client. */
export function grantableScopes(entry: ClientEntry, policy: Pick<Policy, 'scopes'>): readonly string[] {
	return entry.scopes ?? policy.scopes.filter(scope => scope !== ADMIN_SCOPE);
}

/** Every element of `part` is one of `whole`. */
export function isWithin(part: readonly string[], whole: readonly string[]): boolean {
	return part.every(item => whole.includes(item));
}

/** A paired device with the same id and key. Where the listing shows no key, the id is the key's hash (OpenClaw: docs/gateway/protocol). */
function isKnownDevice(request: PairingRequest, paired: readonly PairedDevice[]): boolean {
	const device = paired.find(({deviceId}) => deviceId === request.deviceId);
	if (!device || request.publicKey === null) return false;
	if (device.publicKey !== null) return device.publicKey === request.publicKey;
	const raw = Buffer.from(request.publicKey, 'base64url');
	return createHash('sha256').update(raw).digest('hex') === device.deviceId;
}

/** Tells a person how to let one client have `operator.admin`, and what that opens. */
export function adminRemedy(id: string, scopes: readonly string[]): string {
	return `if this client is to have ${ADMIN_SCOPE}, name it in the configuration, before other entries that match: policy.clients: [{id: ${printable(id, 64)}, scopes: [${printableList(scopes).join(', ')}]}, …]; client ids are self-asserted, so any client that knows the gateway's token can use this one`;
}
