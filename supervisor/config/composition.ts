import {globSync, realpathSync} from 'node:fs';
import path from 'node:path';
import {errnoInWords} from '../host/errno.ts';
import {ConfigError} from './config.ts';
import {type ConfigDocument, contentsOf, type KeyPath, keyText, placeOf, readDocument} from './document.ts';
import {fillIn, isMap, isOwn, laidOver} from './layers.ts';
import {didYouMean} from './suggestion.ts';

/** How many files may be included. */
const MAX_INCLUDED = 1000;

/** Stands for what is filled in where `defaults` and templates are looked at by themselves. */
export const SOME_SANDBOX = {name: 'name', port: 18_789, host: '127.0.0.1'};
const SOME_NAME = SOME_SANDBOX.name;

/** Where a key of the composed configuration was written. */
export interface Origin {
	readonly document: ConfigDocument;
	readonly at: KeyPath;
	/** The sandbox for which it stands there, where it stands there for all. */
	readonly sandbox: string | null;
}

/** A configuration with the sandboxes of all its files, each laid over what all of them get. Nothing of it is checked yet. */
export interface Composition {
	readonly value: Readonly<Record<string, unknown>>;
	readonly originOf: (at: KeyPath) => Origin;
	/** Where a key was written, to begin a message with; of an included file also what includes it. */
	readonly placeOf: (at: KeyPath) => string;
}

/** A file, and what it has of sandboxes. */
interface Part {
	readonly document: ConfigDocument;
	/** `null`: no list. */
	readonly sandboxes: readonly unknown[] | null;
	/** What includes it; empty for the file that is read first. */
	readonly includedBy: string;
}

/** Reads the files that `main` includes, and composes. Throws a {@link ConfigError} that names all that is wrong with them. */
export function compose(main: ConfigDocument): Composition {
	const contents = contentsOf(main);
	const own: Part = {document: main, sandboxes: listOf(contents.sandboxes), includedBy: ''};
	const included = includedFiles(main, contents.include).map(({file, at}) => includedPart(file, main, at));
	const parts = [own, ...included];
	const defaults = isMap(contents.defaults) ? contents.defaults : {};
	const entries = parts.flatMap(({document, sandboxes, includedBy}) =>
		(sandboxes ?? []).map((entry, index) => ({document, includedBy, entry, index})),
	);

	const originOf = (at: KeyPath): Origin => {
		const [top, index, ...rest] = at;
		const found = top === 'sandboxes' && typeof index === 'number' && own.sandboxes ? entries[index] : undefined;
		if (!found) return {document: main, at, sandbox: null};
		const {document, entry} = found;
		const isDefault = isMap(entry) && !isOwn(entry, rest) && Object.hasOwn(defaults, rest[0] ?? '');
		return isDefault
			? {document: main, at: ['defaults', ...rest], sandbox: nameOf(entry)}
			: {document, at: ['sandboxes', found.index, ...rest], sandbox: null};
	};
	return {
		value: {
			...contents,
			...('defaults' in contents ? {defaults: fillIn(contents.defaults, {name: SOME_NAME})} : {}),
			...('discover' in contents ? {discover: withFilledTemplates(contents.discover)} : {}),
			// What is no list stays as it is, to be complained of.
			...(own.sandboxes && entries.length > 0
				? {sandboxes: entries.map(({entry}) => laidOverDefaults(entry, defaults))}
				: {}),
		},
		originOf,
		placeOf: at => {
			const {document, at: written} = originOf(at);
			const part = parts.find(each => each.document === document);
			return placeIn(document, written, part?.includedBy ?? '');
		},
	};
}

/** As they will be once it is known what for; what is no template stays as it is. */
function withFilledTemplates(discover: unknown): unknown {
	if (!Array.isArray(discover)) return discover;
	return discover.map((entry: unknown) =>
		isMap(entry) && 'template' in entry ? {...entry, template: fillIn(entry.template, SOME_SANDBOX)} : entry,
	);
}

/** An absent list is an empty one. */
function listOf(value: unknown): readonly unknown[] | null {
	if (value === undefined) return [];
	return Array.isArray(value) ? value : null;
}

function laidOverDefaults(entry: unknown, defaults: Readonly<Record<string, unknown>>): unknown {
	if (!isMap(entry)) return entry;
	const filled = fillIn(defaults, {name: nameOf(entry) ?? SOME_NAME});
	return laidOver(entry, isMap(filled) ? filled : {});
}

function nameOf(entry: Readonly<Record<string, unknown>>): string | null {
	return typeof entry.name === 'string' ? entry.name : null;
}

function placeIn(document: ConfigDocument, at: KeyPath, includedBy: string): string {
	const place = placeOf(document, at);
	return includedBy === '' ? place : `${includedBy}${place}`;
}

/** The files that `include` names, in order, each once, and the key that names it. */
function includedFiles(main: ConfigDocument, include: unknown): {readonly file: string; readonly at: KeyPath}[] {
	// What is no list of texts is complained of later.
	const patterns = Array.isArray(include) ? include : [];
	const folder = path.dirname(main.file);
	const files = new Map<string, KeyPath>();
	for (const [index, pattern] of patterns.entries()) {
		if (typeof pattern !== 'string' || pattern === '') continue;
		const at: KeyPath = ['include', index];
		for (const file of filesOf(pattern, folder, () => placeOf(main, at))) if (!files.has(file)) files.set(file, at);
	}
	if (files.size > MAX_INCLUDED)
		throw new ConfigError(`${placeOf(main, ['include'])}names ${files.size} files, and ${MAX_INCLUDED} are the most`);
	return [...files].map(([file, at]) => ({file, at}));
}

/** A plain path must exist, a pattern may match nothing. */
function filesOf(pattern: string, folder: string, place: () => string): string[] {
	const plain = path.resolve(folder, pattern);
	if (!/[*?[{]/.test(pattern)) {
		try {
			return [realpathSync(plain) && plain];
		} catch (error) {
			const {code} = error as NodeJS.ErrnoException;
			throw new ConfigError(
				`${place()}${plain} cannot be read: ${errnoInWords(code)}; write it, or name a pattern such as conf.d/*.yaml, which may match nothing`,
			);
		}
	}
	return globSync(pattern, {cwd: folder})
		.map(found => path.resolve(folder, found))
		.toSorted();
}

/** Reads a file that may hold nothing but sandboxes. */
function includedPart(file: string, main: ConfigDocument, at: KeyPath): Part {
	const includedBy = placeOf(main, at);
	let document: ConfigDocument;
	let contents: Record<string, unknown>;
	try {
		document = readDocument(file);
		contents = contentsOf(document);
	} catch (error) {
		throw error instanceof ConfigError ? new ConfigError(`${includedBy}${error.message}`, {cause: error}) : error;
	}
	const foreign = Object.keys(contents).filter(key => key !== 'sandboxes');
	const problems = foreign.map(key => {
		const place = placeIn(document, [key], includedBy);
		const meant = didYouMean(key, ['sandboxes']);
		return `${place}an included file holds nothing but sandboxes${meant === '' ? `; move it to ${main.file}` : meant}`;
	});
	const sandboxes = listOf(contents.sandboxes);
	if (!sandboxes) {
		const place = placeIn(document, ['sandboxes'], includedBy);
		problems.push(`${place}must be a list of sandboxes, such as [{name: alpha, exec: [docker, exec, alpha]}]`);
	}
	if (problems.length > 0) throw new ConfigError(problems.join('\n'));
	return {document, sandboxes, includedBy};
}

/** What a message about one key says of another: where it stands. */
export function mentionOf({originOf}: Composition, from: KeyPath, other: KeyPath): string {
	const {document, at} = originOf(other);
	return document === originOf(from).document ? keyText(at) : placeOf(document, at).replace(/: $/, '');
}
