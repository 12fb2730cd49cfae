import {OPERATOR, OPERATOR_SCOPE, rolesOf} from './gives.ts';
import {ADMIN_SCOPE} from './policy.ts';
import type {PairedDevice, PairingRequest} from './request.ts';

/**
 * The scopes that a gateway wants whoever approves this request to have (OpenClaw: docs/gateway/operator-scopes.md, and seen on 2026.5.27 and 2026.9.6): those that
 * are asked for and those that the device's new token takes over, from its tokens and its record; `operator.admin` for a role other than operator. Pure.
 */
export function approverScopes(request: PairingRequest, paired: readonly PairedDevice[]): readonly string[] {
	const {deviceId, scopes} = request;
	const roles = rolesOf(request);
	const devices = paired.filter(device => device.deviceId === deviceId);
	const tokens = devices.flatMap(device => device.tokens).filter(token => token.role === OPERATOR);
	const kept = [...tokens, ...devices].flatMap(each => each.scopes);
	return [
		...new Set([
			...(scopes ?? []).filter(scope => OPERATOR_SCOPE.test(scope)),
			...(roles.includes(OPERATOR) ? kept.filter(scope => OPERATOR_SCOPE.test(scope)) : []),
			...(roles.some(role => role !== OPERATOR) ? [ADMIN_SCOPE] : []),
		]),
	];
}

/** Whether whoever has the scopes `had` may hand on `scope`: OpenClaw takes admin for every scope of operators, and write for read. Pure. */
export function isCoveredBy(had: readonly string[], scope: string): boolean {
	if (had.includes(scope)) return true;
	if (had.includes(ADMIN_SCOPE) && OPERATOR_SCOPE.test(scope)) return true;
	return scope === 'operator.read' && had.includes('operator.write');
}
