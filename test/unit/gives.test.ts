import {describe, expect, it} from 'vitest';
import {digestOf, givesOf} from '../../worker/requests/gives.ts';
import {decide, type Policy} from '../../worker/requests/policy.ts';
import type {PairedDevice} from '../../worker/requests/request.ts';
import {defaultPolicy, listingOf, requestOf} from './fixtures.ts';

const admin = 'operator.admin';
const live = (role: string, ...scopes: string[]) => ({role, scopes});
const revoked = (role: string, ...scopes: string[]) => ({role, scopes, revokedAtMs: 7});

/** The device of {@link requestOf}, paired with these. */
function pairedWith(scopes: readonly string[], ...tokens: readonly unknown[]): readonly PairedDevice[] {
	return listingOf([], [{deviceId: 'device-1', publicKey: 'key-1', scopes, tokens}]).paired;
}

describe('what an approval gives', () => {
	it.each([
		['a device that is not paired, what it asks for', [], ['operator.read'], ['operator.read']],
		['a device that asks for nothing, nothing', [], [], []],
		['what a live token has is kept, not given', pairedWith([admin], live('operator', admin)), [], []],
		[
			'what a live token lacks',
			pairedWith([admin], live('operator', 'operator.read')),
			['operator.read', 'operator.write'],
			['operator.write'],
		],
		['what a revoked token had', pairedWith([], revoked('operator', admin)), [], [admin]],
		['what the record has, where there is no token', pairedWith([admin]), [], [admin]],
		['what the record has, where only another role has a live token', pairedWith([admin], live('node')), [], [admin]],
		['no scopes of other roles', pairedWith(['node.run', 'operator.read']), [], ['operator.read']],
	])('%s', (_, paired, scopes, gives) => {
		expect(givesOf(requestOf({scopes}), paired)).toEqual(gives);
		expect(givesOf(requestOf({scopes, role: null, roles: null}), paired)).toEqual(gives);
	});

	it('counts each role that is asked for, and each entry under the same id', () => {
		const paired = [...pairedWith(['node.run', admin], live('operator')), ...pairedWith(['node.more'])];
		const request = requestOf({scopes: [], roles: ['operator', 'node']});
		expect(givesOf(request, paired)).toEqual(['node.run', 'node.more']);
	});

	it.each([
		['scopes that are no list', {scopes: 'all'}],
		['scopes of null', {scopes: null}],
		['tokens that are no list', {tokens: {}}],
		['a token without a role', {tokens: [{scopes: [admin]}]}],
		['a token with odd scopes', {tokens: [{role: 'operator', scopes: [7]}]}],
		['too many tokens', {tokens: Array.from({length: 33}, () => live('operator'))}],
	])('is not to be said of a device with %s: it is refused', (_, change) => {
		const {paired} = listingOf([], [{deviceId: 'device-1', publicKey: 'key-1', ...change}]);
		expect(givesOf(requestOf(), paired)).toBeNull();
		expect(decide(requestOf(), paired, defaultPolicy).reason).toBe('malformed');
	});

	it('is found of a device behind a crowd of others', () => {
		const crowd = Array.from({length: 5000}, (_, index) => ({deviceId: `d${index}`}));
		const {kind: _, ts: __, ...entry} = requestOf({scopes: []});
		const device = {deviceId: 'device-1', tokens: [revoked('operator', admin)]};
		const {paired} = listingOf([entry], [...crowd, device]);
		expect(givesOf(requestOf({scopes: []}), paired)).toEqual([admin]);
	});
});

describe('a request is judged by what it would give', () => {
	it.each([
		[
			'it asks for nothing and would get administrator rights again',
			{scopes: []},
			pairedWith([admin]),
			'disallowed-scope',
		],
		['the same with no list at all', {scopes: null}, pairedWith([admin]), 'disallowed-scope'],
		['its live token keeps what it has', {scopes: []}, pairedWith([admin], live('operator', admin)), 'allowed'],
		['its token was revoked', {scopes: []}, pairedWith([admin], revoked('operator', admin)), 'revoked'],
		['its token was revoked, whatever it had', {}, pairedWith([], revoked('operator')), 'revoked'],
		['no role named means operator', {role: null, roles: null}, pairedWith([], revoked('operator')), 'revoked'],
		[
			'one of its roles was revoked',
			{roles: ['operator', 'node']},
			pairedWith([], live('operator'), revoked('node')),
			'revoked',
		],
		['another role was revoked', {}, pairedWith([], live('operator'), revoked('node')), 'allowed'],
		[
			'it is refused as revoked before what it asks for',
			{scopes: [admin]},
			pairedWith([], revoked('operator')),
			'revoked',
		],
		['another key under the id changes nothing', {publicKey: 'key-2'}, pairedWith([], revoked('operator')), 'revoked'],
		[
			'who asks is blamed first',
			{clientId: 'x', clientMode: 'x'},
			pairedWith([], revoked('operator')),
			'unknown-client',
		],
	] as const)('%s', (_, change, paired, reason) => {
		expect(decide(requestOf(change), paired, defaultPolicy).reason).toBe(reason);
	});

	it('a device that a person has removed is revoked, and a new key is a new device', () => {
		expect(decide(requestOf(), [], defaultPolicy, true).reason).toBe('revoked');
		expect(decide(requestOf({deviceId: 'device-2'}), [], defaultPolicy).reason).toBe('allowed');
	});
});

describe('a digest', () => {
	it('is another one when anything is that a person decides by', () => {
		const changes = [
			{},
			{deviceId: 'device-2'},
			{publicKey: 'key-2'},
			{clientId: 'x'},
			{clientMode: 'x'},
			{role: null},
			{roles: []},
			{scopes: []},
			{scopes: null},
		];
		const digests = [
			...changes.map(change => digestOf(requestOf(change), [])),
			digestOf(requestOf(), pairedWith([admin])),
		];
		expect(new Set(digests).size).toBe(digests.length);
		for (const digest of digests) expect(digest).toMatch(/^[A-Za-z0-9_-]{16}$/);
	});

	it('does not depend on the id or the age of the request', () => {
		expect(digestOf(requestOf({requestId: 'r2', ts: 7}), [])).toBe(digestOf(requestOf(), []));
	});
});

it('of a million requests none is allowed that would give what its client may not have', () => {
	const next = randomFrom(20_261_125);
	const pick = <T>(items: readonly T[]): T => items[next() % items.length] as T;
	const scopes = [
		'operator.read',
		'operator.write',
		'operator.pairing',
		admin,
		'operator.approvals',
		'node.run',
		'*',
		'',
	];
	const some = <T>(items: readonly T[], most: number) => Array.from({length: next() % (most + 1)}, () => pick(items));
	const names = ['cli', 'webchat', 'openclaw-control-ui', 'other', 'constructor', null];
	const roles = ['operator', 'node', ''];
	const policies: readonly Policy[] = Array.from({length: 64}, () => ({
		...defaultPolicy,
		clients: some([{id: 'cli'}, {mode: 'cli'}, {mode: 'webchat', scopes: some(scopes, 3)}, {id: 'other'}], 3),
		scopes: some(scopes, 4),
		roles: some(roles, 2),
		firstPairing: pick(['allow', 'deny'] as const),
	}));
	// What is put together a million times is made before: the time is for deciding.
	const many = <T>(make: () => T): T[] => Array.from({length: 256}, make);
	const scopeLists = [null, ...many(() => some(scopes, 2))];
	const roleLists = [null, ...many(() => some(roles, 2))];
	const token = () => ({role: pick(roles), scopes: some(scopes, 2), isRevoked: next() % 4 === 0});
	const device = () => ({
		deviceId: 'device-1',
		publicKey: pick(['key-1', 'key-2']),
		scopes: some(scopes, 2),
		tokens: Array.from({length: next() % 3}, token),
	});
	const listings = many(() => (next() % 2 === 0 ? [] : [device()]));
	let allowed = 0;
	for (let count = 0; count < 1_000_000; count++) {
		const policy = pick(policies);
		const request = requestOf({
			clientId: pick(names),
			clientMode: pick(names),
			role: pick([...roles, null]),
			roles: pick(roleLists),
			scopes: pick(scopeLists),
		});
		const paired = pick(listings);
		if (!decide(request, paired, policy).allowed) continue;
		allowed++;
		// Said again, in other words: what OpenClaw's own approval would put into the device's tokens that is not there now.
		const entry = policy.clients.find(
			({id, mode}) =>
				(id === undefined || id === request.clientId) && (mode === undefined || mode === request.clientMode),
		);
		const may = new Set(entry?.scopes ?? policy.scopes.filter(scope => scope !== admin));
		const named = [...(request.role === null ? [] : [request.role]), ...(request.roles ?? [])];
		const gets = [...(request.scopes ?? [])];
		for (const role of named.length === 0 ? ['operator'] : named) {
			const known = paired.flatMap(each => each.tokens.filter(each => each.role === role));
			if (known.some(({isRevoked}) => isRevoked)) expect.fail('what was revoked is allowed');
			const record = paired.flatMap(each => each.scopes);
			if (known.length === 0)
				gets.push(...record.filter(scope => scope.startsWith('operator.') === (role === 'operator')));
		}
		if (!entry || !gets.every(scope => may.has(scope)) || !named.every(role => policy.roles.includes(role)))
			expect.fail(JSON.stringify({request, paired, policy}));
	}
	expect(allowed).toBeGreaterThan(5000);
}, 60_000);

/** Whole numbers from a seed (mulberry32): fast, and the same each time. */
function randomFrom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return (mixed ^ (mixed >>> 14)) >>> 0;
	};
}
