import {candidatesIn, MAX_DEPTH} from './object-ends.ts';

/** In how many places of one output a JSON object is looked for: a bound on the work that a hostile output can cause. */
const MAX_CANDIDATES = 32;

/** How much of an output is read as JSON, in how many times its length: an object that proves to be none, at its very end, may hold others. */
const MAX_READINGS = 4;

/** The most values in one text: each may cost 60 bytes, whereas `[],` is three of them. A full list of 256 requests has a tenth. */
const MAX_VALUES = 200_000;

/** So many characters are few, whatever they are. */
const FEW = 2 ** 16;

/**
 * The JSON objects that stand at the beginning of a line of `text`, outermost ones only, in order.
 * OpenClaw prints warnings, some of them JSON themselves, before its answer, so the caller picks the one of its shape.
 * What is not JSON, or nested deeper than {@link MAX_DEPTH}, is passed over. Takes time in proportion to the text's length, whatever it is.
 */
export function* jsonObjectsIn(text: string): Generator<Readonly<Record<string, unknown>>> {
	let behind = 0;
	let candidates = 0;
	let left = MAX_READINGS * text.length + FEW;
	for (const {from, end} of candidatesIn(text)) {
		if (from < behind) continue;
		if (++candidates > MAX_CANDIDATES) return;
		if (end === null || !looksLikeObject(text, from)) continue;
		left -= end - from;
		if (left < 0) return;
		const value = parse(text.slice(from, end));
		if (!isRecord(value)) continue;
		behind = end;
		yield value;
	}
}

/** A plain JSON object, so neither `null` nor an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON text as a value, or `undefined` when it is not JSON, is nested deeper than {@link MAX_DEPTH}, or has more values than anything of ours. */
export function parseBounded(text: string): unknown {
	const from = text.search(/[{[]/);
	if (from !== -1 && isTooDeep(text, from)) return undefined;
	return parse(text);
}

/**
 * Whether a JSON text takes memory in proportion to its length: few values, as in anything that OpenClaw says. Four MiB of `[],[],…` would become 60 of
 * objects, and as much of garbage on the way.
 */
export function isModest(text: string): boolean {
	if (text.length <= FEW) return true;
	let values = 0;
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		// What stands in strings is counted too: that is cheap, and no text of OpenClaw's has so many commas.
		if ((code === 0x2c || code === 0x5b || code === 0x7b) && ++values > MAX_VALUES) return false;
	}
	return true;
}

function parse(text: string): unknown {
	if (!isModest(text)) return undefined;
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** What cannot be an object after its first characters need not be read. */
function looksLikeObject(text: string, from: number): boolean {
	const start = /\{[ \t\r\n]{0,64}(?:["}]|[ \t\r\n])/y;
	start.lastIndex = from;
	return start.test(text);
}

/** Whether the bracket at `from` is not closed, or holds others too deep. */
function isTooDeep(text: string, from: number): boolean {
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
			if (++depth > MAX_DEPTH) return true;
		} else if ((char === '}' || char === ']') && --depth === 0) {
			return false;
		}
	}
	return true;
}
