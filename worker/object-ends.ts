/** Where a JSON object may stand in a text: it begins with a bracket that is the first thing in a line. */
export interface Candidate {
	readonly from: number;
	/** Behind the bracket that closes it; `null` where none does, or where it is nested deeper than `MAX_DEPTH`. */
	readonly end: number | null;
}

/** Deepest nesting that is read; OpenClaw's own answers need five. One bit each in a group's mask. */
export const MAX_DEPTH = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NONE = -1;

/**
 * Finds all of them, in order, in one pass. Whether a quote opens or closes a string depends on where one began to read, so each candidate is read on its own; but
 * those that are within a string, or not, at the same place, are read alike from there on. So there are never more than three ways to read on, however
 * many brackets are left open.
 */
export function* candidatesIn(text: string): Generator<Candidate> {
	const starts: number[] = [];
	const ends: number[] = [];
	const chain: number[] = [];
	let plain = new Group(chain);
	let quoted = new Group(chain);
	/** Within a string, behind a backslash: what comes next means nothing to them. */
	let escaped = new Group(chain);
	let spare = new Group(chain);
	let isEscaped = false;
	let isLineStart = true;
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		// Letters and digits, most of a text, mean nothing but the end of an escape.
		if (!isEscaped && isPlain(code)) {
			isLineStart = false;
			continue;
		}
		const skipping = escaped;
		const wasEscaped = isEscaped;
		isEscaped = false;
		switch (code) {
			case QUOTE:
				[plain, quoted] = [quoted, plain];
				break;
			case BACKSLASH:
				[escaped, quoted, spare] = [quoted, spare, skipping];
				isEscaped = true;
				break;
			case 0x7b: // {
			case 0x5b: // [
				plain.open();
				if (isLineStart && code === 0x7b) {
					plain.add(starts.length);
					starts.push(index);
					ends.push(NONE);
					chain.push(NONE);
				}
				break;
			case 0x7d: // }
			case 0x5d: // ]
				for (let each = plain.close(); each !== NONE; each = chain[each] ?? NONE) ends[each] = index + 1;
				break;
		}
		if (wasEscaped) quoted.take(skipping);
		isLineStart = isLineEnd(code) || (isLineStart && (code === 0x20 || code === 0x09));
	}
	for (const [index, from] of starts.entries()) {
		const end = ends[index] ?? NONE;
		yield {from, end: end === NONE ? null : end};
	}
}

function isPlain(code: number): boolean {
	return code > 0x20 && code !== QUOTE && (code < 0x5b || (code > 0x5d && code < 0x7b));
}

/** What `^` takes for the end of a line before it (ECMAScript: LineTerminator). */
function isLineEnd(code: number): boolean {
	return code === 0x0a || code === 0x0d || code === 0x2028 || code === 0x2029;
}

/** Candidates that are read alike from here on, by how many brackets each has open; at each depth they are linked in `chain`, by their numbers. */
class Group {
	readonly #chain: number[];
	/** A ring: what is at a depth now was one less deep before the last bracket, in the same place. */
	readonly #heads = new Int32Array(MAX_DEPTH);
	readonly #tails = new Int32Array(MAX_DEPTH);
	/** A bit for each place of the ring that holds something. */
	#mask = 0;
	#opened = 0;

	constructor(chain: number[]) {
		this.#chain = chain;
	}

	/** A bracket opens: whatever was as deep as may be is not closed any more. */
	open(): void {
		this.#opened++;
		this.#mask &= ~(1 << this.#placeOf(1));
	}

	/** A bracket closes; returns the first of those that it ends. */
	close(): number {
		const place = this.#placeOf(1);
		this.#opened--;
		if ((this.#mask & (1 << place)) === 0) return NONE;
		this.#mask &= ~(1 << place);
		return this.#heads[place] ?? NONE;
	}

	/** A candidate begins with the bracket that has just been opened. */
	add(candidate: number): void {
		this.#link(this.#placeOf(1), candidate, candidate);
	}

	/** Takes over all that another one holds. */
	take(other: Group): void {
		for (let place = 0; other.#mask !== 0; place++) {
			if ((other.#mask & (1 << place)) === 0) continue;
			other.#mask &= ~(1 << place);
			const depth = 1 + ((place + other.#opened) & (MAX_DEPTH - 1));
			this.#link(this.#placeOf(depth), other.#heads[place] ?? NONE, other.#tails[place] ?? NONE);
		}
	}

	#placeOf(depth: number): number {
		return (depth - 1 - this.#opened) & (MAX_DEPTH - 1);
	}

	#link(place: number, head: number, tail: number): void {
		if ((this.#mask & (1 << place)) === 0) this.#heads[place] = head;
		else this.#chain[this.#tails[place] ?? NONE] = head;
		this.#tails[place] = tail;
		this.#mask |= 1 << place;
	}
}
