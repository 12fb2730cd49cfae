import {createHash} from 'node:crypto';
import type {MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

/** The role of a request that names none, and the only one whose scopes an approver hands on. */
export const OPERATOR = 'operator';

/** The scopes of operators, and of nobody else (OpenClaw: docs/gateway/operator-scopes.md). */
export const OPERATOR_SCOPE = /^operator\./;

/** The roles that a request names. */
export function namedRoles({role, roles}: Pick<PairingRequest, 'role' | 'roles'>): readonly string[] {
	return [...new Set([...(role === null ? [] : [role]), ...(roles ?? [])])];
}

/** The roles that a request is for. */
export function rolesOf(request: Pick<PairingRequest, 'role' | 'roles'>): readonly string[] {
	const named = namedRoles(request);
	return named.length === 0 ? [OPERATOR] : named;
}

/**
 * The scopes that the device would newly have once this is approved, or `null` where the device is listed in a way that nobody can say. That is what is
 * asked for; and for a role of which the device has no live token, what its revoked token and its record have too, since OpenClaw copies those into the
 * new token (seen on 2026.9.6: a device whose token was revoked asks for nothing, and gets all of it back). What a live token has is kept, not given. Pure.
 */
export function givesOf(request: PairingRequest, paired: readonly PairedDevice[]): readonly string[] | null {
	const devices = entriesOf(request, paired);
	if (devices.some(({isUnreadable}) => isUnreadable)) return null;
	const live = devices.flatMap(({tokens}) => tokens.filter(({isRevoked}) => !isRevoked));
	const roles = rolesOf(request);
	const revived = roles.flatMap(role => {
		if (live.some(token => token.role === role)) return [];
		const tokens = devices.flatMap(device => device.tokens.filter(token => token.role === role));
		const copied = [...tokens, ...devices].flatMap(({scopes}) => scopes);
		return copied.filter(scope => OPERATOR_SCOPE.test(scope) === (role === OPERATOR));
	});
	const kept = live.flatMap(({role, scopes}) => (roles.includes(role) ? scopes : []));
	const asked = (request.scopes ?? []).filter(scope => !kept.includes(scope));
	return [...new Set([...asked, ...revived])];
}

/** Whether a person took away a token for one of the roles that are asked for. Of a request that cannot be read, any role may be meant. Pure. */
export function isRevoked(request: PairingRequest | MalformedRequest, paired: readonly PairedDevice[]): boolean {
	const revoked = entriesOf(request, paired).flatMap(({tokens}) => tokens.filter(token => token.isRevoked));
	if (request.kind === 'malformed') return revoked.length > 0;
	const roles = rolesOf(request);
	return revoked.some(({role}) => roles.includes(role));
}

/**
 * Names what a person has seen of a request: who asks, by which key, for what, and what it would give. Another digest means that it is another request,
 * or would give something else. Pure.
 */
export function digestOf(request: PairingRequest | MalformedRequest, paired: readonly PairedDevice[]): string {
	const {deviceId, clientId, clientMode, scopes} = request;
	const who = [deviceId, clientId, clientMode, scopes];
	const parts =
		request.kind === 'malformed'
			? ['malformed', request.key, ...who]
			: [request.publicKey, request.role, request.roles, givesOf(request, paired)?.toSorted() ?? null, ...who];
	return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16);
}

/** The device as it is listed. A hostile gateway may list it more than once, so all of them count. */
function entriesOf(
	{deviceId}: Pick<PairingRequest, 'deviceId'>,
	paired: readonly PairedDevice[],
): readonly PairedDevice[] {
	return paired.filter(device => device.deviceId === deviceId);
}
