/** Longest piece of foreign text that is kept, in characters. */
const DEFAULT_LENGTH = 200;

/**
 * Characters that could move a terminal's cursor, reorder a line or forge a second one: C0 and C1 controls,
 * zero-width and bidirectional formatting, line and paragraph separators, lone surrogates.
 */
const UNPRINTABLE =
	/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Cs}|\p{Co}|[\u{e0000}-\u{e0fff}]/gu;

/**
 * A word such as `token`, then a value. After `=`, `:` or `bearer` any value of six characters is taken for a secret; after only a space it must
 * have a digit or 20 characters, so that `token mismatch` can still be read.
 */
const SECRET_LIKE =
	/\b(bearer|token|password|passwd|secret|authorization|api[-_]?key)(["']?\s*[=:]\s*["']?|(?<=bearer)\s+|\s+(?=\S*\d|\S{20}))(bearer\s+)?([^\s"',;&]{6,})/gi;

/** Environment variables whose values are secrets. */
export const SECRET_VARIABLE = /TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY/i;

/** Foreign text made safe for a log, a status file and a terminal: one line, no control characters, at most `length` characters. */
export function printable(text: string, length = DEFAULT_LENGTH): string {
	// Cut before replacing, so that a megabyte from a sandbox is not searched.
	const line = text
		.slice(0, length * 4)
		.replace(/\s+/g, ' ')
		.replace(UNPRINTABLE, '\ufffd')
		.trim();
	const isCut = line.length > length || text.length > length * 4;
	// A pair of surrogates may have been cut in two.
	return isCut ? `${line.slice(0, length - 1).toWellFormed()}…` : line;
}

/** A list from a request, for showing: its first entries, each made safe; nothing for an absent one. */
export function printableList(texts: readonly string[] | null): string[] {
	return (texts ?? []).slice(0, 16).map(text => printable(text, 64));
}

/** The text without anything that is, or looks like, a credential. `secrets` are replaced wherever they stand, also as JSON spells them: a message may quote some. */
export function redact(text: string, secrets: readonly string[] = []): string {
	let clean = text;
	for (const secret of secrets.flatMap(each => [each, JSON.stringify(each).slice(1, -1)])) {
		// Shorter ones would be found in ordinary words.
		if (secret.length >= 4) clean = clean.replaceAll(secret, '[redacted]');
	}
	return clean.replace(SECRET_LIKE, '$1$2$3[redacted]');
}

/** The message of whatever was thrown, with the messages of its causes, for a person to read. */
export function messageOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	// Node's has no message where a host name has several addresses and none of them answers.
	if (error instanceof AggregateError && error.message === '')
		return [...new Set(error.errors.map(messageOf))].join('; ');
	const cause = error.cause === undefined ? '' : messageOf(error.cause);
	return cause === '' || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}
