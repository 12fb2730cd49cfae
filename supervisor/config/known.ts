import {GATEWAY_CLIENT_IDS, GATEWAY_CLIENT_MODES} from '@openclaw/gateway-protocol/client-info';
import {printable} from '../../worker/text.ts';
import type {Problem} from './problem.ts';
import type {ConfigFile} from './schema.ts';
import {keysAt} from './schema.ts';
import {didYouMean} from './suggestion.ts';

/** The scopes an operator can have (OpenClaw 2026.5.27 and 2026.9.6: docs/gateway/operator-scopes.md). No package lists them. */
const SCOPES = [
	'operator.admin',
	'operator.approvals',
	'operator.pairing',
	'operator.questions',
	'operator.read',
	'operator.sessions.read',
	'operator.sessions.write',
	'operator.talk',
	'operator.talk.secrets',
	'operator.write',
];

/** The roles a device can have (OpenClaw: docs/gateway/protocol). */
const ROLES = ['operator', 'node'];

const CLIENT_IDS: readonly string[] = Object.values(GATEWAY_CLIENT_IDS);
const CLIENT_MODES: readonly string[] = Object.values(GATEWAY_CLIENT_MODES);

/**
 * What is well-formed and means something else than it seems to: ids, modes, scopes and roles that OpenClaw does not know, which a newer one may, and keys of
 * ours that have become variables by their indent. These are warnings.
 */
export function oddities({policy, sandboxes}: Pick<ConfigFile, 'policy' | 'sandboxes'>): readonly Problem[] {
	return [
		...policyOddities(policy, ['policy']),
		...sandboxes.flatMap((sandbox, index) => [
			...policyOddities(sandbox.policy, ['sandboxes', index, 'policy']),
			...Object.keys(sandbox.env)
				.filter(name => keysAt(['sandboxes', 0]).includes(name))
				.map(name => ({
					at: ['sandboxes', index, 'env', name],
					message: 'is taken for a variable here, and is a key of a sandbox; is it indented wrongly?',
				})),
		]),
	];
}

function policyOddities(policy: ConfigFile['sandboxes'][number]['policy'], at: Problem['at']): Problem[] {
	const {clients = [], scopes = [], roles = []} = policy;
	return [
		...unknown(scopes, [...at, 'scopes'], 'a scope', SCOPES),
		...unknown(roles, [...at, 'roles'], 'a role', ROLES),
		...clients.flatMap((client, index) => {
			const entry = [...at, 'clients', index];
			return [
				...unknownOne(client.id, [...entry, 'id'], 'a client id', CLIENT_IDS),
				...unknownOne(client.mode, [...entry, 'mode'], 'a client mode', CLIENT_MODES),
				...unknown(client.scopes ?? [], [...entry, 'scopes'], 'a scope', SCOPES),
			];
		}),
	];
}

function unknown(words: readonly string[], at: Problem['at'], what: string, known: readonly string[]): Problem[] {
	return words.flatMap((word, index) => unknownOne(word, [...at, index], what, known));
}

function unknownOne(word: string | undefined, at: Problem['at'], what: string, known: readonly string[]): Problem[] {
	if (word === undefined || known.includes(word)) return [];
	const meant = didYouMean(word, known);
	return [
		{
			at,
			message: `${printable(word, 80)} is not ${what} that OpenClaw knows${meant === '' ? '; is it right?' : meant}`,
		},
	];
}
