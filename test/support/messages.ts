// Every text in the source that people may be shown, found in its syntax: nobody has to remember to add one to a list.
import {globSync, readFileSync} from 'node:fs';
import {stripTypeScriptTypes} from 'node:module';
import path from 'node:path';
import {type AnyNode, type Node, parse} from 'acorn';
import {ancestor} from 'acorn-walk';

const root = path.resolve(import.meta.dirname, '../..');

/** A text of two words or more, with `…` for what is filled in. */
export interface SourceText {
	/** From the project's root. */
	readonly file: string;
	readonly line: number;
	readonly text: string;
}

/** Two words after each other: not a key, a path or a word of a command line. */
const WORDS = /\p{Letter}{2,}[,;:)]* \(?\p{Letter}{2,}/u;

/** What these are called with is help, a word of the configuration that stands behind "must be", or a mistake of our own that nobody can act on. */
const NOT_SHOWN = [
	...['description', 'option', 'argument', 'command', 'Option', 'Argument', 'showHelpAfterError'],
	...['wanted', 'describe', 'TypeError'],
];

/** What is logged at these levels is neither a warning nor an error. */
const NO_WARNING = ['info', 'debug'];

/** The texts of all files that ship, but for what is called out in {@link NOT_SHOWN} and what only goes on with a text (`; did you mean …`). */
export function textsInSource(): readonly SourceText[] {
	const files = globSync('{supervisor,worker}/**/*.{ts,cts}', {cwd: root}).toSorted();
	return files.flatMap(file => textsIn(file, readFileSync(path.join(root, file), 'utf8')));
}

/** The texts of one file, as {@link textsInSource}. */
export function textsIn(file: string, source: string): readonly SourceText[] {
	const texts: SourceText[] = [];
	const take = (node: Node, ancestors: readonly Node[], text: string) => {
		if (!WORDS.test(text) || /^[\s,;:.(]/.test(text) || ancestors.some(isNotShown)) return;
		texts.push({file, line: node.loc?.start.line ?? 0, text});
	};
	const program = parse(stripTypeScriptTypes(source), {
		ecmaVersion: 'latest',
		sourceType: file.endsWith('.cts') ? 'script' : 'module',
		locations: true,
	});
	ancestor(program, {
		Literal: (node, _, ancestors) => typeof node.value === 'string' && take(node, ancestors, node.value),
		TemplateLiteral: (node, _, ancestors) =>
			take(node, ancestors, node.quasis.map(({value}) => value.cooked ?? '').join('…')),
	});
	return texts;
}

function isNotShown(node: Node): boolean {
	const call = node as AnyNode;
	if (call.type !== 'CallExpression' && call.type !== 'NewExpression') return false;
	const [first] = call.arguments;
	if (first?.type === 'Literal' && NO_WARNING.includes(String(first.value))) return true;
	return NOT_SHOWN.includes(nameOf(call.callee));
}

function nameOf(callee: AnyNode): string {
	if (callee.type === 'Identifier') return callee.name;
	return callee.type === 'MemberExpression' && callee.property.type === 'Identifier' ? callee.property.name : '';
}
