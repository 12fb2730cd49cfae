import {describe, expect, it} from 'vitest';
import {Ledger} from '../../worker/requests/ledger.ts';
import {defaultPolicy, entryOf, listingOf, MINUTE, SECOND} from './fixtures.ts';

/** A device that 2026.9.6 let in by itself, an hour after the epoch. */
const silent = (deviceId: string, change: object = {}) => ({
	deviceId,
	publicKey: 'key-1',
	clientId: 'cli',
	clientMode: 'cli',
	createdAtMs: 60 * MINUTE,
	approvedAtMs: 60 * MINUTE,
	approvedVia: 'silent',
	connected: false,
	...change,
});
const later = (deviceId: string, ms: number, change: object = {}) =>
	silent(deviceId, {createdAtMs: 60 * MINUTE + ms, approvedAtMs: 60 * MINUTE + ms, ...change});

/** What becomes of the ask of `device-1`, which one look still shows, and the next does not. */
function asksAgain(before: readonly object[], after: readonly object[], connection: number | null = 1): string[] {
	const ledger = new Ledger(defaultPolicy, 30 * SECOND);
	ledger.plan(listingOf([], [...before, silent('other', {clientId: 'other'})]), 0, connection);
	const paired = [...after, silent('other', {clientId: 'other'})];
	ledger.plan(listingOf([], paired), SECOND, connection);
	const {steps} = ledger.plan(listingOf([entryOf()], paired), 2 * SECOND, connection);
	return steps.map(step => (step.kind === 'refuse' ? step.reason : step.kind));
}

describe('a device that OpenClaw has taken away for a newer one of its client', () => {
	it.each([
		['over one connection', 1],
		['by the CLI', null],
	])('is as any other that is new, %s', (_, connection) => {
		expect(asksAgain([silent('device-1')], [later('new', MINUTE)], connection)).toEqual(['approve']);
	});

	it.each([
		['another one was connected', [silent('device-1')], [silent('idle', {connected: true}), later('new', MINUTE)]],
		['another one was let in a moment ago', [silent('device-1')], [later('young', 1), later('new', MINUTE)]],
		['names differ in case', [silent('device-1', {displayName: ' Me'})], [later('new', MINUTE, {displayName: 'me'})]],
	])('is new where %s', (_, before, after) => {
		expect(asksAgain(before, after)).toEqual(['approve']);
	});

	it('is not counted among those that a person removed', () => {
		const ledger = new Ledger(defaultPolicy, 30 * SECOND);
		for (let index = 0; index < 1000; index++)
			ledger.plan(listingOf([], [later(`device-${index}`, index * MINUTE)]), index * MINUTE, 1);
		expect([ledger.state.removed, ledger.blocked(1000 * MINUTE)]).toEqual([[], null]);
	});
});

describe('a device that a person may have removed stays removed', () => {
	it.each([
		['no other was let in since', [silent('device-1')], []],
		['the newer one was there before', [silent('device-1'), later('new', MINUTE)], [later('new', MINUTE)]],
		[
			'the newer one was there before and let in anew, as it is when its metadata change',
			[silent('device-1'), silent('known')],
			[later('known', MINUTE, {createdAtMs: 60 * MINUTE})],
		],
		['it was connected', [silent('device-1', {connected: true})], [later('new', MINUTE)]],
		['it had been let in less than a minute before', [silent('device-1')], [later('new', MINUTE - 1)]],
		['somebody had approved it', [silent('device-1', {approvedVia: 'owner'})], [later('new', MINUTE)]],
		['somebody approved the newer one', [silent('device-1')], [later('new', MINUTE, {approvedVia: 'owner'})]],
		['the newer one is of another client', [silent('device-1')], [later('new', MINUTE, {clientMode: 'webchat'})]],
		['the newer one has another name', [silent('device-1')], [later('new', MINUTE, {displayName: 'me'})]],
		['OpenClaw let another idle one be', [silent('device-1')], [silent('idle'), later('new', MINUTE)]],
		['nobody says whether it was connected', [silent('device-1', {connected: undefined})], [later('new', MINUTE)]],
		['nobody says how it was let in', [silent('device-1', {approvedVia: undefined})], [later('new', MINUTE)]],
		['nobody says when it was let in', [silent('device-1', {approvedAtMs: undefined})], [later('new', MINUTE)]],
		[
			'its client has no name',
			[silent('device-1', {clientId: undefined, clientMode: undefined})],
			[later('new', MINUTE, {clientId: undefined, clientMode: undefined})],
		],
		[
			'the names are too long',
			[silent('device-1', {displayName: 'x'.repeat(200)})],
			[later('new', MINUTE, {displayName: 'x'.repeat(200)})],
		],
		['it is listed twice', [silent('device-1'), silent('device-1')], [later('new', MINUTE)]],
	])('where %s', (_, before, after) => {
		expect(asksAgain(before, after)).toEqual(['revoked']);
	});
});
