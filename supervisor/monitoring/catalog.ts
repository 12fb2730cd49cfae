import {ACTIONS, TRANSPORTS} from '../../worker/protocol.ts';
import {REFUSAL_REASONS} from '../../worker/requests/policy-schema.ts';
import {DECIDERS} from '../../worker/requests/request-schema.ts';
import {TURN_KINDS} from '../../worker/turns.ts';
import {EXIT_REASONS, SANDBOX_STATES} from '../status/schema.ts';

/** What every name of a metric begins with. */
export const PREFIX = 'pairkeeper_';

/** How an `openclaw` call can fail, as far as the host sees it; `lost`: its worker was ended meanwhile. */
export const CALL_FAILURE_KINDS = ['timeout', 'failed', 'lost'] as const;

/** How well the host is, as `pairkeeper health` says it of a supervisor that runs. */
export const HEALTH_LEVELS = ['ok', 'degraded', 'critical'] as const;

/** Upper bounds in seconds: by the gateway an approval takes milliseconds, by the CLI seconds, and one that waits for a person minutes. */
export const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Upper bounds in seconds: a call takes a second of a core's time, and ends after `runTimeout`, 10 s by default. */
const CALL_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60];

/** A metric, and how it comes about: read off a status whenever somebody looks (`shown`), or counted when something happens (`counted`). */
export interface Metric {
	readonly type: 'gauge' | 'counter' | 'histogram';
	readonly from: 'shown' | 'counted';
	readonly help: string;
	/** The labels, and the values that each has where they are few and known; `null`: the names of the configured sandboxes, or one text. */
	readonly labels: Readonly<Record<string, readonly string[] | null>>;
	readonly buckets?: readonly number[];
}

/** A metric that is read off a status. */
interface Shown extends Metric {
	readonly from: 'shown';
}
/** A metric that is counted. */
interface CountedMetric extends Metric {
	readonly from: 'counted';
}

function gauge(help: string, labels: Metric['labels'] = {}): Shown {
	return {type: 'gauge', from: 'shown', help, labels};
}

function counter(help: string, labels: Metric['labels'] = {}): CountedMetric {
	return {type: 'counter', from: 'counted', help, labels};
}

function histogram(help: string, buckets: readonly number[], labels: Metric['labels'] = {}): CountedMetric {
	return {type: 'histogram', from: 'counted', help, labels, buckets};
}

const ofSandbox = {sandbox: null};

/**
 * Every metric there is, by its name without the prefix: the one home of names, labels and units (Prometheus, "Metric and label naming"). Dashboard and
 * alert rules are checked against it.
 */
export const METRICS = {
	up: gauge('1 while the supervisor runs, 0 in the last words of one that has ended.'),
	build_info: gauge('1, with the version of pairkeeper.', {version: null}),
	health: gauge('1 for the level that `pairkeeper health` says, 0 for the others.', {level: HEALTH_LEVELS}),
	warnings: gauge('Warnings of the supervisor, which make it degraded.'),
	config_error: gauge('1 while the last configuration that was read is refused, and an older one in force.'),
	config_loaded_timestamp_seconds: gauge('When the configuration in force was read.'),
	start_timestamp_seconds: gauge('When the supervisor started.'),
	deadline_timestamp_seconds: gauge('When the supervisor ends; +Inf: never.'),
	last_update_timestamp_seconds: gauge('When these figures were true.'),
	sandboxes: gauge('Sandboxes by state; idle ones are not to be watched.', {state: SANDBOX_STATES}),
	sandboxes_by_transport: gauge('Sandboxes that are watched, by how their gateway is asked now.', {
		transport: TRANSPORTS,
	}),
	sandbox_healthy: gauge('1 if the sandbox is watched and answers, 0 if not; not there for an idle one.', ofSandbox),
	sandbox_crash_looping: gauge('1 while the workers of the sandbox end one after the other.', ofSandbox),
	sandbox_pending_requests: gauge('Requests that the sandbox listed as pending when it was last asked.', ofSandbox),
	sandbox_held_requests: gauge('Requests that the policy refuses and that wait for a person.', ofSandbox),
	sandbox_warnings: gauge('Warnings about the sandbox, which make the host degraded.', ofSandbox),
	sandbox_failed_passes: gauge('Failed passes in a row.', ofSandbox),
	sandbox_poll_interval_seconds: gauge('Between polls now.', ofSandbox),
	sandbox_last_list_timestamp_seconds: gauge('When the sandbox last answered; not there if never.', ofSandbox),
	approvals_total: {...gauge('Requests approved in this shift.', ofSandbox), type: 'counter'},
	decisions_total: counter('Requests approved or rejected at their gateway, by whose decision that was.', {
		action: ACTIONS,
		by: DECIDERS,
	}),
	decision_failures_total: counter('Approvals and rejections that did not succeed and are tried again.', {
		action: ACTIONS,
	}),
	refusals_total: counter('Requests that the policy refuses, by reason.', {reason: REFUSAL_REASONS}),
	worker_restarts_total: counter('Workers that ended and were replaced, by reason.', {reason: EXIT_REASONS}),
	call_failures_total: counter('openclaw calls that failed, by kind.', {kind: CALL_FAILURE_KINDS}),
	calls_running: gauge('openclaw calls that have a turn on this host now.'),
	calls_waiting: gauge('openclaw calls that wait for a turn on this host now.'),
	calls_limit: gauge('openclaw calls at once that this host bears.'),
	call_duration_seconds: histogram('How long openclaw calls have their turn, whatever came of them.', CALL_BUCKETS, {
		call: TURN_KINDS,
	}),
	approval_latency_seconds: histogram('From the creation of a request to its approval.', LATENCY_BUCKETS),
} as const satisfies Readonly<Record<string, Metric>>;

/** The name of a metric, without the prefix. */
export type MetricName = keyof typeof METRICS;
/** The name of a metric that is read off a status. */
export type ShownName = {
	[Name in MetricName]: (typeof METRICS)[Name]['from'] extends 'shown' ? Name : never;
}[MetricName];

/** All series that a metric of known labels can have; one without labels has one; none where a label's values are not known beforehand. Pure. */
export function knownSeries({labels}: Pick<Metric, 'labels'>): readonly Readonly<Record<string, string>>[] {
	return Object.entries(labels).reduce<readonly Readonly<Record<string, string>>[]>(
		(all, [name, values]) => all.flatMap(series => (values ?? []).map(value => ({...series, [name]: value}))),
		[{}],
	);
}
