import type * as z from 'zod';
import {printable} from '../../worker/text.ts';
import {type KeyPath, keyText} from './document.ts';
import type {Problem} from './problem.ts';
import {keysAt, placesOf} from './schema.ts';
import {didYouMean} from './suggestion.ts';

/** How many places are named where a key could belong. */
const MOST_PLACES = 2;

/** What the schema says, key by key; keys that it does not know first, since their absence where they belong may be what else is wrong. */
export function problemsOf(issues: readonly z.core.$ZodIssue[]): readonly Problem[] {
	const [unknown, others] = [true, false].map(isFirst =>
		issues.filter(({code}) => (code === 'unrecognized_keys') === isFirst).flatMap(problemsOfIssue),
	);
	return [...(unknown ?? []), ...(others ?? [])];
}

function problemsOfIssue(issue: z.core.$ZodIssue): Problem[] {
	switch (issue.code) {
		case 'unrecognized_keys':
			return issue.keys.map(key => ({at: [...issue.path, key], message: aboutUnknown(key, issue.path)}));
		case 'invalid_key':
			// Zod's own message says only that a key is wrong; what is wrong with it stands a level deeper.
			return [{at: issue.path, message: issue.issues[0]?.message ?? issue.message}];
		case 'invalid_union': {
			// Of what can be a word or a map, a map that is wrong inside is not wrong as a whole.
			const inner = issue.errors.find(branch =>
				branch.every(each => each.path.length > 0 || each.code === 'unrecognized_keys'),
			);
			if (!inner) return [{at: issue.path, message: issue.message}];
			return problemsOf(inner.map(each => ({...each, path: [...issue.path, ...each.path]}))).slice();
		}
		default:
			return [{at: issue.path, message: issue.message}];
	}
}

/** Where an unknown key belongs, or what it was meant to be, or what there is. */
function aboutUnknown(key: string, at: KeyPath): string {
	const problem = 'is not a key pairkeeper knows here';
	if (at[0] === 'defaults' && at.length === 1 && key === 'name')
		return 'is not for defaults: each sandbox has a name of its own';
	const elsewhere = [
		...new Set(
			placesOf(key)
				.toSorted((a, b) => a.length - b.length)
				.map(placeText),
		),
	].slice(0, MOST_PLACES);
	if (elsewhere.length > 0) return `${problem}; it belongs ${elsewhere.join(' or ')}; is it indented wrongly?`;
	const known = keysAt(at);
	const meant = didYouMean(key, known);
	if (meant !== '') return `${problem}${meant}`;
	return known.length > 12
		? `${problem}; is it misspelt, or indented wrongly?`
		: `${problem}; there are: ${known.map(name => printable(name)).join(', ')}`;
}

function placeText(at: KeyPath): string {
	if (at.length === 0) return 'at the top, without indent';
	const text = keyText(at).replaceAll('[0]', '');
	if (text === 'sandboxes') return 'to a sandbox';
	return text.startsWith('sandboxes.') ? `to the ${text.slice('sandboxes.'.length)} of a sandbox` : `to ${text}`;
}
