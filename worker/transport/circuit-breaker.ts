/** How long a gateway is left alone at first, and at most, in milliseconds. */
export const FIRST_COOL_DOWN = 60_000;
export const LONGEST_COOL_DOWN = 3_600_000;

/**
 * A gateway that did us harm is left alone: the breaker is open until the monotonic millisecond `openUntil`, `coolDown` milliseconds after it was
 * tripped, and closed from then on. Where nothing ever tripped it there is `null` instead.
 */
export interface Breaker {
	readonly openUntil: number;
	readonly coolDown: number;
}

/** Opens the breaker: for twice as long as the last time where that has not been closed for as long as it was open, and `longest` milliseconds at most. */
export function trip(before: Breaker | null, now: number, longest: number = LONGEST_COOL_DOWN): Breaker {
	const isAgain = before !== null && now - before.openUntil <= before.coolDown;
	const coolDown = Math.min(isAgain ? 2 * before.coolDown : FIRST_COOL_DOWN, longest);
	return {openUntil: now + coolDown, coolDown};
}
