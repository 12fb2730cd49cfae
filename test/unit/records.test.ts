import {describe, expect, it} from 'vitest';
import type {Outcome, Refusal} from '../../supervisor/audit/journal.ts';
import {fairShare, pendingRequest} from '../../supervisor/control/pending.ts';
import type {Happening} from '../../supervisor/notify/event.ts';
import {Records} from '../../supervisor/records.ts';
import type {Decision} from '../../worker/protocol.ts';
import {SimulatedClock, subjectOf} from './fixtures.ts';
import {heldOf} from './sandbox-fixtures.ts';

function recording() {
	const told: Omit<Happening, 'time'>[] = [];
	const passedOver: number[] = [];
	const written: (Outcome | Refusal)[] = [];
	const records = new Records({
		clock: new SimulatedClock(),
		notifier: {
			put: (happening, count = 0) => {
				told.push(happening);
				passedOver.push(count);
			},
		},
		audit: {
			intent: async () => null,
			outcome: (_, outcome) => void written.push(outcome),
			refusal: (_, refusal) => void written.push(refusal),
			gone: () => {},
		},
	});
	return {told, passedOver, written, records};
}

const at = 1_800_000_000_000;

describe('the records', () => {
	it('write each decision for the audit file, and tell of an alarm', () => {
		const {told, written, records} = recording();
		const decisions: Decision[] = [
			{kind: 'approved', action: 'approve', ...subjectOf('r1'), latencyMs: 5, at},
			{kind: 'approved', action: 'approve', ...subjectOf('r1'), latencyMs: 5, at, isAgain: true},
			{kind: 'rejected', action: 'reject', ...subjectOf('r2'), by: 'person', at},
			{kind: 'failed', action: 'approve', ...subjectOf('r3'), error: 'timeout', at},
			{
				kind: 'refused',
				requestId: 'r4',
				deviceId: null,
				clientId: 'odd',
				clientMode: null,
				role: null,
				scopes: [],
				reason: 'unknown-client',
				remedy: null,
				at,
			},
			{kind: 'alarm', reason: 'odd', at},
		];
		for (const decision of decisions) records.decided('alpha', decision, 'gateway');
		expect(written).toEqual([
			{action: 'approve', ...subjectOf('r1'), result: 'done', latencyMs: 5, error: null},
			{action: 'approve', ...subjectOf('r1'), result: 'done', latencyMs: 5, error: null},
			{action: 'reject', ...subjectOf('r2'), by: 'person', result: 'done', latencyMs: null, error: null},
			{action: 'approve', ...subjectOf('r3'), result: 'failed', latencyMs: null, error: 'timeout'},
			expect.objectContaining({requestId: 'r4', reason: 'unknown-client', transport: 'gateway'}),
		]);
		expect(told).toEqual([expect.objectContaining({event: 'alarm', sandbox: 'alpha'})]);
	});

	it('tell of a request that waits for a person once, whichever worker says so, and again when it is another one', () => {
		const {told, records} = recording();
		records.held('alpha', [heldOf()]);
		records.gone('alpha');
		records.held('alpha', [heldOf(), heldOf({requestId: 'h2'})]);
		records.held('alpha', [heldOf({digest: 'd2'})]);
		expect(told.map(({request}) => [request?.requestId, request?.digest])).toEqual([
			['h1', 'd1'],
			['h2', 'd1'],
			['h1', 'd2'],
		]);
		expect(told[0]).toMatchObject({event: 'refused', request: pendingRequest('alpha', heldOf())});
	});
});

it('of many requests that a sandbox has thought of, the first and the last are told, and the others counted', () => {
	const {told, passedOver, records} = recording();
	records.held(
		'alpha',
		Array.from({length: 256}, (_, index) => heldOf({requestId: `h${index}`})),
	);
	expect(told.map(({request}) => request?.requestId)).toEqual(['h0', 'h255']);
	expect(passedOver).toEqual([0, 254]);
});

describe('what waits for a person', () => {
	it('has the documented keys, and times that can be read', () => {
		const entry = pendingRequest('alpha', heldOf({rejectAt: null}));
		expect(Object.keys(entry).join(' ')).toBe(
			'sandbox requestId deviceId clientId clientMode role roles scopes gives reason since rejectAt digest',
		);
		expect(entry).toMatchObject({since: '2027-01-15T08:00:00.000Z', rejectAt: null});
	});

	it.each([
		[[3, 3, 3], 100, [3, 3, 3]],
		[[500, 3, 500], 103, [50, 3, 50]],
		[[1000], 10, [10]],
		[[], 10, []],
	])('of lists of %j, at most %d are shown, %j of each', (lengths, limit, shares) => {
		const lists = lengths.map((length, name) => Array.from({length}, () => name));
		const shown = fairShare(lists, limit);
		expect(lengths.map((_, name) => shown.filter(each => each === name).length)).toEqual(shares);
	});
});
