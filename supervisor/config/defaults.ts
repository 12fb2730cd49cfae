import {printable} from '../../worker/text.ts';
import {type ConfigDocument, contentsOf, type KeyPath} from './document.ts';
import {isMap} from './layers.ts';
import type {Problem} from './problem.ts';
import {meant} from './suggestion.ts';

/** What is wrong with `defaults` as they are written, before names are filled in. */
export function problemsInDefaults(document: ConfigDocument): readonly Problem[] {
	const {defaults} = contentsOf(document);
	return [...sharedTokens(defaults), ...textsIn(defaults, ['defaults']).flatMap(placeholderProblems)];
}

/** Sources of tokens that would be the same for all sandboxes: one sandbox's token would be sent to all the others. */
function sharedTokens(defaults: unknown): Problem[] {
	const gateway = isMap(defaults) && isMap(defaults.gateway) ? defaults.gateway : {};
	const {tokenFile, tokenCommand} = gateway;
	const words = Array.isArray(tokenCommand) ? tokenCommand.filter(word => typeof word === 'string') : [];
	return [
		...(typeof tokenFile === 'string' && !namesSandbox(tokenFile)
			? [shared('tokenFile', '/etc/pairkeeper/{name}.token')]
			: []),
		...(words.length > 0 && !words.some(namesSandbox)
			? [shared('tokenCommand', '[nemoclaw, "{name}", gateway-token, --quiet]')]
			: []),
	];
}

function namesSandbox(text: string): boolean {
	return text.includes('{name}');
}

function shared(key: string, example: string): Problem {
	const message = `must contain {name}, such as ${example}, or all sandboxes would be sent the same token`;
	return {at: ['defaults', 'gateway', key], message};
}

/** Placeholders that would stay as they are, though they look as if something were filled in. */
function placeholderProblems({at, text}: {readonly at: KeyPath; readonly text: string}): Problem[] {
	if (/\{name(?![\w}])/.test(text) || /(?<![\w{])name\}/.test(text))
		return [{at, message: 'a brace is missing; write {name}'}];
	return [...text.matchAll(/(?<!\{)\{(\w+)\}(?!\})/g)].flatMap(([placeholder, word = '']) => {
		if (word === 'name' || (!['port', 'host'].includes(word) && meant(word, ['name']) === null)) return [];
		const shown = printable(placeholder, 40);
		return [{at, message: `${shown} is not filled in here, only {name} is; write it out, or in each sandbox`}];
	});
}

function textsIn(value: unknown, at: KeyPath): {readonly at: KeyPath; readonly text: string}[] {
	if (typeof value === 'string') return [{at, text: value}];
	if (Array.isArray(value)) return value.flatMap((item, index) => textsIn(item, [...at, index]));
	return isMap(value) ? Object.entries(value).flatMap(([key, item]) => textsIn(item, [...at, key])) : [];
}
