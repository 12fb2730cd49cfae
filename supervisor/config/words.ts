import type * as z from 'zod';
import {printable} from '../../worker/text.ts';
import {didYouMean} from './suggestion.ts';

/** The longest text of a configuration that a message repeats, in characters. */
const LONGEST_SHOWN = 60;

type Issue = z.core.$ZodRawIssue;

/** How zod calls the kinds of values, and how a person does. */
const KINDS: Readonly<Record<string, string>> = {
	string: 'a text',
	number: 'a number',
	int: 'a whole number',
	boolean: 'true or false',
	array: 'a list, such as [a, b]',
	object: 'a map of keys, such as {key: value}',
	record: 'a map of keys, such as {KEY: value}',
};

/** A value of a configuration as a message shows it. */
export function shown(value: unknown): string {
	if (typeof value === 'string') return JSON.stringify(printable(value, LONGEST_SHOWN));
	if (value === null) return 'nothing';
	if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
	return typeof value === 'object' ? 'a map of keys' : printable(String(value), LONGEST_SHOWN);
}

/** As {@link shown} for a value that may be a secret in the wrong place: only what kind it is of. */
function shownKind(value: unknown): string {
	if (typeof value === 'string') return value === '' ? 'an empty text' : 'what stands there';
	return typeof value === 'number' ? 'a number' : shown(value);
}

/**
 * For a key's schema: says what is wanted, and what stands there instead. `what` reads on after "must be", and has an example. A `isPrivate` value
 * is not repeated; of a text, what YAML took for something else is explained.
 */
export function wanted(
	what: string,
	{isPrivate = false, isText = false} = {},
): {readonly error: (issue: Issue) => string} {
	return {
		error: ({input}) => {
			if (input === undefined) return `is missing; it must be ${what}`;
			const found = isPrivate ? shownKind(input) : shown(input);
			return `must be ${what}, not ${found}${isText ? textHint(input) : ''}`;
		},
	};
}

/** For an enumeration's schema. */
export function oneOf(...values: readonly string[]): {readonly error: (issue: Issue) => string} {
	return {error: ({input}) => `must be ${either(values)}, not ${shown(input)}${suggestionFor(input, values)}`};
}

/** What the schema says where a key has no words of its own. Given to the parser, so that its own texts are never shown. */
export function inWords(issue: Issue): string {
	const {input} = issue;
	switch (issue.code) {
		case 'invalid_type': {
			const kind = KINDS[issue.expected] ?? 'something else';
			return input === undefined
				? `is missing; it must be ${kind}`
				: `must be ${kind}, not ${shown(input)}${issue.expected === 'string' ? textHint(input) : ''}`;
		}
		case 'invalid_value': {
			const values = issue.values.map(String);
			return `must be ${either(values)}, not ${shown(input)}${suggestionFor(input, values)}`;
		}
		case 'too_small':
			return `must ${sizeOf(issue.origin, `at least ${issue.minimum}`)}, not ${shown(input)}`;
		case 'too_big':
			return `must ${sizeOf(issue.origin, `at most ${issue.maximum}`)}, not ${shown(input)}`;
		default:
			return `cannot be ${shown(input)}`;
	}
}

function sizeOf(origin: string, bound: string): string {
	if (origin === 'array') return `have ${bound} entries`;
	return origin === 'string' ? `have ${bound} characters` : `be ${bound}`;
}

function either(values: readonly string[]): string {
	return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

function suggestionFor(input: unknown, values: readonly string[]): string {
	return typeof input === 'string' ? didYouMean(input, values) : '';
}

/** How to write a text that YAML takes for something else. */
function textHint(input: unknown): string {
	if (typeof input === 'number' || typeof input === 'boolean') return `; if it is meant as a text, write '${input}'`;
	if (typeof input !== 'object' || input === null || Array.isArray(input)) return '';
	const [[name, value] = ['', true], ...more] = Object.entries(input);
	return value === null && more.length === 0 && /^\w+$/.test(name) ? `; put it in quotes: "{${name}}"` : '';
}
