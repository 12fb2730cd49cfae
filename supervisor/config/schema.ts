import * as z from 'zod';
import {refusalToPass} from '../../worker/host/environment.ts';
import {parseListen} from '../http/address.ts';
import {discoverSchema} from './discover-schema.ts';
import {shardSchema} from './shard.ts';
import {isPlain, program, word, words} from './texts.ts';
import {duration, size} from './units.ts';
import {oneOf, wanted} from './words.ts';

/** What a sandbox may be called. */
export const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

const absolutePath = z
	.string(wanted('an absolute path, such as /var/lib/pairkeeper/file'))
	.refine(isPlain, {error: 'must not hold a NUL or a line break'})
	.refine(path => path.startsWith('/'), wanted('an absolute path, such as /var/lib/pairkeeper/file'));
/** As {@link absolutePath}; a token that was written here by mistake is not repeated. */
const tokenPath = z
	.string(wanted('the absolute path of a file that holds the token', {isPrivate: true}))
	.refine(isPlain, {error: 'must not hold a NUL or a line break'})
	.refine(path => path.startsWith('/'), wanted('the absolute path of a file that holds the token', {isPrivate: true}));
const flag = z.boolean(wanted('true or false'));
const port = z.int(wanted('a port, a whole number from 1 to 65535'));
const count = (min: number) => {
	const whole = wanted(`a whole number from ${min}`);
	return z.int(whole).min(min, whole);
};
const variable = z.string().regex(VARIABLE, {error: 'is not the name of an environment variable'});
const passedVariable = variable.superRefine((name, context) => {
	const refusal = refusalToPass(name);
	if (refusal !== null) context.addIssue(`${name} ${refusal}`);
});
const variableValue = z
	.union([z.string(), z.number(), z.boolean()], wanted('a text, such as KEY: value', {isPrivate: true}))
	.transform(String)
	.refine(isPlain, {error: 'must not hold a NUL or a line break'});
const scopes = words('[operator.read, operator.write]');

const client = z
	.strictObject(
		{id: word.optional(), mode: word.optional(), scopes: scopes.optional()},
		wanted('a map such as {id: openclaw-control-ui} or {mode: cli}'),
	)
	.refine(({id, mode}) => id !== undefined || mode !== undefined, {error: 'must name an id, a mode, or both'});

const policyKeys = {
	clients: z.array(client, wanted('a list of clients, such as [{id: openclaw-control-ui}, {mode: cli}]')),
	scopes,
	roles: words('[operator]'),
	firstPairing: z.enum(['allow', 'deny'], oneOf('allow', 'deny')),
	onRefused: z.enum(['hold', 'reject', 'ignore'], oneOf('hold', 'reject', 'ignore')),
	refusalHold: duration({min: 0}),
};

const policyWords = wanted('a map of keys, such as {scopes: [operator.read]}');
const policy = z
	.strictObject(
		{
			clients: policyKeys.clients.default([{id: 'openclaw-control-ui'}, {mode: 'webchat'}, {mode: 'cli'}]),
			scopes: policyKeys.scopes.default(['operator.pairing', 'operator.read', 'operator.write']),
			roles: policyKeys.roles.default(['operator']),
			firstPairing: policyKeys.firstPairing.default('allow'),
			onRefused: policyKeys.onRefused.default('hold'),
			refusalHold: policyKeys.refusalHold.prefault('60s'),
		},
		policyWords,
	)
	.prefault({});

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const FINGERPRINT = /^(sha256:)?([0-9a-f]{64}|([0-9a-f]{2}:){31}[0-9a-f]{2})$/i;

const gateway = z
	.strictObject(
		{
			url: z
				.string(wanted('a URL, such as ws://127.0.0.1:18789', {isPrivate: true}))
				.refine(isGatewayUrl, {
					error:
						'must be a ws:// or wss:// URL without user name, password, query or fragment, such as ws://127.0.0.1:18789',
				})
				.optional(),
			port: port
				.min(1, wanted('a port, a whole number from 1 to 65535'))
				.max(65_535, wanted('a port, a whole number from 1 to 65535'))
				.optional(),
			tokenFile: tokenPath.optional(),
			tokenCommand: program('[cat, /path/to/token]').optional(),
			fingerprint: word
				.regex(FINGERPRINT, {error: 'must be the SHA-256 fingerprint of a certificate, 64 hexadecimal digits'})
				.optional(),
			listenerUser: word.optional(),
			allowInsecure: flag.default(false),
		},
		wanted('a map of keys, such as {url: "ws://127.0.0.1:18789", tokenFile: /etc/pairkeeper/alpha.token}', {
			isPrivate: true,
		}),
	)
	.refine(({url, port}) => url === undefined || port === undefined, {
		path: ['port'],
		error: 'is the port as seen inside the sandbox, and not for a gateway with a url; remove one of them',
	})
	.refine(
		({url, tokenFile, tokenCommand}) =>
			tokenFile === undefined ? url === undefined || tokenCommand !== undefined : tokenCommand === undefined,
		{error: 'must name a tokenFile or a tokenCommand, one of them'},
	)
	.refine(
		({url, port, tokenFile, tokenCommand}) =>
			url !== undefined || port !== undefined || (tokenFile === undefined && tokenCommand === undefined),
		{error: 'must name a port too: a configured token goes only to a port that is configured as well'},
	)
	.refine(({url, allowInsecure}) => url === undefined || allowInsecure || !isGatewayUrl(url) || isLoopbackOrTls(url), {
		path: ['url'],
		error: 'sends the token in clear text over a network; use wss://, or say allowInsecure: true',
	})
	.refine(({url, listenerUser}) => listenerUser === undefined || url !== undefined, {
		path: ['listenerUser'],
		error: 'needs a url: it says who may listen at that port of this host',
	})
	.refine(({url, fingerprint}) => fingerprint === undefined || url?.startsWith('wss:') === true, {
		path: ['fingerprint'],
		error: 'needs a wss:// URL',
	});

function isGatewayUrl(text: string): boolean {
	const url = URL.parse(text);
	if (!url || !['ws:', 'wss:'].includes(url.protocol)) return false;
	return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

function isLoopbackOrTls(text: string): boolean {
	const url = URL.parse(text);
	return url !== null && (url.protocol === 'wss:' || LOOPBACK.test(url.hostname));
}

const sandboxKeys = {
	enabled: flag.default(true),
	exec: words('[docker, exec, alpha]').default([]),
	execInput: program('[docker, exec, -i, alpha]').nullable().default(null),
	env: z
		.record(variable, variableValue, wanted('a map of variables, such as {OPENCLAW_STATE_DIR: /sandbox/.openclaw}'))
		.default({}),
	envFile: absolutePath.nullable().default(null),
	approveUnset: z
		.array(variable, wanted('a list of variables, such as [OPENCLAW_GATEWAY_URL]'))
		.default(['OPENCLAW_GATEWAY_URL']),
	gateway: gateway.nullable().default(null),
	transport: z.enum(['auto', 'cli', 'gateway'], oneOf('auto', 'cli', 'gateway')).default('auto'),
	policy: z.strictObject(policyKeys, policyWords).partial().default({}),
};

/** What a sandbox may be called, in words. */
export const NAME_WORDS = '1 to 63 lower-case letters, digits and hyphens, and begin and end with a letter or digit';
const sandboxWords = wanted('a map of keys, such as {name: alpha, exec: [docker, exec, alpha]}');
/** A sandbox as written. */
export const sandboxSchema = z.strictObject(
	{name: z.string(wanted(NAME_WORDS, {isText: true})).regex(NAME, wanted(NAME_WORDS)), ...sandboxKeys},
	sandboxWords,
);

/** What all sandboxes get. Each is laid over it before it is checked, so this is not taken over: it is here to be checked, and for the JSON Schema. */
const defaults = z
	.strictObject(sandboxKeys, wanted('a map of what all sandboxes get, such as {exec: [docker, exec, "{name}"]}'))
	.partial();

const LISTEN_WORDS =
	'an IP address and a port, such as 127.0.0.1:9464 or [::1]:9464, or the absolute path of a Unix socket, at most 103 bytes long';
const HOST_NAME_WORDS = wanted('a host name without a port, such as keeper.example.org');
const hostName = z
	.string(HOST_NAME_WORDS)
	.regex(HOST_NAME, HOST_NAME_WORDS)
	.transform(name => name.toLowerCase());
/** What the sandboxes of an inventory get; checked here before their names, ports and hosts are known. */
const template = z
	.strictObject(sandboxKeys, wanted('a map of what its sandboxes get, such as {exec: [docker, exec, "{name}"]}'))
	.partial();

/** The configuration file. The JSON Schema that ships with the package is made from this. */
export const configSchema = z.strictObject({
	statusFile: absolutePath.nullable().default(null),
	metricsFile: absolutePath.nullable().default(null),
	auditFile: absolutePath.nullable().default(null),
	auditFailure: z.enum(['continue', 'stop'], {error: 'must be continue or stop'}).default('continue'),
	notify: program('[/usr/local/bin/tell-ops]').nullable().default(null),
	logFile: absolutePath.nullable().default(null),
	logFormat: z.enum(['json', 'pretty', 'auto'], oneOf('json', 'pretty', 'auto')).default('auto'),
	deadline: z
		.union([z.literal('never').transform(() => null), duration({max: Number.MAX_SAFE_INTEGER})], {
			...wanted('a duration longer than nothing, such as 8h, or never'),
		})
		.prefault('8h'),
	fastDeadline: duration({min: 0}).prefault('10m'),
	fastInterval: duration({min: 10}).prefault('1s'),
	slowInterval: duration({min: 10}).prefault('30s'),
	fastReentryPolls: count(0).default(5),
	fastReentryInterval: duration({min: 10}).prefault('1s'),
	runTimeout: duration({min: 100}).prefault('10s'),
	maxApprovals: count(1).default(8),
	maxConcurrentCalls: z
		.union([z.int().min(1), z.literal('auto')], wanted('a whole number from 1, or auto'))
		.default('auto'),
	heartbeatTimeout: duration({min: 100}).prefault('20s'),
	stopTimeout: duration({min: 0}).prefault('10s'),
	workerMemory: size.prefault('192M'),
	restart: z
		.strictObject(
			{
				minDelay: duration().prefault('100ms'),
				maxDelay: duration().prefault('30s'),
				stableAfter: duration().prefault('60s'),
			},
			wanted('a map such as {minDelay: 100ms, maxDelay: 30s, stableAfter: 60s}'),
		)
		.refine(({minDelay, maxDelay}) => minDelay <= maxDelay, {error: 'minDelay must not be longer than maxDelay'})
		.prefault({}),
	passEnv: z
		.array(passedVariable, wanted('a list of names of environment variables, such as [DOCKER_HOST]'))
		.default([]),
	openclaw: word.default('openclaw'),
	controlGroup: word.nullable().default(null),
	policy,
	discover: discoverSchema(template),
	listen: z
		.string(wanted(LISTEN_WORDS))
		.refine(text => parseListen(text) !== null, wanted(LISTEN_WORDS))
		.nullable()
		.default(null),
	listenHosts: z.array(hostName, wanted('a list of host names, such as [keeper.example.org]')).default([]),
	shard: shardSchema.default('1/1'),
	include: z.array(word, wanted('a list of files, such as [conf.d/*.yaml]')).default([]),
	defaults: defaults.default({}),
	sandboxes: z
		.array(sandboxSchema, wanted('a list of sandboxes, such as [{name: alpha, exec: [docker, exec, alpha]}]'))
		.default([]),
});

/** A configuration as written, checked, with its defaults; durations in milliseconds, sizes in bytes. */
export type ConfigFile = Readonly<z.output<typeof configSchema>>;
export type SandboxEntry = ConfigFile['sandboxes'][number];

/** The JSON Schema of the configuration file, for editors. */
export function configJsonSchema(): object {
	return z.toJSONSchema(configSchema, {io: 'input', unrepresentable: 'any'});
}

/** The keys that may stand where `at` leads, an index standing for any; none where no map with fixed keys is expected. */
export function keysAt(at: readonly PropertyKey[]): readonly string[] {
	const node = at.reduce<SchemaNode | undefined>((parent, part) => {
		const [map] = [parent, ...(parent?.anyOf ?? [])].filter(each => each?.properties ?? each?.items);
		return typeof part === 'number' ? map?.items : map?.properties?.[String(part)];
	}, schemaNode());
	return [node, ...(node?.anyOf ?? [])].flatMap(each => Object.keys(each?.properties ?? {}));
}

/** The maps, but for `defaults` and templates, in which a key of this name may stand; the top is an empty path, and an index stands for any. */
export function placesOf(key: string): readonly (readonly PropertyKey[])[] {
	const places: PropertyKey[][] = [];
	const look = (node: SchemaNode, at: PropertyKey[]) => {
		if (Object.hasOwn(node.properties ?? {}, key)) places.push(at);
		for (const each of node.anyOf ?? []) look(each, at);
		if (node.items) look(node.items, [...at, 0]);
		for (const [name, each] of Object.entries(node.properties ?? {}))
			if (name !== 'defaults' && name !== 'template') look(each, [...at, name]);
	};
	look(schemaNode(), []);
	return places;
}

/** The part of a JSON Schema that says which keys there are. */
interface SchemaNode {
	readonly properties?: Readonly<Record<string, SchemaNode>>;
	readonly items?: SchemaNode;
	readonly anyOf?: readonly SchemaNode[];
}

function schemaNode(): SchemaNode {
	return configJsonSchema();
}
