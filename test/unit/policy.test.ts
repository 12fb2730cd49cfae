import {createHash} from 'node:crypto';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {readRequest} from '../../worker/requests/listing.ts';
import {
	ADMIN_SCOPE,
	type ClientEntry,
	decide,
	grantableScopes,
	isWithin,
	matchingEntry,
	type Policy,
} from '../../worker/requests/policy.ts';
import {defaultPolicy, entryOf, requestOf} from './fixtures.ts';

const scope = fc.constantFrom(
	'operator.read',
	'operator.write',
	'operator.pairing',
	'operator.admin',
	'operator.approvals',
);
const word = fc.constantFrom('cli', 'webchat', 'openclaw-control-ui', 'other', '');
const role = fc.constantFrom('operator', 'node', '');

const entry: fc.Arbitrary<ClientEntry> = fc.record(
	{id: word, mode: word, scopes: fc.array(scope, {maxLength: 4})},
	{requiredKeys: []},
);
const policy: fc.Arbitrary<Policy> = fc.record({
	clients: fc.array(entry, {maxLength: 5}),
	scopes: fc.array(scope, {maxLength: 5}),
	roles: fc.array(role, {maxLength: 2}),
	firstPairing: fc.constantFrom('allow', 'deny'),
	onRefused: fc.constantFrom('hold', 'reject', 'ignore'),
	refusalHold: fc.constant(60_000),
});
const request = fc
	.record({
		clientId: fc.option(word),
		clientMode: fc.option(word),
		role: fc.option(role),
		roles: fc.option(fc.array(role, {maxLength: 3})),
		scopes: fc.option(fc.array(scope, {maxLength: 5})),
	})
	.map(requestOf);

const paired = [{deviceId: 'device-1', publicKey: 'key-1', scopes: [], tokens: []}];
const reasonFor = (change: Parameters<typeof requestOf>[0], by: Policy = defaultPolicy) =>
	decide(requestOf(change), paired, by).reason;

describe('what is granted', () => {
	it('never exceeds the scopes of the first entry that matches, whatever the policy and the request', () => {
		fc.assert(
			fc.property(request, policy, (asked, by) => {
				const decision = decide(asked, paired, by);
				const first = by.clients.find(
					({id, mode}) =>
						(id !== undefined || mode !== undefined) &&
						(id === undefined || id === asked.clientId) &&
						(mode === undefined || mode === asked.clientMode),
				);
				if (!decision.allowed) return;
				expect(first).toBeDefined();
				const grantable = new Set(first?.scopes ?? by.scopes);
				for (const wanted of asked.scopes ?? []) expect(grantable).toContain(wanted);
				for (const as of [asked.role ?? [], asked.roles ?? []].flat()) expect(by.roles).toContain(as);
			}),
			{numRuns: 2000},
		);
	});

	it('never includes operator.admin unless the entry that decides names it', () => {
		fc.assert(
			fc.property(request, policy, (asked, by) => {
				const wish = {...asked, scopes: [...(asked.scopes ?? []), ADMIN_SCOPE]};
				if (!decide(wish, paired, by).allowed) return;
				expect(matchingEntry(wish, by)?.scopes).toContain(ADMIN_SCOPE);
			}),
			{numRuns: 2000},
		);
	});

	it('does not include operator.admin where only the common scopes name it', () => {
		const by = {...defaultPolicy, scopes: [...defaultPolicy.scopes, ADMIN_SCOPE]};
		expect(reasonFor({scopes: [ADMIN_SCOPE]}, by)).toBe('disallowed-scope');
		const named = {...by, clients: [{mode: 'cli', scopes: [ADMIN_SCOPE]}]};
		expect(reasonFor({scopes: [ADMIN_SCOPE]}, named)).toBe('allowed');
	});

	it('never grows when scopes or entries are taken from the policy', () => {
		fc.assert(
			fc.property(request, policy, fc.nat(), (asked, by, index) => {
				const fewerScopes = {...by, scopes: by.scopes.filter((_, at) => at !== index % (by.scopes.length || 1))};
				if (decide(asked, paired, fewerScopes).allowed) expect(decide(asked, paired, by).allowed).toBe(true);
			}),
		);
	});

	it('depends on nothing but its arguments', () => {
		fc.assert(
			fc.property(request, policy, (asked, by) => {
				expect(decide(asked, paired, by)).toEqual(decide(structuredClone(asked), [...paired], structuredClone(by)));
			}),
		);
	});
});

describe('names are compared exactly', () => {
	const variants = [
		' operator.read',
		'operator.read ',
		'operator.read\u0000',
		'operator.read\n',
		'Operator.Read',
		'operator.*',
		'*',
		'',
		'operator.re\u0430d',
		'operator.read,operator.write',
		'operator.read operator.write',
		'operator.re\u200bad',
	];

	it.each(variants)('the scope %j is not operator.read', wish => {
		expect(reasonFor({scopes: [wish]})).toBe('disallowed-scope');
	});

	it.each([' operator', 'operator ', 'OPERATOR', '', 'node'])('the role %j is not operator', wish => {
		expect(reasonFor({role: wish})).toBe('disallowed-role');
		expect(reasonFor({roles: ['operator', wish]})).toBe('disallowed-role');
	});

	it.each([' cli', 'cli ', 'CLI', '', 'cli\u0000'])('the client %j is not cli', wish => {
		expect(reasonFor({clientId: wish, clientMode: wish})).toBe('unknown-client');
	});

	it('a policy with a wildcard grants the wildcard, not what it stands for elsewhere', () => {
		expect(reasonFor({scopes: ['operator.read']}, {...defaultPolicy, scopes: ['*', 'operator.*']})).toBe(
			'disallowed-scope',
		);
	});

	it('names of JavaScript objects are names like others', () => {
		for (const name of ['__proto__', 'constructor', 'toString', 'length']) {
			expect(reasonFor({scopes: [name]})).toBe('disallowed-scope');
			expect(reasonFor({clientId: name, clientMode: name})).toBe('unknown-client');
		}
	});
});

describe('why a request is refused', () => {
	const admin = [ADMIN_SCOPE];
	it.each([
		['it is allowed', {}, 'allowed'],
		['nobody knows the client', {clientId: 'x', clientMode: 'y'}, 'unknown-client'],
		['a client without id and mode is unknown', {clientId: null, clientMode: null}, 'unknown-client'],
		['who asks is blamed before what for', {clientId: 'x', clientMode: 'y', scopes: admin}, 'unknown-client'],
		['one role too many', {roles: ['operator', 'node']}, 'disallowed-role'],
		['the single role counts too', {role: 'node', roles: ['operator']}, 'disallowed-role'],
		['one scope too many', {scopes: ['operator.read', ...admin]}, 'disallowed-scope'],
		['the role is blamed before the scope', {role: 'node', scopes: admin}, 'disallowed-role'],
		['an absent scope list grants nothing new', {scopes: null}, 'allowed'],
		['an empty scope list grants nothing', {scopes: []}, 'allowed'],
		['absent roles are fine', {role: null, roles: null}, 'allowed'],
		['a client is known by its mode alone', {clientId: 'whatever'}, 'allowed'],
		['or by its id alone', {clientId: 'openclaw-control-ui', clientMode: 'odd'}, 'allowed'],
	] as const)('%s', (_, change, reason) => {
		expect(reasonFor(change)).toBe(reason);
	});

	it.each(['requestId', 'deviceId', 'publicKey', 'clientId', 'clientMode', 'role', 'roles', 'scopes'])(
		'a %s of null is malformed, and so is a number',
		field => {
			for (const value of [null, 7, {}, [1], [null]]) {
				expect(decide(readRequest(entryOf({[field]: value})), paired, defaultPolicy).reason).toBe('malformed');
			}
		},
	);

	it('scopes as one string are malformed', () => {
		expect(decide(readRequest(entryOf({scopes: 'operator.write'})), paired, defaultPolicy).reason).toBe('malformed');
	});

	it('only the request id is required', () => {
		const bare = readRequest({requestId: 'r1', clientMode: 'cli'});
		expect(decide(bare, [], defaultPolicy)).toEqual({allowed: true, reason: 'allowed'});
	});
});

describe('the first entry that matches decides', () => {
	it('a narrow entry before a wide one narrows', () => {
		const by = {...defaultPolicy, clients: [{mode: 'cli', scopes: ['operator.pairing']}, {mode: 'cli'}]};
		expect(reasonFor({}, by)).toBe('disallowed-scope');
		expect(reasonFor({}, {...by, clients: by.clients.toReversed()})).toBe('allowed');
	});

	it('an entry matches only when all that it names agrees', () => {
		const by = {...defaultPolicy, clients: [{id: 'cli', mode: 'webchat'}]};
		expect(reasonFor({}, by)).toBe('unknown-client');
		expect(reasonFor({clientMode: 'webchat'}, by)).toBe('allowed');
	});

	it('an entry that names nobody matches nobody', () => {
		expect(reasonFor({}, {...defaultPolicy, clients: [{}, {scopes: [ADMIN_SCOPE]}]})).toBe('unknown-client');
	});

	it('an entry with an empty list of its own grants no scope', () => {
		expect(grantableScopes({mode: 'cli', scopes: []}, defaultPolicy)).toEqual([]);
	});
});

describe('a first pairing that is denied', () => {
	const deny = {...defaultPolicy, firstPairing: 'deny'} as const;
	const raw = Buffer.from('a public key of 32 bytes, nearly');
	const publicKey = raw.toString('base64url');
	const deviceId = createHash('sha256').update(raw).digest('hex');

	it('is a request of a device that is not paired', () => {
		expect(decide(requestOf(), [], deny).reason).toBe('first-pairing');
		expect(decide(requestOf(), paired, deny).reason).toBe('allowed');
	});

	it('is a request with another key under a paired id', () => {
		expect(decide(requestOf({publicKey: 'key-2'}), paired, deny).reason).toBe('first-pairing');
		expect(decide(requestOf({publicKey: null}), paired, deny).reason).toBe('first-pairing');
	});

	it('is a request without a device', () => {
		expect(decide(requestOf({deviceId: null}), paired, deny).reason).toBe('first-pairing');
	});

	it('is told by the hash of the key where the listing shows no key', () => {
		const known = [{deviceId, publicKey: null, scopes: [], tokens: []}];
		expect(decide(requestOf({deviceId, publicKey}), known, deny).reason).toBe('allowed');
		expect(decide(requestOf({deviceId, publicKey: 'other'}), known, deny).reason).toBe('first-pairing');
		const unhashed = [{deviceId: 'device-1', publicKey: null, scopes: [], tokens: []}];
		expect(decide(requestOf(), unhashed, deny).reason).toBe('first-pairing');
	});

	it('is not blamed before a scope that is not to be had', () => {
		expect(decide(requestOf({scopes: [ADMIN_SCOPE]}), [], deny).reason).toBe('disallowed-scope');
	});
});

it('being within is being a subset', () => {
	fc.assert(
		fc.property(fc.array(scope), fc.array(scope), (part, whole) => {
			expect(isWithin(part, whole)).toBe(new Set([...whole, ...part]).size === new Set(whole).size);
		}),
	);
});
