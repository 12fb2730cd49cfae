import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {wideningsOf} from '../../supervisor/config/narrowing.ts';
import {type ClientEntry, decide, type Policy} from '../../worker/requests/policy.ts';
import {defaultPolicy, requestOf} from './fixtures.ts';

const word = fc.constantFrom('cli', 'webchat', 'ui');
const scope = fc.constantFrom('operator.read', 'operator.write', 'operator.admin');
const scopes = fc.uniqueArray(scope, {maxLength: 3});
const named = fc.record({id: word, mode: word, scopes}, {requiredKeys: []});
const entry: fc.Arbitrary<ClientEntry> = named.filter(({id, mode}) => id !== undefined || mode !== undefined);
const keys = {
	clients: fc.array(entry, {maxLength: 4}),
	scopes,
	roles: fc.uniqueArray(fc.constantFrom('operator', 'node'), {maxLength: 2}),
	firstPairing: fc.constantFrom<'allow' | 'deny'>('allow', 'deny'),
};
const standard: fc.Arbitrary<Policy> = fc
	.record(keys)
	.map(policy => ({...policy, onRefused: 'hold' as const, refusalHold: 0}));
const change: fc.Arbitrary<Partial<Policy>> = fc.record(keys, {requiredKeys: []});
const request = fc
	.record({clientId: fc.option(word), clientMode: fc.option(word), roles: keys.roles, scopes})
	.map(asked => requestOf({...asked, role: null}));

const widenings = (own: Partial<Policy>, by: Policy = defaultPolicy) =>
	wideningsOf({...by, ...own}, by, own).map(({path, problem}) => `${path.join('.')}: ${problem}`);

describe("a sandbox's own policy", () => {
	it('that is accepted allows nothing that the default does not', () => {
		const paired = [{deviceId: 'device-1', publicKey: 'key-1', scopes: [], tokens: []}];
		fc.assert(
			fc.property(
				standard,
				change,
				fc.array(request, {minLength: 5, maxLength: 20}),
				fc.boolean(),
				(by, own, asked, isPaired) => {
					const policy = {...by, ...own};
					fc.pre(wideningsOf(policy, by, own).length === 0);
					const known = isPaired ? paired : [];
					for (const each of asked)
						if (decide(each, known, policy).allowed) expect(decide(each, known, by).allowed).toBe(true);
				},
			),
			{numRuns: 2000, maxSkipsPerRun: 1000},
		);
	}, 60_000);

	it('may be the default itself, whatever that is', () => {
		fc.assert(
			fc.property(standard, by => {
				expect(wideningsOf(by, by, {})).toEqual([]);
			}),
		);
	});

	it.each<[string, Partial<Policy>]>([
		['fewer scopes', {scopes: ['operator.read']}],
		['no scopes', {scopes: []}],
		['fewer clients', {clients: [{mode: 'cli'}]}],
		['no clients', {clients: []}],
		[
			'a client named more closely',
			{
				clients: [
					{id: 'openclaw-control-ui', mode: 'webchat'},
					{id: 'x', mode: 'cli'},
				],
			},
		],
		['a client with fewer scopes', {clients: [{mode: 'cli', scopes: ['operator.read']}]}],
		['no first pairings', {firstPairing: 'deny'}],
		['another way with refusals', {onRefused: 'reject', refusalHold: 0}],
	])('may have %s', (_, own) => {
		expect(widenings(own)).toEqual([]);
	});

	it.each<[Partial<Policy>, string]>([
		[{scopes: ['operator.read', 'operator.admin']}, "scopes: operator.admin is not in the default policy's scopes"],
		[{roles: ['operator', 'node']}, "roles: node is not in the default policy's roles"],
		[{clients: [{mode: 'node'}]}, 'clients.0: the default policy does not allow this client'],
		[{clients: [{id: 'cli'}]}, 'clients.0: the default policy does not allow this client'],
		[
			{clients: [{mode: 'cli'}, {mode: 'cli', scopes: ['operator.admin']}]},
			'clients.1: the default policy does not grant operator.admin to this client',
		],
	])('may not be %j', (own, problem) => {
		expect(widenings(own)).toEqual([problem]);
	});

	it('may not allow first pairings that the default denies', () => {
		const by = {...defaultPolicy, firstPairing: 'deny' as const};
		expect(widenings({firstPairing: 'allow'}, by)).toEqual([
			'firstPairing: allow is wider than the default policy, which denies it',
		]);
	});

	it('may not slip past a narrow entry of the default that decides before a wide one', () => {
		const by = {...defaultPolicy, clients: [{id: 'ui', scopes: ['operator.read']}, {mode: 'webchat'}]};
		expect(widenings({clients: [{mode: 'webchat'}]}, by)).toEqual([
			'clients.0: the default policy does not grant operator.pairing, operator.write to this client',
		]);
	});

	it('may give a client operator.admin only where the default names it for that client', () => {
		const by = {...defaultPolicy, clients: [{id: 'ui', scopes: ['operator.admin']}, ...defaultPolicy.clients]};
		expect(widenings({clients: [{id: 'ui', scopes: ['operator.admin']}]}, by)).toEqual([]);
		expect(widenings({clients: [{mode: 'cli', scopes: ['operator.admin']}]}, by)).not.toEqual([]);
	});
});
