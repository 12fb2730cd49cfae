import {accessSync, constants, readFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {type Document, isMap, isNode, isScalar, LineCounter, parseDocument} from 'yaml';
import type * as z from 'zod';
import {readTokenFile} from '../../worker/gateway/token.ts';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {ADMIN_SCOPE, type Policy} from '../../worker/policy.ts';
import type {GatewayTarget} from '../../worker/protocol.ts';
import {messageOf, SECRET_VARIABLE} from '../../worker/text.ts';
import {groupIdOf} from '../group.ts';
import {assertOwnTemporary, defaultStatusFile} from '../paths.ts';
import {type Config, ConfigError, type SandboxConfig} from './config.ts';
import {type Override, overridesIn} from './environment.ts';
import {wideningsOf} from './narrowing.ts';
import {isClearToPublicAddress} from './public-address.ts';
import {type ConfigFile, configSchema, type SandboxEntry} from './schema.ts';

/** A file with more than this is no configuration, in bytes. */
const MAX_FILE = 4 * 2 ** 20;

export interface ConfigSource {
	/** `--config`. */
	readonly config?: string | undefined;
	/** `--status-file`. */
	readonly statusFile?: string | undefined;
	readonly environment: NodeJS.ProcessEnv;
}

type Path = readonly PropertyKey[];

/** Reads, checks and completes the configuration. Throws a {@link ConfigError}. */
export function loadConfig(source: ConfigSource): Config {
	const file = findConfig(source);
	const {document, lines} = parseFile(file);
	const overrides = overridesIn(source.environment);
	const blame = blameFor(file, document, lines, overrides);
	const badOverrides = overrides.flatMap(({variable, problem}) =>
		problem === null ? [] : [`${variable} in the environment ${problem}`],
	);
	if (badOverrides.length > 0) throw new ConfigError(badOverrides.join('\n'));

	const parsed = configSchema.safeParse(overridden(contentsOf(document, file), overrides));
	if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap(issue => describe(issue, blame)).join('\n'));
	const problems = problemsBetweenKeys(parsed.data, source.environment);
	if (problems.length > 0) throw new ConfigError(problems.map(([at, problem]) => blame(at, problem)).join('\n'));
	return complete(parsed.data, file, source);
}

/**
 * Only the status file that the configuration names, read leniently, for commands that must work while the configuration is broken,
 * unreadable or missing.
 */
export function findStatusFile(source: ConfigSource): string {
	if (source.statusFile !== undefined) return path.resolve(source.statusFile);
	try {
		const statusFile = parseDocument(readBounded(findConfig(source))).get('statusFile');
		if (typeof statusFile === 'string' && path.isAbsolute(statusFile)) return statusFile;
	} catch (error) {
		// A file that was named and is not there is a mistake in the command line, not a broken configuration.
		if (source.config !== undefined && error instanceof ConfigError) throw error;
	}
	const file = defaultStatusFile(source.environment);
	assertOwnTemporary(path.dirname(file));
	return file;
}

/** The file to read: never one in the working directory. Throws a {@link ConfigError} where there is none. */
function findConfig({config, environment}: ConfigSource): string {
	const named = config ?? (environment.PAIRKEEPER_CONFIG || undefined);
	const candidates = named === undefined ? defaultConfigs(environment) : [path.resolve(named)];
	for (const candidate of candidates) {
		try {
			accessSync(candidate, constants.R_OK);
			return candidate;
		} catch (error) {
			const {code} = error as NodeJS.ErrnoException;
			if (code !== 'ENOENT' && code !== 'ENOTDIR') throw new ConfigError(`${candidate}: cannot be read (${code})`);
		}
	}
	throw new ConfigError(
		`there is no configuration at ${candidates.join(' or ')}; write one there, or name another with --config FILE`,
	);
}

function defaultConfigs(environment: NodeJS.ProcessEnv): string[] {
	const own = environment.XDG_CONFIG_HOME || path.join(environment.HOME || os.homedir(), '.config');
	const isRoot = process.getuid?.() === 0;
	return [...(isRoot ? [] : [path.join(own, 'pairkeeper', 'config.yaml')]), '/etc/pairkeeper/config.yaml'];
}

function readBounded(file: string): string {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		throw new ConfigError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
	}
	if (text.length > MAX_FILE)
		throw new ConfigError(`${file}: is larger than ${MAX_FILE / 2 ** 20} MiB, which no configuration is`);
	return text;
}

function parseFile(file: string): {document: Document; lines: LineCounter} {
	try {
		assertTrusted(file);
	} catch (error) {
		throw new ConfigError(`${file}: refused, since others could change it: ${messageOf(error)}`, {cause: error});
	}
	const lines = new LineCounter();
	const text = readBounded(file);
	const document = parseDocument(text, {lineCounter: lines, prettyErrors: false});
	const [error] = document.errors;
	if (error) {
		const {line} = lines.linePos(error.pos[0]);
		const key = error.code === 'DUPLICATE_KEY' ? (/^[^\s:]+/.exec(text.slice(error.pos[0])) ?? '') : '';
		throw new ConfigError(`${file}:${line}: ${key === '' ? '' : `${key}: `}${error.message}`);
	}
	if (document.contents !== null && !isMap(document.contents))
		throw new ConfigError(`${file}:1: must be a map of keys, such as sandboxes: […]`);
	return {document, lines};
}

/** The document as a value. Aliases are resolved only here, so that is where they fail. */
function contentsOf(document: Document, file: string): Record<string, unknown> {
	try {
		return document.toJS() ?? {};
	} catch (error) {
		throw new ConfigError(`${file}:1: ${messageOf(error)}`, {cause: error});
	}
}

function overridden(raw: Record<string, unknown>, overrides: readonly Override[]): unknown {
	return {...raw, ...Object.fromEntries(overrides.map(({key, value}) => [key, value]))};
}

/** Says where a problem stands: `FILE:LINE: key: problem`, or the environment variable that overrides the key. */
function blameFor(file: string, document: Document, lines: LineCounter, overrides: readonly Override[]) {
	return (at: Path, problem: string): string => {
		const override = overrides.find(({key}) => key === at[0]);
		if (override) return `${override.variable} in the environment: ${problem}`;
		const line = lineOf(document, lines, at);
		const key = at
			.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`))
			.join('');
		return `${file}:${line}: ${key === '' ? '' : `${key}: `}${problem}`;
	};
}

/** The line of the key, or of the nearest parent that stands in the file. */
function lineOf(document: Document, lines: LineCounter, at: Path): number {
	for (let length = at.length; length > 0; length--) {
		const parent = document.getIn(at.slice(0, length - 1), true);
		const name = at[length - 1];
		if (isMap(parent)) {
			const key = parent.items.find(pair => isScalar(pair.key) && pair.key.value === name)?.key;
			if (isScalar(key) && key.range) return lines.linePos(key.range[0]).line;
		}
		const node = document.getIn(at.slice(0, length), true);
		if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
	}
	return 1;
}

function describe(issue: z.core.$ZodIssue, blame: (at: Path, problem: string) => string): string[] {
	if (issue.code === 'unrecognized_keys') {
		return issue.keys.map(key =>
			blame([...issue.path, key], 'is not a key pairkeeper knows; is it misspelt, or indented wrongly?'),
		);
	}
	if (issue.code === 'invalid_key') return [blame(issue.path, issue.issues[0]?.message ?? issue.message)];
	return [blame(issue.path, issue.message)];
}

function problemsBetweenKeys(file: ConfigFile, environment: NodeJS.ProcessEnv): [Path, string][] {
	return [
		...duplicateNames(file),
		...duplicateTargets(file, environment),
		...widePolicies(file),
		...visibleSecrets(file),
		...gatewayProblems(file),
		...groupProblems(file),
	];
}

function duplicateNames({sandboxes}: ConfigFile): [Path, string][] {
	return sandboxes.flatMap(({name}, index): [Path, string][] => {
		const first = sandboxes.findIndex(other => other.name === name);
		return first < index ? [[['sandboxes', index, 'name'], `${name} is the name of sandboxes[${first}] already`]] : [];
	});
}

/** Two watchers on one gateway would race each other. */
function duplicateTargets({sandboxes}: ConfigFile, environment: NodeJS.ProcessEnv): [Path, string][] {
	const targets = new Map<string, string>();
	return sandboxes.flatMap((sandbox, index): [Path, string][] => {
		if (!sandbox.enabled) return [];
		const own = targetsOf(sandbox, environment);
		const clash = own.find(({key}) => targets.has(key));
		for (const {key} of own) if (!targets.has(key)) targets.set(key, sandbox.name);
		if (!clash) return [];
		const other = targets.get(clash.key);
		return [
			[
				['sandboxes', index],
				`${sandbox.name} reaches the same gateway as ${other} (${clash.shown}); give each its own, or remove one`,
			],
		];
	});
}

function targetsOf(sandbox: SandboxEntry, environment: NodeJS.ProcessEnv): {key: string; shown: string}[] {
	const {gateway, transport} = sandbox;
	const socket = gateway && transport !== 'cli' ? [{key: socketOf(gateway.url), shown: gateway.url}] : [];
	return transport === 'gateway' ? socket : [...socket, targetOf(sandbox, environment)];
}

/** Where a WebSocket's URL leads, however it is spelt. */
function socketOf(text: string): string {
	const {protocol, hostname, port, pathname} = new URL(text);
	const host = /^(localhost\.?|127\.0\.0\.1|\[::1\])$/.test(hostname) ? 'loopback' : hostname;
	return `${host}:${port || (protocol === 'wss:' ? 443 : 80)}${pathname.replace(/\/+$/, '')}`;
}

/** What decides which gateway a call reaches, in the order in which OpenClaw looks. */
function targetOf({exec, env}: SandboxEntry, environment: NodeJS.ProcessEnv): {key: string; shown: string} {
	const isInside = exec.length > 0;
	const all: NodeJS.ProcessEnv = isInside ? env : {...environment, ...env};
	const own = Object.fromEntries(
		[
			'OPENCLAW_GATEWAY_URL',
			'OPENCLAW_GATEWAY_PORT',
			'OPENCLAW_CONFIG_PATH',
			'OPENCLAW_STATE_DIR',
			'OPENCLAW_HOME',
			'HOME',
			'OPENCLAW_PROFILE',
		].map(name => [name, all[name]]),
	);
	if (own.OPENCLAW_GATEWAY_URL)
		return {
			key: JSON.stringify([exec, own.OPENCLAW_GATEWAY_URL]),
			shown: `OPENCLAW_GATEWAY_URL ${own.OPENCLAW_GATEWAY_URL}`,
		};
	if (own.OPENCLAW_STATE_DIR) own.HOME = undefined;
	const shown = isInside ? `exec ${exec.join(' ')}` : `OPENCLAW_STATE_DIR ${own.OPENCLAW_STATE_DIR ?? 'not set'}`;
	return {key: JSON.stringify([exec, own]), shown};
}

function widePolicies(file: ConfigFile): [Path, string][] {
	const standard = toPolicy(file.policy);
	return file.sandboxes.flatMap((sandbox, index) => {
		const named = toPolicy({...file.policy, ...defined(sandbox.policy)});
		return wideningsOf(named, standard, defined(sandbox.policy)).map(({path: at, problem}): [Path, string] => [
			['sandboxes', index, 'policy', ...at],
			`${problem}; a sandbox's policy can only narrow the default`,
		]);
	});
}

function visibleSecrets({sandboxes}: ConfigFile): [Path, string][] {
	return sandboxes.flatMap(({exec, env, envFile}, index): [Path, string][] => {
		if (exec.length === 0 && envFile === null) return [];
		return Object.keys(env)
			.filter(name => SECRET_VARIABLE.test(name))
			.map(name => [
				['sandboxes', index, 'env', name],
				'would show in the process table; set it inside the sandbox, in the file that envFile names',
			]);
	});
}

function gatewayProblems({sandboxes}: ConfigFile): [Path, string][] {
	return sandboxes.flatMap(({gateway, transport}, index): [Path, string][] => {
		if (!gateway)
			return transport === 'gateway'
				? [[['sandboxes', index, 'transport'], 'gateway needs a gateway: {url, tokenFile}']]
				: [];
		if (gateway.tokenFile === undefined) return [];
		try {
			readTokenFile(gateway.tokenFile);
			return [];
		} catch (error) {
			return [[['sandboxes', index, 'gateway', 'tokenFile'], messageOf(error)]];
		}
	});
}

function groupProblems({controlGroup}: ConfigFile): [Path, string][] {
	if (controlGroup === null || groupIdOf(controlGroup) !== null) return [];
	return [[['controlGroup'], `there is no group ${controlGroup} on this host; make it: groupadd ${controlGroup}`]];
}

function complete({sandboxes, ...file}: ConfigFile, path_: string, source: ConfigSource): Config {
	const standard = toPolicy(file.policy);
	return {
		...file,
		path: path_,
		statusFile:
			source.statusFile === undefined
				? (file.statusFile ?? defaultStatusFile(source.environment))
				: path.resolve(source.statusFile),
		policy: standard,
		sandboxes: sandboxes.map(
			({name, enabled, exec, env, envFile, approveUnset, gateway, transport, policy}): SandboxConfig => ({
				name,
				enabled,
				target: {exec, env, envFile, approveUnset},
				gateway: gateway && toGateway(gateway),
				transport,
				policy: toPolicy({...file.policy, ...defined(policy)}),
			}),
		),
		warnings: [
			...sandboxes.flatMap(({name, gateway}) =>
				gateway && isClearToPublicAddress(gateway.url)
					? [`${name}: OpenClaw's client sends no token in clear to a public address, allowed or not; use wss://`]
					: [],
			),
			...(sandboxes.length === 0 ? ['no sandboxes are configured, so there is nothing to watch'] : []),
			...(file.policy.scopes.includes(ADMIN_SCOPE)
				? [`policy.scopes names ${ADMIN_SCOPE}, which is granted only to clients whose own entry names it`]
				: []),
		],
	};
}

function toGateway(entry: NonNullable<SandboxEntry['gateway']>): GatewayTarget {
	const {url, tokenFile, tokenCommand, fingerprint, allowInsecure} = entry;
	return {
		url,
		tokenFile: tokenFile ?? null,
		tokenCommand: tokenCommand ?? [],
		fingerprint: fingerprint ?? null,
		allowInsecure,
	};
}

function toPolicy({clients, ...rest}: ConfigFile['policy']): Policy {
	return {...rest, clients: clients.map(defined)};
}

/** Without the keys that are `undefined`. */
function defined<T extends object>(value: T): {[K in keyof T]: Exclude<T[K], undefined>} {
	return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
		[K in keyof T]: Exclude<T[K], undefined>;
	};
}
