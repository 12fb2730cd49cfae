import {printable} from '../../worker/text.ts';
import type {SandboxStatus, Status} from '../status/schema.ts';
import {styled, table} from './table.ts';

/** The status as a person reads it. `now` is the wall clock, in milliseconds. */
export function statusTable(status: Status, {isAlive, now}: {isAlive: boolean; now: number}): string {
	const {supervisor, totals} = status;
	const hasEnded = supervisor.state === 'stopped' || supervisor.state === 'deadline';
	const state = isAlive || hasEnded ? supervisor.state : `gone (was ${supervisor.state})`;
	const rows = Object.entries(status.sandboxes).map(([name, sandbox]) => rowOf(name, sandbox, now));
	return [
		`pairkeeper ${printable(supervisor.version)} on ${printable(supervisor.host)}: ${state === 'running' ? styled('green', state) : styled('yellow', state)}, pid ${supervisor.pid}, deadline ${ahead(supervisor.deadlineAt, now)}`,
		`${totals.healthy} of ${totals.sandboxes} sandboxes healthy, ${totals.approved} approved, ${totals.refused} refused, ${totals.restarts} restarts; openclaw calls: ${supervisor.calls.running} running, ${supervisor.calls.waiting} waiting, at most ${supervisor.calls.limit}`,
		...(supervisor.config.error === null
			? []
			: [styled('red', `configuration refused: ${printable(supervisor.config.error, 1000)}`)]),
		...supervisor.warnings.map(warning => styled('yellow', `warning: ${printable(warning, 400)}`)),
		'',
		table(
			[
				'SANDBOX',
				'STATE',
				'HEALTHY',
				'MODE',
				'EVERY',
				'VIA',
				'PENDING',
				'APPROVED',
				'REFUSED',
				'RESTARTS',
				'LAST LIST',
				'LAST APPROVAL',
			],
			rows,
		),
		...Object.entries(status.sandboxes).flatMap(([name, sandbox]) => remarksOn(name, sandbox, now)),
	].join('\n');
}

function rowOf(name: string, sandbox: SandboxStatus, now: number): string[] {
	const {healthy, state} = sandbox;
	const {lastApproval} = sandbox;
	return [
		printable(name),
		state,
		healthy ? styled('green', 'yes') : styled(state === 'idle' ? 'gray' : 'red', state === 'idle' ? '-' : 'no'),
		sandbox.mode,
		`${Number(sandbox.interval.toFixed(1))} s`,
		sandbox.transport,
		String(sandbox.pending),
		String(sandbox.approved),
		String(sandbox.refused),
		String(sandbox.restarts),
		ago(sandbox.lastListAt, now),
		lastApproval
			? `${printable(lastApproval.clientId ?? '?')} ${lastApproval.scopes.map(scope => printable(scope)).join(' ')}, ${ago(lastApproval.at, now)}`
			: '-',
	];
}

function remarksOn(
	name: string,
	{lastError, warnings, crashLooping, lastExit, lastRefusal, transportReason}: SandboxStatus,
	now: number,
): string[] {
	const remarks = [
		...(lastError === null ? [] : [styled('red', `error: ${printable(lastError, 400)}`)]),
		...warnings.map(warning => styled('yellow', `warning: ${printable(warning, 400)}`)),
		...(crashLooping ? [styled('red', 'crash looping')] : []),
		...(lastExit === null
			? []
			: [
					`last worker ended ${ago(lastExit.at, now)}: ${lastExit.reason} (${lastExit.signal ?? `exit code ${lastExit.code}`})`,
				]),
		...(transportReason === null ? [] : [`not by the gateway: ${printable(transportReason, 400)}`]),
		...(lastRefusal === null
			? []
			: [
					`last refusal ${ago(lastRefusal.at, now)}: ${lastRefusal.reason}, ${printable(lastRefusal.clientId ?? '?')} / ${printable(lastRefusal.clientMode ?? '?')} asked for ${lastRefusal.scopes.map(scope => printable(scope)).join(' ') || 'no scopes'}`,
				]),
	];
	return remarks.length === 0 ? [] : ['', ...remarks.map(remark => `${name}: ${remark}`)];
}

function ago(time: string | null, now: number): string {
	if (time === null) return '-';
	return `${span(Math.max(now - Date.parse(time), 0))} ago`;
}

function ahead(time: string | null, now: number): string {
	if (time === null) return 'never';
	const left = Date.parse(time) - now;
	return left >= 0 ? `in ${span(left)}` : `${span(-left)} ago`;
}

function span(ms: number): string {
	const seconds = Math.round(ms / 1000);
	if (seconds < 120) return `${seconds} s`;
	const minutes = Math.floor(seconds / 60);
	return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
