/** A poll that waited for its turn for more than this part of its interval, and for more than so many milliseconds, counts as stretched. */
const TOLERATED_SHARE = 0.1;
const TOLERANCE = 1000;

/** How an interval is stretched, in seconds. */
export interface Stretch {
	/** From the end of a poll to the beginning of the next. */
	readonly seconds: number;
	/** The same, were there turns enough. */
	readonly regular: number;
}

/** How polls come that are `regular` milliseconds apart and then wait so long for a turn; `null`: as often as they should. */
export function stretchOf(regular: number, turnWait: number): Stretch | null {
	if (turnWait <= Math.max(regular * TOLERATED_SHARE, TOLERANCE)) return null;
	return {seconds: Math.round((regular + turnWait) / 100) / 10, regular: regular / 1000};
}

/** A sandbox's warning of it; {@link readStretch} understands it. */
export function stretchWarning(stretch: Stretch): string {
	return stretchesInWords([stretch]);
}

/** What such a warning says; `null`: the text is of something else. */
export function readStretch(warning: string): Stretch | null {
	const [, seconds, regular] = /^polled every ([\d.]+) s instead of ([\d.]+) s: /.exec(warning) ?? [];
	return seconds === undefined || regular === undefined ? null : {seconds: Number(seconds), regular: Number(regular)};
}

/** The same in one line for several, one at least. */
export function stretchesInWords(stretches: readonly Stretch[]): string {
	const seconds = rangeOf(stretches.map(stretch => stretch.seconds));
	const regular = rangeOf(stretches.map(stretch => stretch.regular));
	return `polled every ${seconds} s instead of ${regular} s: the host's calls are all taken (maxConcurrentCalls); a gateway that is configured (gateway) takes none`;
}

function rangeOf(values: readonly number[]): string {
	const [least, most] = [Math.min(...values), Math.max(...values)];
	return least === most ? `${most}` : `${least} to ${most}`;
}
