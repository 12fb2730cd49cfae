/** The first wait before connecting again, in milliseconds: it doubles with every failure in a row. */
const FIRST_DELAY = 250;

/** The longest wait before connecting again, in milliseconds: a gateway that starts is worth looking for. */
export const LONGEST_DELAY = 2000;

/** The same after a try that was refused: a gateway may count those, and lets nobody in who is refused too often. */
export const LONGEST_REFUSED_DELAY = 5000;

/** The same after a try that ran a program for its token: such a program may cost as much as a call of the CLI. */
export const LONGEST_COMMAND_DELAY = 30_000;

/** A connection that has listed and is not closed within this counts as up, in milliseconds: it doubles with each in a row that did not last. */
const FIRST_SETTLING = 250;
const LONGEST_SETTLING = 5000;

/** How long a gateway is left alone that we broke with, in milliseconds: it doubles with each time in a row. */
const FIRST_REST = 60_000;
const LONGEST_REST = 3_600_000;

/** How the tries to connect to one gateway have gone so far. */
export interface Tries {
	/** Failures in a row of tries that ran no program, and of those that did. */
	readonly failures: number;
	readonly commandFailures: number;
	/** Connections in a row that came up and did not last. */
	readonly shortLived: number;
	/** The last rest, in milliseconds; 0 where there was none, or it is forgiven. */
	readonly rest: number;
}

/** How one try went. */
export interface Try {
	/** How long the connection was up, in milliseconds; `null`: it never was. */
	readonly lasted: number | null;
	/** The gateway said no. */
	readonly isRefused: boolean;
	/** It ran a program for its token. */
	readonly hasRunCommand: boolean;
	/** We broke it off. */
	readonly isBrokenOff: boolean;
}

export const noTries: Tries = {failures: 0, commandFailures: 0, shortLived: 0, rest: 0};

/** Takes a try into account. Only a connection that lasted as long as a wait may last is a good one, so that coming and going buys nothing. */
export function afterTry(before: Tries, {lasted, hasRunCommand, isBrokenOff}: Try): Tries {
	const hasLasted = lasted !== null && lasted >= (hasRunCommand ? LONGEST_COMMAND_DELAY : LONGEST_REFUSED_DELAY);
	const {failures, commandFailures, shortLived} = hasLasted ? noTries : before;
	const isForgiven = lasted !== null && lasted > before.rest;
	return {
		// What it costs to find nobody there says nothing of what it costs to be refused.
		failures: hasRunCommand ? 0 : failures + 1,
		commandFailures: hasRunCommand ? commandFailures + 1 : commandFailures,
		shortLived: lasted !== null && !hasLasted ? shortLived + 1 : shortLived,
		rest: isBrokenOff ? nextRest(isForgiven ? 0 : before.rest) : isForgiven ? 0 : before.rest,
	};
}

/** The longest wait before the next try, in milliseconds, after the one that has just been taken into account. */
export function waitAfter(
	{failures, commandFailures}: Tries,
	{hasRunCommand, isRefused}: Pick<Try, 'hasRunCommand' | 'isRefused'>,
): number {
	const longest = isRefused ? LONGEST_REFUSED_DELAY : LONGEST_DELAY;
	return hasRunCommand
		? Math.min(FIRST_DELAY * 2 ** (commandFailures - 1), LONGEST_COMMAND_DELAY)
		: Math.min(FIRST_DELAY * 2 ** (failures - 1), longest);
}

/** How long the next connection has to prove itself, in milliseconds. */
export function settlingTime({shortLived}: Tries): number {
	return Math.min(FIRST_SETTLING * 2 ** shortLived, LONGEST_SETTLING);
}

function nextRest(before: number): number {
	return before === 0 ? FIRST_REST : Math.min(2 * before, LONGEST_REST);
}
