import type {Cadence, CadenceConfig} from './cadence-schema.ts';

export type {Cadence, CadenceConfig} from './cadence-schema.ts';

/** The window in which all fast polling together stays within `fastDeadline`, in milliseconds. */
const HOUR = 3_600_000;

/** Quiet polls in a row that make convergence. */
const QUIET_POLLS = 4;

/** Failing for this long and then answering again is a return that deserves a fresh fast phase, in milliseconds. */
const OUTAGE = 60_000;

/** How many request ids that have bought fast polls are remembered. */
const MAX_REMEMBERED = 256;

/** What the cadence needs to know of a pass. */
export interface PolledOutcome {
	readonly failed: boolean;
	/** Nothing was left to decide. */
	readonly quiet: boolean;
	/** A device is paired, or we have approved one. */
	readonly paired: boolean;
	readonly allowed: readonly string[];
}

/** Slow polling of which nothing is known yet. */
export const slowCadence: Cadence = {
	mode: 'slow',
	quietPolls: 0,
	reentryPolls: 0,
	fastSince: null,
	spent: [],
	failingSince: null,
	bought: [],
};

/** The cadence of a sandbox that is watched for the first time: fast, if there is any fast time at all. */
export function initialCadence(config: CadenceConfig, now: number): Cadence {
	return enterFast(slowCadence, config, now);
}

/**
 * Ends fast polling whose time is used up, whatever is pending, and where requests are announced, so that there is nothing to poll fast for. Needs no
 * pass, so it is done before anything of an iteration can fail.
 */
export function boundFastTime(cadence: Cadence, config: CadenceConfig, now: number, isEventDriven = false): Cadence {
	const isWithin = ({to}: {readonly to: number}) => to > now - HOUR;
	// The same value where nothing has changed, so that it need not be looked into to see that.
	const pruned = cadence.spent.every(isWithin) ? cadence : {...cadence, spent: cadence.spent.filter(isWithin)};
	const isOver = isEventDriven || fastTimeLeft(pruned, config, now) <= 0;
	return cadence.fastSince !== null && isOver ? enterSlow(pruned, now) : pruned;
}

/** The cadence after a pass. */
export function advance(cadence: Cadence, outcome: PolledOutcome, config: CadenceConfig, now: number): Cadence {
	const polled = countReentryPoll(cadence, now);
	if (outcome.failed) return {...polled, quietPolls: 0, failingSince: polled.failingSince ?? now};
	const wasOut = polled.failingSince !== null && now - polled.failingSince >= OUTAGE;
	// Polls before the first pairing say nothing: the first device is seldom the last.
	const isQuiet = outcome.quiet && outcome.paired;
	// Slow polling has converged: there is nothing to count towards.
	const quietPolls = isQuiet && polled.mode === 'fast' ? polled.quietPolls + 1 : 0;
	const isAsBefore = polled.failingSince === null && polled.quietPolls === quietPolls;
	const answered = isAsBefore ? polled : {...polled, failingSince: null, quietPolls};
	if (wasOut) return enterFast({...answered, quietPolls: isQuiet ? 1 : 0}, config, now);
	if (answered.mode === 'fast') return answered.quietPolls >= QUIET_POLLS ? enterSlow(answered, now) : answered;
	const fresh = outcome.allowed.filter(id => !answered.bought.includes(id));
	if (fresh.length === 0) return answered;
	const bought = [...answered.bought, ...fresh].slice(-MAX_REMEMBERED);
	return buyFastPolls({...answered, bought}, config, now);
}

/** Fast polls in slow mode, as far as the hour's fast time allows; in fast mode nothing changes. */
export function buyFastPolls(cadence: Cadence, config: CadenceConfig, now: number): Cadence {
	if (cadence.mode === 'fast' || config.fastReentryPolls === 0 || fastTimeLeft(cadence, config, now) <= 0)
		return cadence;
	return {...cadence, reentryPolls: config.fastReentryPolls, fastSince: cadence.fastSince ?? now};
}

/** Milliseconds from the end of one poll to the beginning of the next. */
export function interval(cadence: Cadence, config: CadenceConfig): number {
	if (cadence.mode === 'fast') return config.fastInterval;
	return cadence.reentryPolls > 0 ? Math.min(config.fastReentryInterval, config.slowInterval) : config.slowInterval;
}

/** How much of the hour's fast time is left, in milliseconds. */
export function fastTimeLeft(cadence: Cadence, config: CadenceConfig, now: number): number {
	const from = now - HOUR;
	const stretches = cadence.fastSince === null ? cadence.spent : [...cadence.spent, {from: cadence.fastSince, to: now}];
	const used = stretches.reduce((sum, stretch) => sum + Math.max(stretch.to - Math.max(stretch.from, from), 0), 0);
	// A deadline of more than an hour still ends the stretch it began with.
	const unbroken = cadence.fastSince === null ? 0 : now - cadence.fastSince;
	return config.fastDeadline - Math.max(used, unbroken);
}

function countReentryPoll(cadence: Cadence, now: number): Cadence {
	if (cadence.reentryPolls === 0) return cadence;
	const left = cadence.reentryPolls - 1;
	return left === 0 ? enterSlow(cadence, now) : {...cadence, reentryPolls: left};
}

function enterFast(cadence: Cadence, config: CadenceConfig, now: number): Cadence {
	if (fastTimeLeft(cadence, config, now) <= 0) return cadence;
	return {...cadence, mode: 'fast', reentryPolls: 0, fastSince: cadence.fastSince ?? now};
}

function enterSlow(cadence: Cadence, now: number): Cadence {
	const {fastSince, spent} = cadence;
	const stretches = fastSince === null ? spent : [...spent, {from: fastSince, to: now}];
	return {...cadence, mode: 'slow', quietPolls: 0, reentryPolls: 0, fastSince: null, spent: stretches};
}
