import parseDuration from 'parse-duration';

const DURATION = /^(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$/;

/** Milliseconds for a number of seconds or a duration string, or `null` for anything else. */
export function toMilliseconds(value: number | string): number | null {
	if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value * 1000 : null;
	return DURATION.test(value) ? parseDuration(value) : null;
}
