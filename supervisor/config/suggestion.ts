import {closestMatch} from 'leven';

/** The known word that was probably meant by `text`, or `null`: capitals, hyphens and underscores do not count, nor do a letter or two. */
export function meant(text: string, known: readonly string[]): string | null {
	const plain = plainly(text);
	if (plain === '') return null;
	const same = known.find(word => plainly(word) === plain);
	if (same !== undefined) return same;
	// In a short word one letter is much.
	const maxDistance = plain.length < 4 ? 1 : plain.length < 8 ? 2 : 3;
	const closest = closestMatch(plain, known.map(plainly), {maxDistance});
	if (closest !== undefined) return known.find(word => plainly(word) === closest) ?? null;
	const longer = plain.length < 4 ? [] : known.filter(word => plainly(word).startsWith(plain));
	return longer.length === 1 ? (longer[0] ?? null) : null;
}

/** The end of a message about `text`: `; did you mean slowInterval?`, or nothing. */
export function didYouMean(text: string, known: readonly string[]): string {
	const word = meant(text, known);
	return word === null ? '' : `; did you mean ${word}?`;
}

function plainly(word: string): string {
	return word.toLowerCase().replaceAll(/[-_\s]/g, '');
}
