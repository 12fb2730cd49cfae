import {TRANSPORTS} from '../../worker/protocol.ts';
import {hasEnded} from '../status/condition.ts';
import type {Health} from '../status/health.ts';
import {SANDBOX_STATES, type SandboxStatus, type Status} from '../status/schema.ts';
import {HEALTH_LEVELS, type ShownName} from './catalog.ts';

/** One value of a metric, and its labels. */
export interface Sample {
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

/** What is looked at when metrics are wanted. */
export interface Look {
	readonly status: Status;
	readonly health: Health;
	/** How many requests wait for a person, by sandbox; one that is not named has none. */
	readonly held: ReadonlyMap<string, number>;
}

/**
 * The metrics that a status shows. Only the sandboxes of the configuration have series, and an idle one none of those that say how it is, so what vanishes
 * goes, and a sandbox that is not to be watched alarms nobody. Pure.
 */
export function samplesOf({status, health, held}: Look): Readonly<Record<ShownName, readonly Sample[]>> {
	const {supervisor, sandboxes} = status;
	const {config, calls} = supervisor;
	const all = Object.entries(sandboxes);
	const watched = all.filter(([, {state}]) => state !== 'idle');
	const each = (value: (sandbox: SandboxStatus, name: string) => number | null): Sample[] =>
		watched.flatMap(([name, sandbox]) => sampleOf({sandbox: name}, value(sandbox, name)));
	return {
		up: one(flag(!hasEnded(status))),
		build_info: [{labels: {version: supervisor.version}, value: 1}],
		health: HEALTH_LEVELS.map(level => ({labels: {level}, value: flag(health.level === level)})),
		warnings: one(supervisor.warnings.length),
		config_error: one(flag(config.error !== null)),
		config_loaded_timestamp_seconds: one(seconds(config.loadedAt)),
		start_timestamp_seconds: one(seconds(supervisor.startedAt)),
		deadline_timestamp_seconds: one(seconds(supervisor.deadlineAt) ?? Number.POSITIVE_INFINITY),
		last_update_timestamp_seconds: one(seconds(supervisor.updatedAt)),
		sandboxes: SANDBOX_STATES.map(state => ({
			labels: {state},
			value: all.filter(([, it]) => it.state === state).length,
		})),
		sandboxes_by_transport: TRANSPORTS.map(transport => ({
			labels: {transport},
			value: watched.filter(([, it]) => it.transport === transport).length,
		})),
		sandbox_healthy: each(({healthy}) => flag(healthy)),
		sandbox_crash_looping: each(({crashLooping}) => flag(crashLooping)),
		sandbox_pending_requests: each(({pending}) => pending),
		sandbox_held_requests: each((_, name) => held.get(name) ?? 0),
		sandbox_warnings: each(({warnings}) => warnings.length),
		sandbox_failed_passes: each(({failures}) => failures),
		sandbox_poll_interval_seconds: each(({interval}) => interval),
		sandbox_last_list_timestamp_seconds: each(({lastListAt}) => seconds(lastListAt)),
		// An idle one keeps what it has counted.
		approvals_total: all.map(([name, {approved}]) => ({labels: {sandbox: name}, value: approved})),
		calls_running: one(calls.running),
		calls_waiting: one(calls.waiting),
		calls_limit: one(calls.limit),
	};
}

function one(value: number | null): Sample[] {
	return sampleOf({}, value);
}

function sampleOf(labels: Sample['labels'], value: number | null): Sample[] {
	return value === null ? [] : [{labels, value}];
}

function flag(is: boolean): number {
	return is ? 1 : 0;
}

/** Seconds since the epoch, as Prometheus wants times. */
function seconds(time: string | null): number | null {
	return time === null ? null : Date.parse(time) / 1000;
}
