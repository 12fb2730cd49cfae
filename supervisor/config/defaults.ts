import {printable} from '../../worker/text.ts';
import {type ConfigDocument, contentsOf, type KeyPath} from './document.ts';
import {isMap} from './layers.ts';
import type {Problem} from './problem.ts';
import {meant} from './suggestion.ts';

/** What is wrong with `defaults` as they are written, before names are filled in. */
export function problemsInDefaults(document: ConfigDocument): readonly Problem[] {
	return problemsInTemplate(contentsOf(document).defaults, ['defaults'], ['name']);
}

/** The same of what several sandboxes get, which stands at `at`; `filled` names the placeholders that are filled in there. */
export function problemsInTemplate(template: unknown, at: KeyPath, filled: readonly string[]): readonly Problem[] {
	return [...sharedTokens(template, at), ...textsIn(template, at).flatMap(text => placeholderProblems(text, filled))];
}

/** Sources of tokens that would be the same for all sandboxes: one sandbox's token would be sent to all the others. */
function sharedTokens(template: unknown, at: KeyPath): Problem[] {
	const gateway = isMap(template) && isMap(template.gateway) ? template.gateway : {};
	const {tokenFile, tokenCommand} = gateway;
	const words = Array.isArray(tokenCommand) ? tokenCommand.filter(word => typeof word === 'string') : [];
	return [
		...(typeof tokenFile === 'string' && !namesSandbox(tokenFile)
			? [shared([...at, 'gateway', 'tokenFile'], '/etc/pairkeeper/{name}.token')]
			: []),
		...(words.length > 0 && !words.some(namesSandbox)
			? [shared([...at, 'gateway', 'tokenCommand'], '[nemoclaw, "{name}", gateway-token, --quiet]')]
			: []),
	];
}

function namesSandbox(text: string): boolean {
	return text.includes('{name}');
}

function shared(at: KeyPath, example: string): Problem {
	const message = `must contain {name}, such as ${example}, or all sandboxes would be sent the same token`;
	return {at, message};
}

/** Placeholders that would stay as they are, though they look as if something were filled in. */
function placeholderProblems({at, text}: PlacedText, filled: readonly string[]): Problem[] {
	for (const name of filled)
		if (new RegExp(`\\{${name}(?![\\w}])`).test(text) || new RegExp(`(?<![\\w{])${name}\\}`).test(text))
			return [{at, message: `a brace is missing; write {${name}}`}];
	return [...text.matchAll(/(?<!\{)\{(\w+)\}(?!\})/g)].flatMap(([placeholder, word = '']) => {
		if (filled.includes(word) || (!['port', 'host'].includes(word) && meant(word, filled) === null)) return [];
		const shown = printable(placeholder, 40);
		return [{at, message: `${shown} is not filled in here, ${fillable(filled)}; write it out, or in each sandbox`}];
	});
}

function fillable(filled: readonly string[]): string {
	const names = filled.map(name => `{${name}}`);
	return `only ${names.join(', ')} ${names.length === 1 ? 'is' : 'are'}`;
}

/** A text of a configuration, and where it stands. */
interface PlacedText {
	readonly at: KeyPath;
	readonly text: string;
}

/** All texts of a value that stands at `at`, keys left out. */
export function textsIn(value: unknown, at: KeyPath): readonly PlacedText[] {
	if (typeof value === 'string') return [{at, text: value}];
	if (Array.isArray(value)) return value.flatMap((item, index) => textsIn(item, [...at, index]));
	return isMap(value) ? Object.entries(value).flatMap(([key, item]) => textsIn(item, [...at, key])) : [];
}
