import fc from 'fast-check';
import {describe, expect, it, test} from 'vitest';
import {approverScopes, isCoveredBy} from '../../worker/requests/approver-scopes.ts';
import {baseScopes} from '../../worker/transport/gateway/base-scopes.ts';
import {defaultPolicy, listingOf, requestOf} from './fixtures.ts';

const [read, write, approvals, pairing, admin] = [
	'operator.read',
	'operator.write',
	'operator.approvals',
	'operator.pairing',
	'operator.admin',
];

/** What has to be had to approve this ask of a device that the gateway lists like this. */
const needs = (change: Parameters<typeof requestOf>[0], device?: object) =>
	[
		...approverScopes(requestOf(change), listingOf([], device ? [{deviceId: 'device-1', ...device}] : []).paired),
	].sort();

describe('whoever approves needs', () => {
	test.for<[string, Parameters<typeof requestOf>[0], object | undefined, string[]]>([
		['what a new device asks for', {scopes: [read, write]}, undefined, [read, write]],
		['nothing where nothing is asked for', {scopes: null}, undefined, []],
		[
			'what the device has as well',
			{scopes: [write]},
			{scopes: [approvals], tokens: [{role: 'operator', scopes: [approvals, read]}]},
			[approvals, read, write],
		],
		[
			'what a revoked token had, since the new one takes it over',
			{scopes: []},
			{scopes: [admin], tokens: [{role: 'operator', scopes: [read], revokedAtMs: 1}]},
			[admin, read],
		],
		[
			'nothing of what another role has',
			{scopes: [read]},
			{scopes: [], tokens: [{role: 'node', scopes: [write]}]},
			[read],
		],
		['the same where no role is named', {role: null, roles: null, scopes: []}, {scopes: [approvals]}, [approvals]],
		[
			'to be an administrator for another role',
			{role: 'node', roles: ['node'], scopes: ['node.x']},
			{scopes: [read]},
			[admin],
		],
		['both for both roles', {role: 'operator', roles: ['node'], scopes: [read]}, undefined, [admin, read]],
		['nothing that is no scope of operators', {scopes: [read, 'x.y']}, {scopes: ['node.x']}, [read]],
		['nothing of what another device has', {deviceId: 'device-2', scopes: [read]}, {scopes: [admin]}, [read]],
	])('%s', ([, change, device, expected]) => {
		expect(needs(change, device)).toEqual([...expected].sort());
	});
});

it('admin covers every scope of operators, write covers read, and nothing else covers another', () => {
	const scope = fc.constantFrom(read, write, approvals, pairing, admin, 'x.y');
	fc.assert(
		fc.property(fc.array(scope), scope, (had, wanted) => {
			const isImplied = (had.includes(admin) && wanted !== 'x.y') || (wanted === read && had.includes(write));
			expect(isCoveredBy(had, wanted)).toBe(had.includes(wanted) || isImplied);
		}),
	);
});

describe('the connection that lasts asks for', () => {
	it('pairing, and of read and write what the policy lets anybody have', () => {
		expect(baseScopes(defaultPolicy)).toEqual([pairing, read, write]);
		expect(baseScopes({...defaultPolicy, scopes: [read]})).toEqual([pairing, read]);
		expect(baseScopes({...defaultPolicy, scopes: [], clients: [{mode: 'cli', scopes: [write]}]})).toEqual([
			pairing,
			write,
		]);
	});

	it('never for anything else, whatever the policy has', () => {
		const scopes = fc.array(fc.constantFrom(read, write, approvals, pairing, admin, 'x.y'));
		const clients = fc.array(fc.record({mode: fc.constant('cli'), scopes}));
		fc.assert(
			fc.property(scopes, clients, (common, entries) => {
				const asked = baseScopes({...defaultPolicy, scopes: common, clients: entries});
				expect([pairing, read, write]).toEqual(expect.arrayContaining([...asked]));
			}),
		);
	});
});
