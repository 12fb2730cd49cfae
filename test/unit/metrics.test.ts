import {describe, expect, it} from 'vitest';
import {METRICS, PREFIX} from '../../supervisor/monitoring/catalog.ts';
import {MetricsRegistry} from '../../supervisor/monitoring/registry.ts';
import {type Look, samplesOf} from '../../supervisor/monitoring/samples.ts';
import {countedIn} from '../../supervisor/monitoring/tally.ts';
import {healthOf} from '../../supervisor/status/health.ts';
import type {Status} from '../../supervisor/status/schema.ts';
import {seriesValue} from '../support/metrics.ts';
import {promtool, whyNoPromtool} from '../support/promtool.ts';
import {composedStatus} from './composed-status.ts';
import {SECOND, subjectOf} from './fixtures.ts';

const now = 1_800_000_000_000;

function lookAt(status: Status, held: ReadonlyMap<string, number> = new Map()): Look {
	return {status, health: healthOf(status, {isAlive: true, now, maxAge: 15 * SECOND}), held};
}

const well = composedStatus(now, 3, false);
const sick = composedStatus(now, 10, true);

describe('the metrics of a status', () => {
	it('count sandboxes by state, with every state there is, and those that are watched by transport', () => {
		const {sandboxes, sandboxes_by_transport: transports} = samplesOf(lookAt(sick));
		expect(Object.fromEntries(sandboxes.map(({labels, value}) => [labels.state, value]))).toEqual({
			starting: 0,
			running: 8,
			backoff: 1,
			stopping: 0,
			stopped: 0,
			idle: 1,
		});
		expect(transports.map(({labels, value}) => [labels.transport, value])).toEqual([
			['cli', 4],
			['gateway', 5],
		]);
	});

	it('say of each watched sandbox how it is, and of an idle one only what was approved there', () => {
		const samples = samplesOf(lookAt(sick, new Map([['night-build', 2]])));
		const of = (name: keyof typeof samples, sandbox: string) =>
			samples[name].find(({labels}) => labels.sandbox === sandbox)?.value;
		expect(of('sandbox_healthy', 'night-build')).toBe(0);
		expect(of('sandbox_failed_passes', 'night-build')).toBe(17);
		expect(of('sandbox_held_requests', 'night-build')).toBe(2);
		expect(of('sandbox_held_requests', 'review')).toBe(0);
		expect(of('sandbox_crash_looping', 'review')).toBe(1);
		expect(of('sandbox_healthy', 'retired')).toBeUndefined();
		expect(of('approvals_total', 'retired')).toBe(3);
		expect(of('sandbox_last_list_timestamp_seconds', 'young')).toBeUndefined();
	});

	it('say how the host is: level, warnings, deadline', () => {
		const samples = samplesOf(lookAt(sick));
		expect(samples.health.filter(({value}) => value === 1)).toEqual([{labels: {level: 'degraded'}, value: 1}]);
		expect(samples.warnings).toEqual([{labels: {}, value: 1}]);
		expect(samples.deadline_timestamp_seconds[0]?.value).toBe(now / 1000 + 7 * 3600);
		const forEver = samplesOf(lookAt(composedStatus(now, 1, false, {deadlineAt: null})));
		expect(forEver.deadline_timestamp_seconds[0]?.value).toBe(Number.POSITIVE_INFINITY);
	});

	it.each(['stopped', 'deadline'] as const)('say of a supervisor that has ended (%s) that it is not up', state => {
		expect(samplesOf(lookAt(composedStatus(now, 1, false, {state}))).up[0]?.value).toBe(0);
		expect(samplesOf(lookAt(well)).up[0]?.value).toBe(1);
	});
});

describe('the registry', () => {
	it('has every metric of the catalogue, and series at 0 for whatever can be counted', async () => {
		const text = await new MetricsRegistry().text(lookAt(well));
		const named = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
		expect(named).toEqual(Object.entries(METRICS).map(([name, {type}]) => [`${PREFIX}${name}`, type]));
		expect(seriesValue(text, 'pairkeeper_refusals_total{reason="unknown-client"}')).toBe(0);
		expect(seriesValue(text, 'pairkeeper_worker_restarts_total{reason="hang"}')).toBe(0);
		expect(seriesValue(text, 'pairkeeper_call_failures_total{kind="timeout"}')).toBe(0);
		expect(seriesValue(text, 'pairkeeper_approval_latency_seconds_count')).toBe(0);
		expect(seriesValue(text, 'pairkeeper_call_duration_seconds_count{call="approve"}')).toBe(0);
	});

	it('counts what happens', async () => {
		const registry = new MetricsRegistry();
		registry.count({kind: 'approved', by: 'policy', latencyMs: 8});
		registry.count({kind: 'approved', by: 'person', latencyMs: null});
		registry.count({kind: 'rejected', by: 'policy'});
		registry.count({kind: 'failed', action: 'approve'});
		registry.count({kind: 'refused', reason: 'revoked'});
		registry.count({kind: 'restarted', reason: 'memory'});
		registry.count({kind: 'called', call: {kind: 'list', outcome: 'answered', ms: 1200}});
		registry.count({kind: 'called', call: {kind: 'list', outcome: 'timeout', ms: 10_000}});
		const text = await registry.text(lookAt(well));
		expect(seriesValue(text, 'pairkeeper_decisions_total{action="approve",by="person"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_decisions_total{action="reject",by="policy"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_decision_failures_total{action="approve"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_refusals_total{reason="revoked"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_worker_restarts_total{reason="memory"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_approval_latency_seconds_count')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_approval_latency_seconds_bucket{le="0.01"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_approval_latency_seconds_bucket{le="0.005"}')).toBe(0);
		expect(seriesValue(text, 'pairkeeper_call_duration_seconds_count{call="list"}')).toBe(2);
		expect(seriesValue(text, 'pairkeeper_call_failures_total{kind="timeout"}')).toBe(1);
		expect(seriesValue(text, 'pairkeeper_call_failures_total{kind="failed"}')).toBe(0);
	});

	it('shows the sandboxes that there are now, and nothing of one that has left the configuration', async () => {
		const registry = new MetricsRegistry();
		expect(await registry.text(lookAt(sick))).toContain('sandbox="night-build"');
		const text = await registry.text(lookAt(well));
		expect(text).not.toContain('night-build');
		// Shown twice, counted once.
		expect(seriesValue(text, 'pairkeeper_approvals_total{sandbox="box-002"}')).toBe(3);
	});
});

describe.skipIf(whyNoPromtool !== null)(
	`promtool${whyNoPromtool === null ? '' : ` (left out: ${whyNoPromtool})`}`,
	() => {
		it('has nothing to say of names, units and words of the metrics', async () => {
			const text = await new MetricsRegistry().text(lookAt(sick));
			expect(promtool(['check', 'metrics'], text)).toEqual({code: 0, said: ''});
			// It would.
			const odd = '# HELP oddMetric_ms Odd.\n# TYPE oddMetric_ms counter\noddMetric_ms 1\n';
			expect(promtool(['check', 'metrics'], odd).said).toContain('counter metrics should have "_total" suffix');
		});
	},
);

describe('what of a decision is counted', () => {
	const at = now;

	it('an approval once, however often it is told', () => {
		const approved = {kind: 'approved', action: 'approve', ...subjectOf('r1'), latencyMs: 5, at} as const;
		expect(countedIn(approved)).toEqual({kind: 'approved', by: 'policy', latencyMs: 5});
		expect(countedIn({...approved, isAgain: true})).toBeNull();
	});

	it('a try that failed by what was tried, and an alarm not at all', () => {
		expect(countedIn({kind: 'failed', action: 'reject', ...subjectOf('r1'), error: 'x', at})).toEqual({
			kind: 'failed',
			action: 'reject',
		});
		expect(countedIn({kind: 'alarm', reason: 'x', at})).toBeNull();
	});
});
