/** The first wait before connecting again, in milliseconds: it doubles with every failure in a row. */
const FIRST_DELAY = 250;

/** The longest wait before connecting again, in milliseconds: a gateway that starts is worth looking for. */
export const LONGEST_DELAY = 2000;

/** The same after an attempt that was refused: a gateway may count those, and lets nobody in who is refused too often. */
export const LONGEST_REFUSED_DELAY = 5000;

/** The same after an attempt that ran a program for its token: such a program may cost as much as a call of the CLI. */
export const LONGEST_COMMAND_DELAY = 30_000;

/**
 * After an attempt by a relay: it costs little, and there are only so many an hour (relay-starts.ts). So a gateway that starts again, which may take half
 * a minute, is looked for often, by so many in a row, {@link LONGEST_REFUSED_DELAY} apart at most, and one that stays away less and less.
 */
const QUICK_RELAYS = 12;
const LONGEST_RELAY_DELAY = 120_000;

/** The first and the longest wait after an attempt that showed that there is no way until somebody changes something, in milliseconds. */
const FIRST_UNFIT_DELAY = 60_000;
const LONGEST_UNFIT_DELAY = 3_600_000;

/** A connection that has listed and is not closed within this counts as up, in milliseconds: it doubles with each in a row that did not last. */
const FIRST_PROBATION = 250;
const LONGEST_PROBATION = 5000;

/** How the attempts to connect to one gateway have gone so far. */
export interface ReconnectAttempts {
	/** Failures in a row of attempts that ran no program, and of those that did. */
	readonly failures: number;
	readonly commandFailures: number;
	/** Attempts in a row that showed that there is no way. */
	readonly unfit: number;
	/** Connections in a row that came up and did not last. */
	readonly shortLived: number;
}

/** How one attempt went. */
export interface ReconnectAttempt {
	/** How long the connection was up, in milliseconds; `null`: it never was. */
	readonly lasted: number | null;
	/** The gateway said no. */
	readonly isRefused: boolean;
	/** There is no way until somebody changes something. */
	readonly isUnfit: boolean;
	/** It was made by a relay inside the sandbox. */
	readonly isByRelay: boolean;
	/** It ran a program for its token. */
	readonly hasRunCommand: boolean;
}

/** Nobody has tried to connect yet. */
export const noReconnectAttempts: ReconnectAttempts = {failures: 0, commandFailures: 0, unfit: 0, shortLived: 0};

/** Takes an attempt into account. Only a connection that lasted as long as a wait may last is a good one, so that coming and going buys nothing. */
export function afterAttempt(
	before: ReconnectAttempts,
	{lasted, isUnfit, hasRunCommand}: ReconnectAttempt,
): ReconnectAttempts {
	const hasLasted = lasted !== null && lasted >= (hasRunCommand ? LONGEST_COMMAND_DELAY : LONGEST_REFUSED_DELAY);
	const {failures, commandFailures, unfit, shortLived} = hasLasted ? noReconnectAttempts : before;
	return {
		// What it costs to find nobody there says nothing of what it costs to be refused.
		failures: hasRunCommand ? 0 : failures + 1,
		commandFailures: hasRunCommand ? commandFailures + 1 : commandFailures,
		unfit: isUnfit ? unfit + 1 : 0,
		shortLived: lasted !== null && !hasLasted ? shortLived + 1 : shortLived,
	};
}

/** The longest wait before the next attempt, in milliseconds, after the one that has just been taken into account. */
export function waitAfter(
	{failures, commandFailures, unfit}: ReconnectAttempts,
	{hasRunCommand, isRefused, isUnfit, isByRelay}: Omit<ReconnectAttempt, 'lasted'>,
): number {
	if (isUnfit) return Math.min(FIRST_UNFIT_DELAY * 2 ** (unfit - 1), LONGEST_UNFIT_DELAY);
	if (isByRelay && !hasRunCommand) {
		const quick = Math.min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_REFUSED_DELAY);
		return Math.min(quick * 2 ** Math.max(failures - QUICK_RELAYS, 0), LONGEST_RELAY_DELAY);
	}
	const longest = isRefused ? LONGEST_REFUSED_DELAY : LONGEST_DELAY;
	return hasRunCommand
		? Math.min(FIRST_DELAY * 2 ** (commandFailures - 1), LONGEST_COMMAND_DELAY)
		: Math.min(FIRST_DELAY * 2 ** (failures - 1), longest);
}

/** How long the next connection has to prove itself, in milliseconds. */
export function probation({shortLived}: ReconnectAttempts): number {
	return Math.min(FIRST_PROBATION * 2 ** shortLived, LONGEST_PROBATION);
}
