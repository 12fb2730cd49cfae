import {existsSync} from 'node:fs';
import path from 'node:path';
import {printable} from '../../worker/text.ts';
import type {Problem} from './problem.ts';
import type {ConfigFile} from './schema.ts';

/** Programs that make one line of the words they are given, for a shell at the other end to take apart again. */
const JOINING = ['ssh', 'slogin', 'autossh', 'rsh', 'adb'];

/** Programs before which such a one may stand. */
const BEFORE_JOINING = ['sudo', 'doas', 'sshpass', 'timeout', 'nice', 'env', 'setsid', 'runuser'];

const SHELLS = ['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'su', 'runuser'];

/** What is wrong with commands, as far as their words show it. */
export function commandProblems({sandboxes}: Pick<ConfigFile, 'sandboxes'>): readonly Problem[] {
	return sandboxes.flatMap(({exec, execInput, gateway}, index) => {
		const at = (...keys: string[]) => ['sandboxes', index, ...keys];
		return [
			...unseparated(exec, at('exec')),
			...joined(exec, at('exec')),
			...unseparated(execInput ?? [], at('execInput')),
			...joined(execInput ?? [], at('execInput')),
			...unseparated(gateway?.tokenCommand ?? [], at('gateway', 'tokenCommand')),
		];
	});
}

/** A command line in one word, where a list of words is wanted. A program's path may have blanks in it. */
function unseparated([program = '']: readonly string[], at: Problem['at']): Problem[] {
	const words = program.trim().split(/\s+/);
	if (words.length < 2 || existsSync(program)) return [];
	const message = `"${printable(program, 60)}" is one word, and taken for the name of a program; write each word by itself: [${printable(words.join(', '), 60)}]`;
	return [{at, message}];
}

/** The calls' words must arrive as they are: some of them are scripts. */
function joined(words: readonly string[], at: Problem['at']): Problem[] {
	const joining = joiningWord(words);
	if (joining === null) return [];
	const message = `${joining} joins its words to one line, which a shell at the other end takes apart again, so calls would end in a syntax error; put a script before it that quotes each word (README: A sandbox behind ssh)`;
	return [{at, message}];
}

function joiningWord(words: readonly string[]): string | null {
	const names = words.map(word => path.basename(word));
	const [first = '', ...rest] = names;
	if (JOINING.includes(first)) return first;
	// A shell that is given a text takes only the first word for it.
	const shell = rest.at(-1) === '-c' ? names.findLast(word => SHELLS.includes(word)) : undefined;
	if (shell !== undefined) return `${shell} -c`;
	return BEFORE_JOINING.includes(first) ? (rest.find(word => JOINING.includes(word)) ?? null) : null;
}
