import {printable} from '../../worker/text.ts';
import type {SandboxStatus, Status} from './schema.ts';

export type HealthLevel = 'ok' | 'degraded' | 'critical' | 'unknown';

/** A monitor's view of the host, with the reason in one line. */
export interface Health {
	readonly level: HealthLevel;
	readonly text: string;
}

/** How many reasons are named in the line; the counts at its end are always there. */
const MAX_REASONS = 5;

/** Judges a status. `isAlive`: its supervisor's process exists. `now` is the wall clock, `maxAge` milliseconds. Pure. */
export function healthOf(
	status: Status,
	{isAlive, now, maxAge}: {isAlive: boolean; now: number; maxAge: number},
): Health {
	const {supervisor, totals} = status;
	const age = now - Date.parse(supervisor.updatedAt);
	const watched = Object.entries(status.sandboxes).filter(([, sandbox]) => sandbox.state !== 'idle');
	const healthy = watched.filter(([, sandbox]) => sandbox.healthy).length;
	const counts = `${healthy} of ${watched.length} sandboxes healthy, ${totals.approved} approved, ${totals.refused} refused, ${totals.restarts} restarts`;

	const critical = [
		...(supervisor.state === 'stopped' || supervisor.state === 'deadline'
			? [`the supervisor has ended (${supervisor.state})`]
			: []),
		...(isAlive ? [] : [`no supervisor is running (its pid was ${supervisor.pid})`]),
		// Not `age > maxAge`, which is false for a time that cannot be read (NaN).
		...(age <= maxAge ? [] : [`the status is ${Math.round(age / 1000)} s old`]),
		...(supervisor.deadlineAt !== null && Date.parse(supervisor.deadlineAt) + maxAge < now
			? [`past its deadline ${supervisor.deadlineAt}`]
			: []),
		...(watched.length > 0 && healthy === 0 ? ['no sandbox is healthy'] : []),
	];
	if (critical.length > 0) return {level: 'critical', text: line([...critical, counts])};

	const degraded = [
		...(supervisor.state === 'running' ? [] : [`the supervisor is ${supervisor.state}`]),
		...(supervisor.config.error === null ? [] : [`configuration refused: ${supervisor.config.error}`]),
		...supervisor.warnings,
		...watched.flatMap(([name, sandbox]) => problemsOf(sandbox).map(problem => `${name}: ${problem}`)),
	];
	if (degraded.length > 0) return {level: 'degraded', text: line([...degraded, counts])};
	return {level: 'ok', text: counts};
}

function problemsOf({healthy, state, crashLooping, lastError, warnings}: SandboxStatus): string[] {
	return [
		...(healthy ? [] : [`unhealthy (${state}${lastError === null ? '' : `: ${lastError}`})`]),
		...(crashLooping ? ['crash looping'] : []),
		...warnings,
	];
}

function line(reasons: readonly string[]): string {
	const named =
		reasons.length > MAX_REASONS + 1
			? [...reasons.slice(0, MAX_REASONS), `${reasons.length - MAX_REASONS - 1} more`, ...reasons.slice(-1)]
			: reasons;
	return named.map(reason => printable(reason)).join('; ');
}
