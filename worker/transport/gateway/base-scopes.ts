import {grantableScopes, PAIRING_SCOPE, type Policy} from '../../requests/policy.ts';

/** What a connection that lasts may ask for, besides the right to approve. */
const LASTING = ['operator.read', 'operator.write'];

/**
 * What the connection that lasts asks for: the right to see and settle requests, and of read and write what the policy lets any client have. So the gateway itself
 * refuses to grant more over it, and nothing inside the sandbox finds an approver of other things waiting. Pure.
 */
export function baseScopes(policy: Policy): readonly string[] {
	const granted = policy.clients.flatMap(entry => grantableScopes(entry, policy));
	return [PAIRING_SCOPE, ...LASTING.filter(scope => granted.includes(scope))];
}
