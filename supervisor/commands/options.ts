import {InvalidArgumentError} from 'commander';
import {toMilliseconds} from '../config/duration.ts';

/** The options of every command. */
export interface CommonOptions {
	/** `--config`. */
	readonly config?: string;
	/** `--status-file`. */
	readonly statusFile?: string;
}

/** Reads an option's duration into milliseconds, at most `limit` of them. What it returns throws an error that commander shows as a usage error. */
export function durationUpTo(limit: number) {
	return (text: string): number => {
		const ms = toMilliseconds(/^\d+(\.\d+)?$/.test(text) ? Number(text) : text);
		if (ms === null)
			throw new InvalidArgumentError('It is not a duration; write seconds (12) or a string such as 500ms or 12s.');
		if (ms < 1 || ms > limit) throw new InvalidArgumentError(`It must be between 1ms and ${limit / 1000}s.`);
		return ms;
	};
}

/** Reads the option that a first configuration's `deadline` is of, and gives it back as it is to be written. Throws as {@link durationUpTo}. */
export function deadlineText(text: string): string {
	if (text !== 'never') durationUpTo(Number.MAX_SAFE_INTEGER)(text);
	return text.trim().replaceAll(/\s+/g, ' ');
}
