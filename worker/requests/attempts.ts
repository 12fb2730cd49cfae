import type {Attempts} from './record-schema.ts';

export type {Attempts} from './record-schema.ts';

/** The first wait after a failed attempt, in milliseconds; it doubles up to the slow interval. */
const FIRST_WAIT = 1000;

/** So many failures of one request in a row are worth a warning. */
const TROUBLED_AFTER = 3;

/** Nothing has failed yet. */
export const noAttempts: Attempts = {failures: 0, error: null, retryAt: 0};

/** One more has failed, for the reason `error`; the next wait is `longest` milliseconds at most. */
export function afterFailure({failures}: Attempts, error: string | null, now: number, longest: number): Attempts {
	const wait = Math.min(FIRST_WAIT * 2 ** failures, Math.max(longest, FIRST_WAIT));
	return {failures: failures + 1, error, retryAt: now + wait};
}

/** Whether they have failed again and again. */
export function isTroubled({failures}: Attempts): boolean {
	return failures >= TROUBLED_AFTER;
}
