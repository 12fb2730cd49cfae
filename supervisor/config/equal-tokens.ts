import {createHash} from 'node:crypto';
import {readTokenFile} from '../../worker/host/token-file.ts';
import type {SandboxEntry} from './schema.ts';

/** A sandbox, and what stands for its token without giving it away. */
export interface Tokened {
	readonly name: string;
	readonly token: string;
}

/** What stands for the token in a sandbox's file; none where it has no file, or one that cannot be read. What a `tokenCommand` prints is not asked for. */
export function tokenOf({name, gateway}: Pick<SandboxEntry, 'name' | 'gateway'>): readonly Tokened[] {
	if (gateway?.tokenFile === undefined) return [];
	try {
		return [{name, token: createHash('sha256').update(readTokenFile(gateway.tokenFile)).digest('base64url')}];
	} catch {
		return [];
	}
}

/** Warns of sandboxes with the same token: whoever is in one of them can administer the gateways of the others. `isTold`: only where it is about one of these. */
export function equalTokens(
	all: readonly Tokened[],
	isTold: (name: string) => boolean = () => true,
): readonly string[] {
	return [...Map.groupBy(all, ({token}) => token).values()].flatMap(alike => {
		const [one, other] = alike;
		if (!one || !other || !alike.some(({name}) => isTold(name))) return [];
		const more = alike.length > 2 ? ` and ${alike.length - 2} more` : '';
		return [
			`${one.name}, ${other.name}${more} have the same gateway token, so each can administer the others; give each its own`,
		];
	});
}
