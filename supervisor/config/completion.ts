import type {GatewayTarget, InsideTarget} from '../../worker/protocol.ts';
import {ADMIN_SCOPE, type Policy} from '../../worker/requests/policy.ts';
import {execInputFor} from '../../worker/transport/exec-input.ts';
import {isClearToPublicAddress} from '../../worker/transport/public-address.ts';
import {userIdOf} from '../host/name-service.ts';
import type {Config, SandboxConfig} from './config.ts';
import {equalTokens, tokenOf} from './equal-tokens.ts';
import type {Layer} from './layers.ts';
import type {ConfigFile, SandboxEntry} from './schema.ts';
import {isInShare, WHOLE} from './shard.ts';

/** What a configuration is besides what its schema says of its keys. */
interface Circumstances extends Pick<Config, 'path' | 'statusFile'>, Partial<Pick<Config, 'shard' | 'discover'>> {
	/** `defaults` as written, placeholders and all. */
	readonly defaults?: Layer;
}

/** A checked configuration made ready to be used. `path`: the file it was read from, `statusFile`: where the status goes. */
export function complete(
	file: ConfigFile,
	{path, statusFile, shard = WHOLE, discover = [], defaults = {}}: Circumstances,
): Config {
	// The sandboxes hold what was included, and what all of them get.
	const {include: _, defaults: __, ...rest} = file;
	const tokens = file.sandboxes.flatMap(tokenOf);
	const [own, others] = [true, false].map(isOwn => file.sandboxes.filter(({name}) => isInShare(shard, name) === isOwn));
	return {
		...rest,
		path,
		statusFile,
		policy: toPolicy(file.policy),
		sandboxes: (own ?? []).map(sandbox => toSandbox(sandbox, file.policy)),
		elsewhere: (others ?? []).map(({name}) => name),
		shard,
		discover,
		ground: {defaults, policy: file.policy, sandboxes: file.sandboxes, tokens},
		warnings: [...warningsAbout(file), ...equalTokens(tokens)],
	};
}

/** A policy as a worker takes it. */
export function toPolicy({clients, ...rest}: ConfigFile['policy']): Policy {
	return {...rest, clients: clients.map(defined)};
}

/** A sandbox's policy: what its own names replaces the default's. */
export function policyOf({policy}: SandboxEntry, standard: ConfigFile['policy']): Policy {
	return toPolicy({...standard, ...defined(policy)});
}

/** Without the keys that are `undefined`, so that the rest can be laid over defaults. */
export function defined<T extends object>(value: T): {[K in keyof T]: Exclude<T[K], undefined>} {
	return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
		[K in keyof T]: Exclude<T[K], undefined>;
	};
}

/** A sandbox of its own entry. */
export function toSandbox(entry: SandboxEntry, standard: ConfigFile['policy']): SandboxConfig {
	const {name, enabled, exec, env, envFile, approveUnset, gateway, transport} = entry;
	return {
		name,
		enabled,
		target: {exec, env, envFile, approveUnset},
		gateway: toGateway(gateway),
		inside: toInside(entry),
		transport,
		policy: policyOf(entry, standard),
	};
}

function toGateway(entry: SandboxEntry['gateway']): GatewayTarget | null {
	if (entry?.url === undefined) return null;
	const {url, tokenFile, tokenCommand, fingerprint, listenerUser, allowInsecure} = entry;
	const listenerUid = listenerUser === undefined ? null : userIdOf(listenerUser);
	return {
		url,
		tokenFile: tokenFile ?? null,
		tokenCommand: tokenCommand ?? [],
		fingerprint: fingerprint ?? null,
		...(listenerUid === null ? {} : {listenerUid}),
		allowInsecure,
	};
}

/** Wherever `exec` reaches there may be a gateway, unless a URL leads to it or nobody is to connect. */
function toInside({exec, execInput, gateway, transport}: SandboxEntry): InsideTarget | null {
	if (exec.length === 0 || gateway?.url !== undefined || transport === 'cli') return null;
	return {
		execInput: execInput ?? execInputFor(exec),
		port: gateway?.port ?? null,
		tokenFile: gateway?.tokenFile ?? null,
		tokenCommand: gateway?.tokenCommand ?? [],
	};
}

function warningsAbout({sandboxes, policy, discover}: ConfigFile): string[] {
	return [
		...sandboxes.flatMap(({name, gateway}) =>
			gateway?.url !== undefined && isClearToPublicAddress(gateway.url)
				? [`${name}: no token is sent in clear text to a public address, allowed or not; use wss://`]
				: [],
		),
		...(sandboxes.length === 0 && discover.length === 0
			? [
					'no sandboxes are configured, so there is nothing to watch; write for example: sandboxes: [{name: alpha, exec: [docker, exec, alpha]}]',
				]
			: []),
		...(policy.scopes.includes(ADMIN_SCOPE)
			? [`policy.scopes names ${ADMIN_SCOPE}, which is granted only to clients whose own entry names it`]
			: []),
	];
}
