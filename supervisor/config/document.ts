import {readFileSync} from 'node:fs';
import {type Document, isMap, isNode, isScalar, LineCounter, parseDocument} from 'yaml';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {messageOf} from '../../worker/text.ts';
import {ConfigError} from './config.ts';

/** The largest configuration that is read, in characters. */
const MAX_FILE = 4 * 2 ** 20;

/** A key of the configuration by the names and indices that lead to it, as in `['sandboxes', 0, 'name']`. */
export type KeyPath = readonly PropertyKey[];

/** A configuration file that is YAML with a map at the top, and the lines on which its keys stand. */
export interface ConfigDocument {
	readonly file: string;
	readonly yaml: Document;
	readonly lines: LineCounter;
}

/** Reads a configuration file. Throws a {@link ConfigError} where others could change it, or where it is not YAML. */
export function readDocument(file: string): ConfigDocument {
	try {
		assertTrusted(file);
	} catch (error) {
		throw new ConfigError(`${file}: refused, since others could change it: ${messageOf(error)}`, {cause: error});
	}
	const lines = new LineCounter();
	const text = readBounded(file);
	const yaml = parseDocument(text, {lineCounter: lines, prettyErrors: false});
	const [error] = yaml.errors;
	if (error) {
		const {line} = lines.linePos(error.pos[0]);
		const key = error.code === 'DUPLICATE_KEY' ? (/^[^\s:]+/.exec(text.slice(error.pos[0])) ?? '') : '';
		throw new ConfigError(`${file}:${line}: ${key === '' ? '' : `${key}: `}${error.message}`);
	}
	if (yaml.contents !== null && !isMap(yaml.contents))
		throw new ConfigError(`${file}:1: must be a map of keys, such as sandboxes: […]`);
	return {file, yaml, lines};
}

/** What the document says, as a plain value. Aliases are resolved only here, so a {@link ConfigError} may be thrown for them. */
export function contentsOf({file, yaml}: ConfigDocument): Record<string, unknown> {
	try {
		return yaml.toJS() ?? {};
	} catch (error) {
		throw new ConfigError(`${file}:1: ${messageOf(error)}`, {cause: error});
	}
}

/** The value of one key at the top of a file that may be broken elsewhere, or `undefined`. */
export function valueIn(file: string, key: string): unknown {
	return parseDocument(readBounded(file)).get(key);
}

/** Where a key stands, to begin a message with: `FILE:LINE: sandboxes[0].name: `. */
export function placeOf({file, yaml, lines}: ConfigDocument, at: KeyPath): string {
	const key = at
		.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`))
		.join('');
	return `${file}:${lineOf(yaml, lines, at)}: ${key === '' ? '' : `${key}: `}`;
}

/** The line of the key, or of the nearest parent that stands in the file. */
function lineOf(yaml: Document, lines: LineCounter, at: KeyPath): number {
	for (let length = at.length; length > 0; length--) {
		const parent = yaml.getIn(at.slice(0, length - 1), true);
		const name = at[length - 1];
		if (isMap(parent)) {
			const key = parent.items.find(pair => isScalar(pair.key) && pair.key.value === name)?.key;
			if (isScalar(key) && key.range) return lines.linePos(key.range[0]).line;
		}
		const node = yaml.getIn(at.slice(0, length), true);
		if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
	}
	return 1;
}

function readBounded(file: string): string {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		throw new ConfigError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
	}
	if (text.length > MAX_FILE)
		throw new ConfigError(`${file}: is larger than ${MAX_FILE / 2 ** 20} MiB, which is too large for a configuration`);
	return text;
}
