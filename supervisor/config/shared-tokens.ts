import {type ConfigDocument, contentsOf} from './document.ts';
import {isMap} from './layers.ts';
import type {Problem} from './problem.ts';

/** Sources of tokens in `defaults` that would be the same for all sandboxes: one sandbox's token would be sent to all the others. */
export function sharedTokens(document: ConfigDocument): readonly Problem[] {
	const {defaults} = contentsOf(document);
	const gateway = isMap(defaults) && isMap(defaults.gateway) ? defaults.gateway : {};
	const {tokenFile, tokenCommand} = gateway;
	const words = Array.isArray(tokenCommand) ? tokenCommand.filter(word => typeof word === 'string') : [];
	return [
		...(typeof tokenFile === 'string' && !namesSandbox(tokenFile)
			? [problem('tokenFile', '/etc/pairkeeper/{name}.token')]
			: []),
		...(words.length > 0 && !words.some(namesSandbox)
			? [problem('tokenCommand', '[nemoclaw, "{name}", gateway-token]')]
			: []),
	];
}

function namesSandbox(text: string): boolean {
	return text.includes('{name}');
}

function problem(key: string, example: string): Problem {
	const message = `must contain {name}, such as ${example}, or all sandboxes would be sent the same token`;
	return {at: ['defaults', 'gateway', key], message};
}
