import type {SandboxEntry} from './schema.ts';

/** What decides which gateway a call on the host or behind `exec` reaches (OpenClaw: docs/help/environment.md). */
const DECIDING_VARIABLES = [
	'OPENCLAW_GATEWAY_URL',
	'OPENCLAW_GATEWAY_PORT',
	'OPENCLAW_CONFIG_PATH',
	'OPENCLAW_STATE_DIR',
	'OPENCLAW_HOME',
	'HOME',
	'OPENCLAW_PROFILE',
];

/** A way to a gateway. Two sandboxes with an equal `key` would be two watchers on one gateway; `shown` names it to a person. */
export interface Target {
	readonly key: string;
	readonly shown: string;
}

/** The ways to its gateway that a sandbox's `transport` allows. */
export function targetsOf(sandbox: SandboxEntry, environment: NodeJS.ProcessEnv): readonly Target[] {
	const {gateway, transport} = sandbox;
	const url = gateway?.url;
	const socket = url !== undefined && transport !== 'cli' ? [{key: socketOf(url), shown: url}] : [];
	const isByUrlAlone = transport === 'gateway' && url !== undefined;
	return isByUrlAlone ? socket : [...socket, commandTarget(sandbox, environment)];
}

/** Where a WebSocket's URL leads, however it is spelt. */
function socketOf(text: string): string {
	const {protocol, hostname, port, pathname} = new URL(text);
	const host = /^(localhost\.?|127\.0\.0\.1|\[::1\])$/.test(hostname) ? 'loopback' : hostname;
	return `${host}:${port || (protocol === 'wss:' ? 443 : 80)}${pathname.replace(/\/+$/, '')}`;
}

/** Where `openclaw` leads. Variables that OpenClaw does not look at, because another one outranks them, are left out. */
function commandTarget({exec, env}: SandboxEntry, environment: NodeJS.ProcessEnv): Target {
	const isInside = exec.length > 0;
	// Behind `exec` our own environment does not arrive.
	const all: NodeJS.ProcessEnv = isInside ? env : {...environment, ...env};
	const url = all.OPENCLAW_GATEWAY_URL;
	if (url) return {key: JSON.stringify([exec, url]), shown: `OPENCLAW_GATEWAY_URL ${url}`};
	const deciding = Object.fromEntries(DECIDING_VARIABLES.map(name => [name, all[name]]));
	if (deciding.OPENCLAW_STATE_DIR) deciding.HOME = undefined;
	const shown = isInside ? `exec ${exec.join(' ')}` : `OPENCLAW_STATE_DIR ${deciding.OPENCLAW_STATE_DIR ?? 'not set'}`;
	return {key: JSON.stringify([exec, deciding]), shown};
}
