import {printable} from '../../worker/text.ts';

/** A longer text than any that we write, in characters. */
const MAX_TEXT = 4096;

/** A value as JSON on one line whose texts cannot move a terminal's cursor: JSON itself lets C1 controls and bidirectional marks stand. */
export function safeJson(value: unknown): string {
	return JSON.stringify(value, (_, item: unknown) => (typeof item === 'string' ? printable(item, MAX_TEXT) : item));
}
