import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {isModest, isRecord, jsonObjectsIn, parseBounded} from '../../worker/json.ts';

const MIB = 2 ** 20;

/** What {@link jsonObjectsIn} is to find, as one would write it without a thought of time: every bracket is read from anew. */
function objectsIn(text: string): unknown[] {
	const start = /^[ \t]*\{/gm;
	const found: unknown[] = [];
	for (let candidates = 0; candidates < 32; candidates++) {
		const match = start.exec(text);
		if (!match) break;
		const from = start.lastIndex - 1;
		const end = endOf(text, from);
		if (end === null) continue;
		try {
			const value: unknown = JSON.parse(text.slice(from, end));
			if (!isRecord(value)) continue;
			found.push(value);
			start.lastIndex = end;
		} catch {
			// Not JSON.
		}
	}
	return found;
}

function endOf(text: string, from: number): number | null {
	let depth = 0;
	let inString = false;
	for (let index = from; index < text.length; index++) {
		const char = text.charAt(index);
		if (inString) {
			if (char === '\\') index++;
			else if (char === '"') inString = false;
		} else if (char === '"') inString = true;
		else if ('{['.includes(char)) {
			if (++depth > 32) return null;
		} else if ('}]'.includes(char) && --depth === 0) return index + 1;
	}
	return null;
}

describe('the objects in a text', () => {
	const piece = fc.oneof(
		{weight: 6, arbitrary: fc.constantFrom('{', '}', '[', ']', '"', '\\', '\n', '\r', ' ', '\t', ',', 'a', '\u2028')},
		{weight: 2, arbitrary: fc.constantFrom('\n{', '\n{"', '{"a":', '"}', '\\"', '\n}', '\n {}', '{'.repeat(31))},
		{weight: 1, arbitrary: fc.jsonValue({maxDepth: 3}).map(value => JSON.stringify(value, null, 1))},
		{
			weight: 1,
			arbitrary: fc.dictionary(fc.string(), fc.jsonValue({maxDepth: 2})).map(value => `\n${JSON.stringify(value)}\n`),
		},
	);

	it('are those that are found by reading from every bracket anew', () => {
		fc.assert(
			fc.property(fc.array(piece, {maxLength: 120}), pieces => {
				const text = pieces.join('');
				expect([...jsonObjectsIn(text)]).toEqual(objectsIn(text));
			}),
			{numRuns: 2000},
		);
	}, 60_000);

	/** How many characters are looked at: time says nothing on a machine that others keep busy. */
	function countReads(act: () => void): number {
		let reads = 0;
		const charCodeAt = String.prototype.charCodeAt;
		String.prototype.charCodeAt = function (index) {
			reads++;
			return charCodeAt.call(this, index);
		};
		try {
			act();
		} finally {
			String.prototype.charCodeAt = charCodeAt;
		}
		return reads;
	}

	it.each([
		['unclosed brackets', '{\n'.repeat(32)],
		['unclosed strings', '{"\n'.repeat(32)],
		['strings that begin in others', '{"\n{\\"\n'.repeat(16)],
		['brackets that close at the end', '{"a":\n'.repeat(31)],
	])('are looked for once, behind %s', (_, before) => {
		const text = `${before}${' '.repeat(MIB / 8)}${'}'.repeat(31)}`;
		expect(countReads(() => expect([...jsonObjectsIn(text)]).toEqual([]))).toBeLessThan(8 * text.length);
	});

	it('are found behind as many unclosed brackets as may be, in a large output', () => {
		const answer = {pending: Array.from({length: 5000}, (_, index) => ({requestId: `request-${index}`}))};
		const text = `${'{ warning\n'.repeat(31)}${JSON.stringify(answer, null, 2)}`;
		expect([...jsonObjectsIn(text)]).toEqual([answer]);
	});
});

describe('a text of few bytes and many values', () => {
	it.each(['[],', '{},', '0,', '[[],', '{"a":0},'])('made of %s is not read', piece => {
		const values = piece.repeat((4 * MIB - 20) / piece.length);
		for (const text of [`[${values}0]`, `{"pending":[${values}0]}`]) {
			expect(isModest(text)).toBe(false);
			expect(parseBounded(text)).toBeUndefined();
			expect([...jsonObjectsIn(text)]).toEqual([]);
		}
	});

	it('is not what OpenClaw lists, however much that is', () => {
		const entry = {requestId: 'r'.repeat(36), deviceId: 'd'.repeat(64), scopes: Array(8).fill('operator.read'), ts: 1};
		const text = JSON.stringify({pending: Array(5000).fill(entry), paired: Array(5000).fill(entry)});
		expect(text.length).toBeGreaterThan(2 * MIB);
		expect(isModest(text)).toBe(true);
		expect(parseBounded(text)).toMatchObject({pending: {length: 5000}});
	});
});
