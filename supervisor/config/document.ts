import {readFileSync} from 'node:fs';
import {type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument} from 'yaml';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {printable} from '../../worker/text.ts';
import {errnoInWords} from '../host/errno.ts';
import {distrustOf} from '../host/own-directory.ts';
import {ConfigError} from './config.ts';
import {firstMistake, referenceMistake, type YamlMistake} from './yaml-mistakes.ts';

/** The largest configuration that is read, in characters. */
const MAX_FILE = 4 * 2 ** 20;

/** What to do where it is not for us to say who may write a directory. */
const ELSEWHERE =
	'keep it as a file of your own in a directory that only you can change, such as /etc/pairkeeper or ~/.config/pairkeeper';

/** A key of the configuration by the names and indices that lead to it, as in `['sandboxes', 0, 'name']`. */
export type KeyPath = readonly PropertyKey[];

/** A configuration file that is YAML with a map at the top, and the lines on which its keys stand. */
export interface ConfigDocument {
	readonly file: string;
	readonly text: string;
	readonly yaml: Document;
	readonly lines: LineCounter;
}

/** Reads a configuration file. Throws a {@link ConfigError} where others could change it, or where it is not YAML. */
export function readDocument(file: string): ConfigDocument {
	try {
		assertTrusted(file);
	} catch (error) {
		throw new ConfigError(`${file}: refused, since others could change it: ${distrustOf(error, ELSEWHERE)}`);
	}
	const lines = new LineCounter();
	const text = readBounded(file);
	const yaml = parseDocument(text, {lineCounter: lines, prettyErrors: false, merge: true, logLevel: 'error'});
	const mistake = firstMistake({text, yaml, lines});
	if (mistake) throw mistaken(file, mistake);
	if (yaml.contents !== null && !isMap(yaml.contents))
		throw new ConfigError(`${file}:1: must be a map of keys, such as sandboxes: […]`);
	return {file, text, yaml, lines};
}

/** What the document says, as a plain value. Aliases are resolved only here, so a {@link ConfigError} may be thrown for them. */
export function contentsOf({file, ...parsed}: ConfigDocument): Record<string, unknown> {
	try {
		return parsed.yaml.toJS() ?? {};
	} catch (error) {
		throw new ConfigError(mistaken(file, referenceMistake(parsed)).message, {cause: error});
	}
}

/** Whether nothing stands in the file, or nothing but comments. */
export function isEmpty({yaml}: ConfigDocument): boolean {
	return yaml.contents === null;
}

/** The value of one key at the top of a file that may be broken elsewhere, or `undefined`. */
export function valueIn(file: string, key: string): unknown {
	return parseDocument(readBounded(file), {logLevel: 'error'}).get(key);
}

/** Where a key stands, to begin a message with: `FILE:LINE: sandboxes[0].name: `. */
export function placeOf({file, yaml, lines}: ConfigDocument, at: KeyPath): string {
	const key = keyText(at);
	return `${file}:${lineOf(yaml, lines, at)}: ${key === '' ? '' : `${key}: `}`;
}

/** A key's path as a person writes it: `sandboxes[0].name`. */
export function keyText(at: KeyPath): string {
	return at
		.map((part, index) =>
			typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${printable(String(part), 80)}`,
		)
		.join('');
}

function mistaken(file: string, {line, key, message}: YamlMistake): ConfigError {
	return new ConfigError(`${file}:${line}: ${key === null ? '' : `${key}: `}${message}`);
}

/** The line of the key, or of the nearest parent that stands in the file; what is taken over by alias or merge key stands where it is marked. */
function lineOf(yaml: Document, lines: LineCounter, at: KeyPath): number {
	let node: unknown = yaml.contents;
	let offset = startOf(node) ?? 0;
	for (const part of at) {
		const container = isAlias(node) ? node.resolve(yaml) : node;
		if (isSeq(container)) {
			node = container.items[Number(part)];
			offset = startOf(node) ?? offset;
		} else if (isMap(container)) {
			const pair = pairIn(yaml, container.items, String(part));
			if (!pair) break;
			offset = startOf(pair.key) ?? offset;
			node = pair.value;
		} else break;
	}
	return lines.linePos(offset).line;
}

function startOf(node: unknown): number | undefined {
	return (node as Partial<Node> | null | undefined)?.range?.[0];
}

/** The pair of this name: the map's own, else that of what it merges. */
function pairIn(yaml: Document, items: readonly Pair[], name: string): Pair | undefined {
	const own = items.findLast(({key}) => isScalar(key) && String(key.value) === name);
	if (own) return own;
	for (const {key, value} of items) {
		if (!isScalar(key) || key.source !== '<<') continue;
		const source = isAlias(value) ? value.resolve(yaml) : value;
		for (const each of isSeq(source) ? source.items : [source]) {
			const map = isAlias(each) ? each.resolve(yaml) : each;
			const found = isMap(map) ? pairIn(yaml, map.items, name) : undefined;
			if (found) return found;
		}
	}
	return undefined;
}

function readBounded(file: string): string {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		throw new ConfigError(`${file}: cannot be read: ${errnoInWords((error as NodeJS.ErrnoException).code)}`);
	}
	if (text.length > MAX_FILE)
		throw new ConfigError(`${file}: is larger than ${MAX_FILE / 2 ** 20} MiB, which is too large for a configuration`);
	return text;
}
