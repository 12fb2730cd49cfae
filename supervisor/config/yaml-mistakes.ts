import {
	type Document,
	isAlias,
	isCollection,
	isMap,
	isScalar,
	isSeq,
	type LineCounter,
	visit,
	type YAMLError,
} from 'yaml';
import {printable} from '../../worker/text.ts';

/** What keeps a text from being the YAML that a configuration needs. */
export interface YamlMistake {
	/** From 1. */
	readonly line: number;
	/** The key on that line, or the nearest one above; `null` where there is none. */
	readonly key: string | null;
	readonly message: string;
}

/** A text that was parsed, and where its lines begin. */
interface Parsed {
	readonly text: string;
	readonly yaml: Document;
	readonly lines: LineCounter;
}

/** What is said of it. The line is that of the mistake, where it can be told, and not the one on which the parser gave up. */
interface Finding {
	/** An offset into the text. */
	readonly at: number;
	readonly message: string;
}

const NO_KEY = 'is not of the form key: value; is the colon missing, or the space after it?';

/** The first mistake, or `null`. All that follows one is usually its consequence. */
export function firstMistake(parsed: Parsed): YamlMistake | null {
	const [error] = [...parsed.yaml.errors, ...parsed.yaml.warnings];
	const finding = error ? findingOf(error, parsed) : (strayQuote(parsed) ?? unusable(parsed));
	return finding && placed(finding, parsed);
}

/** Why the document could not be made a value: what its aliases and merge keys refer to. */
export function referenceMistake(parsed: Parsed): YamlMistake {
	return placed(
		missingAnchor(parsed) ??
			badMerge(parsed) ?? {at: 0, message: 'has more aliases (*name) than a configuration needs; write some of it out'},
		parsed,
	);
}

function placed({at, message}: Finding, {text, lines}: Parsed): YamlMistake {
	const {line, col} = lines.linePos(at);
	return {line, key: keyNear(text.split('\n'), line, col), message};
}

/** The last key that begins before the column, else the first of the line, else one of the nearest line above that has any. */
function keyNear(texts: readonly string[], line: number, column: number): string | null {
	for (let index = line - 1; index >= 0; index--) {
		const text = (texts[index] ?? '').replace(/(^|\s)#.*/, '');
		const keys = [...text.matchAll(/(?<=^|[\s{["'])([\w*<][\w.<-]*)["']?\s*:(?=\s|$)/g)];
		const isSameLine = index === line - 1;
		const key = keys.findLast(({index: begin}) => !isSameLine || begin < column) ?? keys[0];
		if (key) return printable(key[1] ?? '', 80);
	}
	return null;
}

function findingOf({code, message, pos}: YAMLError, parsed: Parsed): Finding {
	const {text, yaml, lines} = parsed;
	const [at, end] = pos;
	const open = openQuote(at, parsed);
	if (open) return open;
	switch (code) {
		case 'DUPLICATE_KEY':
			return {at, message: 'stands twice in the same map; remove one of the two'};
		case 'TAB_AS_INDENT':
			return {at, message: 'is indented with a tab; use spaces'};
		case 'BAD_INDENT':
		case 'BLOCK_IN_FLOW':
			return openBracket(at, parsed) ?? {at, message: differentIndent(at, parsed)};
		case 'MISSING_CHAR':
			if (message.includes('quote')) return {at, message: 'a quote that was opened is not closed; put one at the end'};
			if (message.startsWith('Sequence'))
				return {
					at,
					message:
						'is indented less than the keys of the list entry above it, and no entry itself; indent it as they are, or put a - before it',
				};
			return (
				openBracket(at, parsed) ?? {at, message: 'a character is missing here, such as a colon, a comma or a bracket'}
			);
		case 'BLOCK_AS_IMPLICIT_KEY':
		case 'MULTILINE_IMPLICIT_KEY':
			return nestedKey(
				at,
				Math.max(end, ...yaml.errors.map(error => (error.pos[0] === at ? error.pos[1] : 0))),
				parsed,
			);
		case 'BAD_SCALAR_START':
			return {at, message: `a text cannot begin with ${text[at]} without quotes; write it in 'single quotes'`};
		case 'BAD_DQ_ESCAPE':
			return {at, message: 'a backslash means something else in "double quotes"; write the text in \'single quotes\''};
		case 'TAG_RESOLVE_FAILED':
			return {at, message: "tags are not known here; write a text that begins with ! in 'single quotes'"};
		case 'MULTIPLE_DOCS':
			return {at, message: 'a line of --- begins a second document, and only one is read; remove it'};
		case 'UNEXPECTED_TOKEN':
			return (
				openBracket(at, parsed) ?? {
					at: lines.linePos(at).col === 1 ? at : Math.max(at - 1, 0),
					message:
						'something stands here that does not belong here; is a quote, comma or bracket missing, or an indent wrong?',
				}
			);
		default:
			return {at, message: 'cannot be read as YAML; look at the indent, the quotes and the brackets here'};
	}
}

/** A quoted text that goes on over its line, and after which something is wrong: it was meant to end before. */
function openQuote(at: number, {text, yaml, lines}: Parsed): Finding | null {
	const found: Finding[] = [];
	visit(yaml, {
		Scalar(_, {type, range}) {
			if ((type !== 'QUOTE_DOUBLE' && type !== 'QUOTE_SINGLE') || !range || range[0] > at) return;
			if (lines.linePos(range[0]).line === lines.linePos(Math.max(range[1] - 1, range[0])).line) return;
			found.push({
				at: range[0],
				message: `a ${text[range[0]]} is opened on this line and not closed; put one at the end of the text`,
			});
		},
	});
	return found[0] ?? null;
}

/** The innermost list or map in brackets that has no end. */
function openBracket(at: number, {text, yaml}: Parsed): Finding | null {
	const found: Finding[] = [];
	visit(yaml, {
		Collection(_, {flow, range}) {
			if (!flow || !range || range[0] > at) return;
			const opening = text[range[0]];
			const closing = opening === '[' ? ']' : '}';
			if (text[range[1] - 1] !== closing)
				found.push({
					at: range[0],
					message: `a ${opening} is opened on this line and not closed; put a ${closing} at its end`,
				});
		},
	});
	return found.at(-1) ?? null;
}

/** A line whose indent fits none above it, and the one that it was probably meant to be like. */
function differentIndent(at: number, {text, lines}: Parsed): string {
	const texts = text.split('\n');
	const {line} = lines.linePos(at);
	const indent = indentOf(texts[line - 1] ?? '');
	let like = 0;
	for (let number = line - 1; number > 0; number--) {
		const above = texts[number - 1] ?? '';
		if (/^\s*(#|$)/.test(above)) continue;
		const isDeeper = indentOf(above) > indent;
		if (like === 0 || (isDeeper && indentOf(above) <= indentOf(texts[like - 1] ?? ''))) like = number;
		if (!isDeeper) break;
	}
	const key = keyNear(texts.slice(0, like), like, 1);
	const other = key === null ? 'the keys beside it' : `${key} on line ${like}`;
	return `is indented differently from ${other}; keys of one map begin in the same column`;
}

function indentOf(line: string): number {
	return line.length - line.trimStart().length;
}

/** A key that stands where a value ends: on the line of another key, on the next one but deeper, or a line that is no key at all. */
function nestedKey(at: number, end: number, {text, lines}: Parsed): Finding {
	const {line: begin, col} = lines.linePos(at);
	const last = lines.linePos(end).line;
	const texts = text.split('\n');
	const line = texts[begin - 1] ?? '';
	if (/^\s*- /.test(line) && col <= indentOf(line) + 1)
		return {at, message: 'is indented differently from the entries of the list beside it, or from the key above it'};
	if (begin === last) {
		return /:\s.*:(\s|$)/.test(line)
			? {
					at,
					message:
						'a second colon stands on this line; put the value in quotes, or the second key on a line of its own',
				}
			: {at, message: NO_KEY};
	}
	if (!/:(\s|$)/.test(line.replace(/^[\s-]+/, ''))) return {at, message: NO_KEY};
	const below = texts.findIndex((each, index) => index >= begin && !/^\s*(#|$)/.test(each));
	return {
		at: lines.lineStarts[below] ?? at,
		message: 'is indented deeper than the key above it, which has a value already',
	};
}

/** A quote at the end of a text that has none at its beginning. */
function strayQuote({yaml}: Parsed): Finding | null {
	const found: Finding[] = [];
	visit(yaml, {
		Scalar(_, {type, range, value}) {
			if (type !== 'PLAIN' || !range || typeof value !== 'string') return;
			const quote = value.at(-1) ?? '';
			if (!/["']/.test(quote) || value.split(quote).length % 2 === 1) return;
			found.push({at: range[0], message: `a text ends with ${quote} and does not begin with one; put one there too`});
		},
	});
	return found[0] ?? null;
}

/** What YAML allows and no configuration is made of. */
function unusable(parsed: Parsed): Finding | null {
	const found: Finding[] = [];
	visit(parsed.yaml, {
		Pair(_, {key}) {
			if (isCollection(key))
				found.push({at: key.range?.[0] ?? 0, message: 'a key must be a word; a list or map stands there'});
		},
	});
	return found[0] ?? missingAnchor(parsed);
}

function missingAnchor({yaml}: Parsed): Finding | null {
	const found: Finding[] = [];
	visit(yaml, {
		Alias(_, alias) {
			if (alias.resolve(yaml) !== undefined) return;
			const name = printable(alias.source, 40);
			found.push({
				at: alias.range?.[0] ?? 0,
				message: `*${name} stands for what &${name} marks, and nothing above is marked so; write a text that begins with * in quotes`,
			});
		},
	});
	return found[0] ?? null;
}

function badMerge({yaml}: Parsed): Finding | null {
	const found: Finding[] = [];
	const isMapOrAlias = (node: unknown) => isMap(isAlias(node) ? node.resolve(yaml) : node);
	visit(yaml, {
		Pair(_, {key, value}) {
			if (!isScalar(key) || key.source !== '<<') return;
			if (isMapOrAlias(value) || (isSeq(value) && value.items.every(isMapOrAlias))) return;
			const message = 'must be a map that is marked above, such as <<: *alpha, or a list of them';
			found.push({at: key.range?.[0] ?? 0, message});
		},
	});
	return found[0] ?? null;
}
