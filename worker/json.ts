/** Deepest nesting that is read; OpenClaw's own answers need five. */
const MAX_DEPTH = 32;

/** In how many places of one output a JSON object is looked for: a bound on the work that a hostile output can cause. */
const MAX_CANDIDATES = 32;

/**
 * The JSON objects that stand at the beginning of a line of `text`, outermost ones only, in order.
 * OpenClaw prints warnings, some of them JSON themselves, before its answer, so the caller picks the one of its shape.
 * What is not JSON, or nested deeper than {@link MAX_DEPTH}, is passed over.
 */
export function* jsonObjectsIn(text: string): Generator<Readonly<Record<string, unknown>>> {
	// Not `\s*`: `^` matches after every `\r` too, so a long run of them would be searched to its end from each one, in quadratic time.
	const start = /^[ \t]*\{/gm;
	for (let candidates = 0; candidates < MAX_CANDIDATES; candidates++) {
		const match = start.exec(text);
		if (!match) return;
		const from = start.lastIndex - 1;
		const end = endOfObject(text, from);
		if (end === null) continue;
		const value = parse(text.slice(from, end));
		if (!isRecord(value)) continue;
		start.lastIndex = end;
		yield value;
	}
}

/** A plain JSON object, so neither `null` nor an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON text as a value, or `undefined` when it is not JSON or nested deeper than {@link MAX_DEPTH}. */
export function parseBounded(text: string): unknown {
	const from = text.search(/[{[]/);
	if (from !== -1 && endOfObject(text, from) === null) return undefined;
	return parse(text);
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** The index behind the bracket that closes the one at `from`, or `null` where it is not closed or nested too deeply. */
function endOfObject(text: string, from: number): number | null {
	let depth = 0;
	let inString = false;
	for (let index = from; index < text.length; index++) {
		const char = text[index];
		if (inString) {
			if (char === '\\') index++;
			else if (char === '"') inString = false;
		} else if (char === '"') {
			inString = true;
		} else if (char === '{' || char === '[') {
			if (++depth > MAX_DEPTH) return null;
		} else if ((char === '}' || char === ']') && --depth === 0) {
			return index + 1;
		}
	}
	return null;
}
