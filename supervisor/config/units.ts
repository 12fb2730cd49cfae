import * as z from 'zod';
import {MAX_TIMER} from '../../worker/clock.ts';
import {toMilliseconds} from './duration.ts';
import {shown} from './words.ts';

const SIZE = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i;
const SIZE_UNITS = ['', 'K', 'M', 'G', 'T'];

interface DurationRange {
	/** The shortest that is accepted, in milliseconds. */
	readonly min?: number;
	/** The longest that is accepted, in milliseconds; by default what a timer can wait, 24 days. */
	readonly max?: number;
}

/** A duration in a configuration: a number of seconds, or a string such as `1h30m`; milliseconds once parsed. */
export function duration({min = 1, max = MAX_TIMER}: DurationRange = {}) {
	return z.union([z.number(), z.string()], {error: ({input}) => noDuration(input)}).transform((value, context) => {
		const ms = toMilliseconds(value);
		if (ms === null) {
			context.addIssue(noDuration(value));
			return z.NEVER;
		}
		if (ms < min || ms > max) {
			context.addIssue(`must be between ${min / 1000} s and ${Math.floor(max / 1000)} s, not ${ms / 1000} s`);
			return z.NEVER;
		}
		return ms;
	});
}

/** A size in a configuration: a number of bytes, or a string such as `192M` (1024-based); bytes once parsed. */
export const size = z
	.union([z.number(), z.string()], {error: ({input}) => noSize(input)})
	.transform((value, context) => {
		const [, number, unit = ''] = SIZE.exec(String(value)) ?? [];
		const bytes = Number(number) * 1024 ** SIZE_UNITS.indexOf(unit.toUpperCase());
		if (number === undefined || !(bytes >= 1)) {
			context.addIssue(noSize(value));
			return z.NEVER;
		}
		return Math.floor(bytes);
	});

function noDuration(value: unknown): string {
	return `${shown(value)} is not a duration; write seconds (30) or a string such as 500ms, 30s, 10m or 8h`;
}

function noSize(value: unknown): string {
	return `${shown(value)} is not a size; write bytes or a string such as 192M or 1G`;
}
