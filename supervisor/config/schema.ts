import * as z from 'zod';
import {refusalToPass} from '../../worker/host/environment.ts';
import {duration, size} from './units.ts';

/** A key whose feature this version does not have: only the value that means "off" is accepted. */
function notYet<T extends z.util.Literal | null>(off: T) {
	return z
		.literal(off, {error: 'is not available yet in this version of pairkeeper; remove the key'})
		.default(off as never);
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

const word = z
	.string()
	.min(1, {error: 'must not be empty'})
	.refine(isPlain, {error: 'must not hold a NUL or a line break'});
const absolutePath = word.refine(path => path.startsWith('/'), {error: 'must be an absolute path'});
const variable = z.string().regex(VARIABLE, {error: 'is not the name of an environment variable'});
const passedVariable = variable.superRefine((name, context) => {
	const refusal = refusalToPass(name);
	if (refusal !== null) context.addIssue(`${name} ${refusal}`);
});
const variableValue = z
	.union([z.string(), z.number(), z.boolean()], {error: 'must be a string'})
	.transform(String)
	.refine(isPlain, {error: 'must not hold a NUL or a line break'});
const scopes = z.array(word);

function isPlain(text: string): boolean {
	return !/[\0\n\r]/.test(text);
}

const client = z
	.strictObject({id: word.optional(), mode: word.optional(), scopes: scopes.optional()})
	.refine(({id, mode}) => id !== undefined || mode !== undefined, {error: 'must name an id, a mode, or both'});

const policyKeys = {
	clients: z.array(client),
	scopes,
	roles: z.array(word),
	firstPairing: z.enum(['allow', 'deny']),
	onRefused: z.enum(['hold', 'reject', 'ignore']),
	refusalHold: duration({min: 0}),
};

const policy = z
	.strictObject({
		clients: policyKeys.clients.default([{id: 'openclaw-control-ui'}, {mode: 'webchat'}, {mode: 'cli'}]),
		scopes: policyKeys.scopes.default(['operator.pairing', 'operator.read', 'operator.write']),
		roles: policyKeys.roles.default(['operator']),
		firstPairing: policyKeys.firstPairing.default('allow'),
		onRefused: policyKeys.onRefused.default('hold'),
		refusalHold: policyKeys.refusalHold.prefault('60s'),
	})
	.prefault({});

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const FINGERPRINT = /^(sha256:)?([0-9a-f]{64}|([0-9a-f]{2}:){31}[0-9a-f]{2})$/i;

const gateway = z
	.strictObject({
		url: word
			.refine(isGatewayUrl, {
				error: 'must be a ws:// or wss:// URL without user name, password, query or fragment',
			})
			.optional(),
		port: z
			.int({error: 'must be a port, a whole number from 1 to 65535'})
			.min(1, {error: 'must be a port, a whole number from 1 to 65535'})
			.max(65_535, {error: 'must be a port, a whole number from 1 to 65535'})
			.optional(),
		tokenFile: absolutePath.optional(),
		tokenCommand: z.array(word).min(1).optional(),
		fingerprint: word
			.regex(FINGERPRINT, {error: 'must be the SHA-256 fingerprint of a certificate, 64 hexadecimal digits'})
			.optional(),
		listenerUser: word.optional(),
		allowInsecure: z.boolean().default(false),
	})
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
	.refine(({url, allowInsecure}) => url === undefined || allowInsecure || isLoopbackOrTls(url), {
		path: ['url'],
		error: 'sends the token in clear text over a network; use wss://, or say allowInsecure: true',
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

const sandbox = z.strictObject({
	name: z.string().regex(NAME, {
		error: 'must be 1 to 63 lower-case letters, digits and hyphens, and begin and end with a letter or digit',
	}),
	enabled: z.boolean().default(true),
	exec: z.array(word).default([]),
	execInput: z.array(word).min(1, {error: 'must name a program'}).nullable().default(null),
	env: z.record(variable, variableValue).default({}),
	envFile: absolutePath.nullable().default(null),
	approveUnset: z.array(variable).default(['OPENCLAW_GATEWAY_URL']),
	gateway: gateway.nullable().default(null),
	transport: z.enum(['auto', 'cli', 'gateway'], {error: 'must be auto, cli or gateway'}).default('auto'),
	policy: z.strictObject(policyKeys).partial().default({}),
});

/** The configuration file. The JSON Schema that ships with the package is made from this. */
export const configSchema = z.strictObject({
	statusFile: absolutePath.nullable().default(null),
	metricsFile: notYet(null),
	auditFile: notYet(null),
	auditFailure: notYet('continue'),
	logFile: absolutePath.nullable().default(null),
	logFormat: z.enum(['json', 'pretty', 'auto']).default('auto'),
	deadline: z
		.union([z.literal('never').transform(() => null), duration({max: Number.MAX_SAFE_INTEGER})], {
			error: 'must be a duration longer than nothing, such as 8h, or never',
		})
		.prefault('8h'),
	fastDeadline: duration({min: 0}).prefault('10m'),
	fastInterval: duration({min: 10}).prefault('1s'),
	slowInterval: duration({min: 10}).prefault('30s'),
	fastReentryPolls: z.int().min(0).default(5),
	fastReentryInterval: duration({min: 10}).prefault('1s'),
	runTimeout: duration({min: 100}).prefault('10s'),
	maxApprovals: z.int().min(1).default(8),
	maxConcurrentCalls: z
		.union([z.int().min(1), z.literal('auto')], {error: 'must be a whole number from 1, or auto'})
		.default('auto'),
	heartbeatTimeout: duration({min: 100}).prefault('20s'),
	stopTimeout: duration({min: 0}).prefault('10s'),
	workerMemory: size.prefault('192M'),
	restart: z
		.strictObject({
			minDelay: duration().prefault('100ms'),
			maxDelay: duration().prefault('30s'),
			stableAfter: duration().prefault('60s'),
		})
		.refine(({minDelay, maxDelay}) => minDelay <= maxDelay, {error: 'minDelay must not be longer than maxDelay'})
		.prefault({}),
	passEnv: z.array(passedVariable).default([]),
	openclaw: word.default('openclaw'),
	controlGroup: word.nullable().default(null),
	policy,
	discover: z
		.array(z.unknown())
		.max(0, {error: 'is not available yet in this version of pairkeeper; remove the key'})
		.default([]),
	sandboxes: z.array(sandbox).default([]),
});

/** A configuration as written, checked, with its defaults; durations in milliseconds, sizes in bytes. */
export type ConfigFile = Readonly<z.output<typeof configSchema>>;
export type SandboxEntry = ConfigFile['sandboxes'][number];

/** The JSON Schema of the configuration file, for editors. */
export function configJsonSchema(): object {
	return z.toJSONSchema(configSchema, {io: 'input', unrepresentable: 'any'});
}
