import * as z from 'zod';
import {wanted} from './words.ts';

const PLAIN = {error: 'must not hold a NUL or a line break'};

/** A text that can be an argument of a program. */
export const word = z
	.string(wanted('a text, such as alpha', {isText: true}))
	.min(1, {error: 'must not be empty'})
	.refine(isPlain, PLAIN);

/** A list of words; `example` shows how one is written. */
export const words = (example: string) => z.array(word, wanted(`a list of words, such as ${example}`));

/** A list of words that begins with a program. */
export const program = (example: string) => words(example).min(1, {error: 'must name a program'});

/** Whether a text is one line, and can be handed to a program. */
export function isPlain(text: string): boolean {
	return !/[\0\n\r]/.test(text);
}
