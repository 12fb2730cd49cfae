import {isRecord} from './json.ts';
import {MAX_DEPTH} from './object-ends.ts';

/** Shorter secrets, in characters, may be part of what a listing rightly holds: of a client's id, say. */
const LONG_ENOUGH = 16;

/** Whether what this JSON says may hold one of these secrets: without a backslash, all of it stands there as it is. Costs far less than to look through the values. */
export function mayHold(json: string, secrets: readonly string[]): boolean {
	return json.includes('\\') || secrets.some(secret => json.includes(secret));
}

/**
 * What a gateway says, without these secrets in any text or key: it may repeat them as anybody's name, and names are shown. For JSON that has been parsed:
 * in its text a secret may be spelled in many ways (`\"`, `\u0061`). What is nested deeper than anything of OpenClaw's is `null`. Where there is nothing to
 * replace, the value itself. Costs about as much as to parse it, so that {@link mayHold} is asked first.
 */
export function withoutSecrets(value: unknown, secrets: readonly string[]): unknown {
	const long = secrets.filter(secret => secret.length >= LONG_ENOUGH);
	const shortest = Math.min(...long.map(secret => secret.length));
	const isClean = (text: string) => text.length < shortest || !long.some(secret => text.includes(secret));
	return long.length === 0 || isFine(value, isClean, MAX_DEPTH) ? value : cleaned(value, long, MAX_DEPTH);
}

function isFine(value: unknown, isClean: (text: string) => boolean, depth: number): boolean {
	if (typeof value === 'string') return isClean(value);
	if (typeof value !== 'object' || value === null) return true;
	if (depth === 0) return false;
	if (Array.isArray(value)) return value.every(each => isFine(each, isClean, depth - 1));
	// Object.entries would make an array of each of thousands of devices.
	for (const key in value) {
		if (!isClean(key) || !isFine((value as Readonly<Record<string, unknown>>)[key], isClean, depth - 1)) return false;
	}
	return true;
}

function cleaned(value: unknown, secrets: readonly string[], depth: number): unknown {
	if (typeof value === 'string') return cleanText(value, secrets);
	if (typeof value !== 'object' || value === null) return value;
	if (depth === 0) return null;
	if (Array.isArray(value)) return value.map(each => cleaned(each, secrets, depth - 1));
	if (!isRecord(value)) return value;
	return Object.fromEntries(
		Object.entries(value).map(([key, each]) => [cleanText(key, secrets), cleaned(each, secrets, depth - 1)]),
	);
}

function cleanText(text: string, secrets: readonly string[]): string {
	return secrets.reduce((clean, secret) => clean.replaceAll(secret, '[redacted]'), text);
}
