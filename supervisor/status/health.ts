import {readStretch, stretchesInWords} from '../../worker/stretch.ts';
import {printable} from '../../worker/text.ts';
import {type Counts, conditionOf, countsOf, hasEnded} from './condition.ts';
import type {SandboxStatus, Status} from './schema.ts';

export type HealthLevel = 'ok' | 'degraded' | 'critical' | 'unknown';

/** A monitor's view of the host, with the reason in one line. */
export interface Health {
	readonly level: HealthLevel;
	readonly text: string;
	/** Performance data as monitoring plug-ins print it after a `|` (Nagios plug-in guidelines, 2.6); empty where there is no status. */
	readonly perfdata: string;
}

/** How many reasons are named in the line, and how many sandboxes for one of them; the counts at its end are always there. */
const MAX_REASONS = 5;
const MAX_NAMES = 5;

/** Judges a status. `isAlive`: its supervisor's process exists. `now` is the wall clock, `maxAge` milliseconds. Pure. */
export function healthOf(
	status: Status,
	{isAlive, now, maxAge}: {isAlive: boolean; now: number; maxAge: number},
): Health {
	const {supervisor} = status;
	const age = now - Date.parse(supervisor.updatedAt);
	const counts = countsOf(status);
	const watched = Object.entries(status.sandboxes).filter(([, {state}]) => state !== 'idle');
	const isLive = isAlive && !hasEnded(status);
	const shared = {perfdata: perfdataOf(status, isLive ? counts : {...counts, healthy: 0, starting: 0})};
	const unhealthy = unhealthyOnes(watched);
	const summary = `${isLive ? '' : 'last seen: '}${countsInWords(status, counts)}`;

	const critical = [
		...(hasEnded(status) ? [`the supervisor has ended (${supervisor.state})`] : []),
		...(isAlive || hasEnded(status) ? [] : [`no supervisor is running (its pid was ${supervisor.pid})`]),
		// Not `age > maxAge`, which is false for a time that cannot be read (NaN).
		...(age <= maxAge || hasEnded(status) ? [] : [`the status is ${Math.round(age / 1000)} s old`]),
		...(supervisor.deadlineAt !== null && !hasEnded(status) && Date.parse(supervisor.deadlineAt) + maxAge < now
			? [`past its deadline ${supervisor.deadlineAt}`]
			: []),
		...(counts.healthy === 0 && counts.watched > counts.starting && isLive
			? ['no sandbox is healthy', ...unhealthy]
			: []),
	];
	if (critical.length > 0) return {level: 'critical', text: line([...critical, summary]), ...shared};

	const degraded = [
		...(supervisor.state === 'running' ? [] : [`the supervisor is ${supervisor.state}`]),
		...(supervisor.config.error === null ? [] : [`configuration refused: ${supervisor.config.error}`]),
		...unhealthy,
		...supervisor.warnings,
		...stretchedOnes(watched),
		...watched.flatMap(([name, {crashLooping, warnings}]) =>
			[...(crashLooping ? ['crash looping'] : []), ...warnings.filter(each => readStretch(each) === null)].map(
				problem => `${name}: ${problem}`,
			),
		),
	];
	if (degraded.length > 0) return {level: 'degraded', text: line([...degraded, summary]), ...shared};
	return {level: 'ok', text: summary, ...shared};
}

type Named = readonly [name: string, sandbox: SandboxStatus];

/** A reason for each kind of trouble, with the names of those that have it. */
function unhealthyOnes(watched: readonly Named[]): string[] {
	const sick = watched.filter(([, sandbox]) => conditionOf(sandbox) === 'sick' && !sandbox.healthy);
	const byTrouble = Map.groupBy(sick, ([, {state, lastError}]) =>
		lastError === null ? state : `${state}: ${lastError}`,
	);
	return [...byTrouble].map(
		([trouble, alike]) => `${namesIn(alike.map(([name]) => name))}: unhealthy (${printable(trouble)})`,
	);
}

/** One reason for all whose intervals are stretched: they have it together. */
function stretchedOnes(watched: readonly Named[]): string[] {
	const stretched = watched.flatMap(([name, {warnings}]) => {
		const [stretch] = warnings.flatMap(warning => readStretch(warning) ?? []);
		return stretch ? {name, stretch} : [];
	});
	if (stretched.length === 0) return [];
	return [`${namesIn(stretched.map(({name}) => name))}: ${stretchesInWords(stretched.map(({stretch}) => stretch))}`];
}

/** The first names, and how many more there are. */
export function namesIn(names: readonly string[]): string {
	const more = names.length - MAX_NAMES;
	return more > 1 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more` : names.join(', ');
}

/** The counts as every screen words them. */
export function countsInWords({totals}: Pick<Status, 'totals'>, {healthy, watched, starting, idle}: Counts): string {
	return [
		`${healthy} of ${watched} sandboxes healthy`,
		...(starting > 0 ? [`${starting} starting`] : []),
		...(idle > 0 ? [`${idle} idle`] : []),
		`${totals.approved} approved`,
		`${totals.refused} refused`,
		`${totals.restarts} restarts`,
	].join(', ');
}

function perfdataOf({totals}: Status, {healthy, watched, starting, pending}: Counts): string {
	return [
		`healthy=${healthy};;;0;${watched}`,
		`starting=${starting};;;0;${watched}`,
		`pending=${pending};;;0`,
		`approved=${totals.approved}c`,
		`refused=${totals.refused}c`,
		`restarts=${totals.restarts}c`,
	].join(' ');
}

function line(reasons: readonly string[]): string {
	const named =
		reasons.length > MAX_REASONS + 1
			? [...reasons.slice(0, MAX_REASONS), `${reasons.length - MAX_REASONS - 1} more`, ...reasons.slice(-1)]
			: reasons;
	// A `|` begins the performance data.
	return named.map(reason => printable(reason).replaceAll('|', '/')).join('; ');
}
