import {type ClientEntry, grantableScopes, type Policy} from '../../worker/requests/policy.ts';

/** A key of a sandbox's policy that would grant more than the default, and how. */
export interface Widening {
	readonly path: readonly (string | number)[];
	readonly problem: string;
}

/**
 * Where a sandbox's `policy` would allow what the default one, `standard`, does not. `named` holds the keys that the sandbox has itself:
 * clients that it has from the default policy are not compared with themselves.
 */
export function wideningsOf(policy: Policy, standard: Policy, named: Partial<Policy>): readonly Widening[] {
	const widenings: Widening[] = [];
	const extraRoles = policy.roles.filter(role => !standard.roles.includes(role));
	if (extraRoles.length > 0)
		widenings.push({path: ['roles'], problem: `${extraRoles.join(', ')} is not in the default policy's roles`});
	const extraScopes = policy.scopes.filter(scope => !standard.scopes.includes(scope));
	if (extraScopes.length > 0)
		widenings.push({path: ['scopes'], problem: `${extraScopes.join(', ')} is not in the default policy's scopes`});
	if (policy.firstPairing === 'allow' && standard.firstPairing === 'deny') {
		widenings.push({path: ['firstPairing'], problem: 'allow is wider than the default policy, which denies it'});
	}
	if (!named.clients) return widenings;
	for (const [index, entry] of policy.clients.entries()) {
		const problem = clientWidening(entry, policy, standard);
		if (problem !== null) widenings.push({path: ['clients', index], problem});
	}
	return widenings;
}

/**
 * What `entry` grants beyond the default policy, or `null`. In a policy the first entry that matches a client decides, and an entry without
 * an id or a mode stands for many clients, for which different default entries may decide. So each default entry that matches some of them
 * must grant at least as much, down to the first that matches them all.
 */
function clientWidening(entry: ClientEntry, policy: Policy, standard: Policy): string | null {
	const scopes = grantableScopes(entry, policy);
	for (const other of standard.clients) {
		if (!overlaps(entry, other)) continue;
		const missing = scopes.filter(scope => !grantableScopes(other, standard).includes(scope));
		if (missing.length > 0) return `the default policy does not grant ${missing.join(', ')} to this client`;
		if (covers(other, entry)) return null;
	}
	return 'the default policy does not allow this client';
}

/** Whether some client matches both. */
function overlaps(a: ClientEntry, b: ClientEntry): boolean {
	return (a.id ?? b.id) === (b.id ?? a.id) && (a.mode ?? b.mode) === (b.mode ?? a.mode);
}

/** Whether every client that matches `inner` matches `outer`. */
function covers(outer: ClientEntry, inner: ClientEntry): boolean {
	return (outer.id === undefined || outer.id === inner.id) && (outer.mode === undefined || outer.mode === inner.mode);
}
