import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {applyChanges, type Checkpoint, changesBetween, emptyCheckpoint} from '../../worker/checkpoint.ts';
import {checkpointChangesSchema, checkpointSchema} from '../../worker/checkpoint-schema.ts';
import {slowCadence} from '../../worker/watch/cadence.ts';
import {requestOf} from './fixtures.ts';

const time = fc.nat(100);
const cadence = fc.record({
	mode: fc.constantFrom('fast', 'slow'),
	quietPolls: fc.nat(3),
	reentryPolls: fc.nat(3),
	fastSince: fc.option(time),
	spent: fc.array(fc.record({from: time, to: time}), {maxLength: 2}),
	failingSince: fc.option(time),
	bought: fc.array(fc.constantFrom('r1', 'r2'), {maxLength: 2}),
});
const attempts = fc.record({failures: fc.nat(2), error: fc.option(fc.constant('no')), retryAt: time});
const record = fc.oneof(
	fc.record({
		kind: fc.constant('approved'),
		request: fc.constant(requestOf()),
		by: fc.constant('policy'),
		had: fc.boolean(),
		expected: fc.constant([]),
		isTold: fc.boolean(),
		attempts,
	}),
	fc.record({
		kind: fc.constant('attempted'),
		request: fc.constantFrom(requestOf(), requestOf({scopes: null})),
		by: fc.constantFrom('policy', 'person'),
		had: fc.boolean(),
		expected: fc.array(fc.constantFrom('a', 'b'), {maxLength: 2}),
		isTold: fc.boolean(),
		attempts,
	}),
	fc.record({
		kind: fc.constant('refused'),
		reason: fc.constantFrom('malformed', 'unknown-client'),
		deviceId: fc.option(fc.constant('device-1')),
		scopes: fc.array(fc.constantFrom('a', 'b'), {maxLength: 2}),
		rejectAt: fc.option(time),
		rejected: fc.boolean(),
		digest: fc.constantFrom('d', 'e'),
		since: time,
		had: fc.boolean(),
		roles: fc.array(fc.constantFrom('a', 'b'), {maxLength: 2}),
		attempt: fc.option(
			fc.record({
				request: fc.constant(requestOf()),
				by: fc.constant('person'),
				had: fc.boolean(),
				expected: fc.array(fc.constantFrom('a', 'b'), {maxLength: 2}),
				isTold: fc.boolean(),
			}),
		),
		attempts,
	}),
);
const checkpoint: fc.Arbitrary<Checkpoint> = fc
	.record({
		cadence: fc.option(cadence),
		failures: fc.nat(2),
		lastError: fc.option(fc.constantFrom('no', '')),
		ledger: fc.record({
			policy: fc.constantFrom('', 'p'),
			requests: fc.dictionary(fc.constantFrom('r1', 'r2', 'constructor', 'toString'), record),
			caused: fc.array(fc.constantFrom('r1', 'r2'), {maxLength: 2}),
			hasApproved: fc.boolean(),
			approvals: fc.array(fc.record({from: time, count: fc.nat(3)}), {maxLength: 2}),
			removed: fc.array(fc.constantFrom('a', 'b'), {maxLength: 2}),
			foreign: fc.option(fc.record({requestId: fc.constant('r1'), at: time})),
			alarm: fc.option(fc.constant('odd')),
		}),
	})
	.map(value => checkpointSchema.parse(value));

/** The way through the channel between two processes. */
const overTheWire = <T>(value: T): T => JSON.parse(JSON.stringify(value));

it.each([
	['failures', {failures: 1}],
	['last error', {lastError: 'no'}],
	['cadence', {cadence: slowCadence}],
	['ledger', {ledger: {...emptyCheckpoint.ledger, hasApproved: true}}],
])('of which nothing but the %s is another says so', (_, change) => {
	const changes = changesBetween(emptyCheckpoint, {...emptyCheckpoint, ...change});
	expect(changes).not.toBeNull();
	expect(applyChanges(emptyCheckpoint, changes ?? {})).toEqual({...emptyCheckpoint, ...change});
});

describe('the changes of a checkpoint', () => {
	it('make of the one before the one after, and are nothing where nothing has changed', () => {
		fc.assert(
			fc.property(fc.oneof(checkpoint, fc.constant(emptyCheckpoint)), checkpoint, (before, after) => {
				const changes = changesBetween(before, after);
				if (changes === null) expect(after).toEqual(before);
				else expect(applyChanges(before, checkpointChangesSchema.parse(overTheWire(changes)))).toEqual(after);
				expect(changesBetween(after, structuredClone(after))).toBeNull();
			}),
			{numRuns: 1000},
		);
	});

	it('leave both as they are', () => {
		fc.assert(
			fc.property(checkpoint, checkpoint, (before, after) => {
				const copies = structuredClone([before, after]);
				const changes = changesBetween(before, after);
				if (changes) applyChanges(before, changes);
				expect([before, after]).toEqual(copies);
			}),
		);
	});

	it('are no more than what has changed: fields, and requests', () => {
		const refused = {
			reason: 'malformed',
			deviceId: null,
			digest: 'd',
			since: 0,
			had: true,
			roles: [],
			scopes: [],
			rejectAt: null,
			rejected: false,
			attempt: null,
		} as const;
		const none = {failures: 0, error: null, retryAt: 0};
		const asked = {request: requestOf(), by: 'policy', had: false, expected: [], isTold: false} as const;
		const r2 = {kind: 'refused', ...refused, attempts: none} as const;
		const before: Checkpoint = {
			...emptyCheckpoint,
			cadence: applyChanges(emptyCheckpoint, {cadence: {}}).cadence,
			ledger: {
				...emptyCheckpoint.ledger,
				requests: {r1: {kind: 'approved', ...asked, attempts: none}, r2},
			},
		};
		const after: Checkpoint = {
			...before,
			failures: 1,
			cadence: before.cadence && {...before.cadence, mode: 'fast'},
			ledger: {...before.ledger, hasApproved: true, requests: {r2}},
		};
		expect(changesBetween(before, after)).toEqual({
			failures: 1,
			cadence: {mode: 'fast'},
			ledger: {hasApproved: true, requests: {r1: null}},
		});
	});
});
