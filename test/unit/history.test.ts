import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {History} from '../../supervisor/monitoring/history.ts';
import {HOUR, MINUTE, SECOND} from './fixtures.ts';

const wall = 1_800_000_000_000;

describe('the last hour by the minute', () => {
	it('has sixty minutes, those too in which nothing happened', () => {
		const minutes = new History().show(90 * MINUTE + 20 * SECOND, wall);
		expect(minutes).toHaveLength(60);
		expect(minutes.at(-1)).toEqual({
			at: new Date(wall - 20 * SECOND).toISOString(),
			approvals: 0,
			refusals: 0,
			restarts: 0,
			latency: null,
		});
		expect(Date.parse(minutes.at(-1)?.at ?? '') - Date.parse(minutes[0]?.at ?? '')).toBe(59 * MINUTE);
	});

	it('says what happened when, and how long approvals took', () => {
		const history = new History();
		const start = 90 * MINUTE;
		for (const latencyMs of [9, 4000, 5, null]) history.count({kind: 'approved', by: 'policy', latencyMs}, start);
		history.count({kind: 'refused', reason: 'revoked'}, start + MINUTE);
		history.count({kind: 'restarted', reason: 'hang'}, start + MINUTE);
		history.count({kind: 'called', call: {kind: 'list', outcome: 'answered', ms: 1}}, start + MINUTE);
		const [before, last] = history.show(start + MINUTE, wall).slice(-2);
		expect(before).toMatchObject({approvals: 4, refusals: 0, restarts: 0, latency: {medianMs: 9, maxMs: 4000}});
		expect(last).toMatchObject({approvals: 0, refusals: 1, restarts: 1, latency: null});
	});

	it('forgets what is older, and keeps a bounded amount of what a minute had', () => {
		const history = new History();
		for (let index = 0; index < 5000; index++)
			history.count({kind: 'approved', by: 'policy', latencyMs: index}, MINUTE);
		expect(history.show(MINUTE, wall).at(-1)).toMatchObject({approvals: 5000, latency: {medianMs: 499, maxMs: 4999}});
		expect(history.show(MINUTE + HOUR, wall).every(({approvals}) => approvals === 0)).toBe(true);
	});

	it('has everything of the last 59 minutes, whenever it happened', () => {
		const times = fc.array(fc.integer({min: 0, max: 3 * HOUR}), {minLength: 1, maxLength: 50});
		fc.assert(
			fc.property(times, unsorted => {
				const sorted = unsorted.toSorted((a, b) => a - b);
				const history = new History();
				for (const at of sorted) history.count({kind: 'refused', reason: 'revoked'}, at);
				const now = sorted.at(-1) ?? 0;
				const first = Math.floor(now / MINUTE) - 59;
				const expected = sorted.filter(at => Math.floor(at / MINUTE) >= first).length;
				expect(history.show(now, wall).reduce((sum, {refusals}) => sum + refusals, 0)).toBe(expected);
			}),
		);
	});
});
