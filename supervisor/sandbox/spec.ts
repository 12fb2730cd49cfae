import {createHash} from 'node:crypto';
import {isDeepStrictEqual} from 'node:util';
import type {WorkerConfig} from '../../worker/protocol.ts';
import type {Config, Discovered, SandboxConfig} from '../config/config.ts';
import {type Limits, progressTimeout} from './liveness.ts';
import type {RestartPolicy} from './restart-policy.ts';

/** So often a worker beats within the time in which it must be heard of. */
const BEATS_PER_TIMEOUT = 3;
/** Or less often, as long as a beat may be late by this, in milliseconds. */
const LATENESS_BORNE = 10_000;
/** And at least this often, in milliseconds. */
const LONGEST_BEAT = 10_000;

/** Why nobody watches a sandbox that its inventory calls stopped. */
export const STOPPED = 'the sandbox is stopped, as its inventory says';

/** What a sandbox should be. */
export interface SandboxSpec {
	readonly enabled: boolean;
	readonly worker: WorkerConfig;
	readonly limits: Limits;
	readonly restart: RestartPolicy;
	/** Where an inventory has named it. */
	readonly discovered?: Discovered;
}

/** What this configuration wants of one of its sandboxes. `openclaw`: the program for calls on the host. */
export function specFor(config: Config, sandbox: SandboxConfig, openclaw: string): SandboxSpec {
	return {
		enabled: sandbox.enabled,
		worker: workerConfig(config, sandbox, openclaw),
		limits: {
			heartbeatTimeout: config.heartbeatTimeout,
			progressTimeout: progressTimeout(config),
			workerMemory: config.workerMemory,
		},
		restart: config.restart,
		...(sandbox.discovered ? {discovered: sandbox.discovered} : {}),
	};
}

/** Whether its worker runs the host's own `openclaw`. */
export function usesHostOpenclaw({target, transport}: Pick<SandboxConfig, 'target' | 'transport'>): boolean {
	return target.exec.length === 0 && transport !== 'gateway';
}

/** Whether somebody has asked for the gateway, so that the CLI in its place is less than what is wanted. */
export function isGatewayConfigured({gateway, inside}: Pick<WorkerConfig, 'gateway' | 'inside'>): boolean {
	if (gateway !== null) return true;
	return inside !== null && (inside.port !== null || inside.tokenFile !== null || inside.tokenCommand.length > 0);
}

/** Whether a worker that was forked for `before` can go on under `after`. */
export function needsNewWorker(before: SandboxSpec, after: SandboxSpec): boolean {
	return (
		before.enabled !== after.enabled ||
		before.discovered?.identity !== after.discovered?.identity ||
		!isDeepStrictEqual(before.worker, after.worker)
	);
}

/** Whether the sandbox itself is configured as before; how its calls are bounded, and where the host's `openclaw` is, is not its own. */
export function isConfiguredAlike(before: SandboxSpec, after: SandboxSpec): boolean {
	return isDeepStrictEqual(ownConfiguration(before), ownConfiguration(after));
}

/** Names how the sandbox itself is configured. */
export function configurationOf(spec: SandboxSpec): string {
	return shortName(JSON.stringify(ownConfiguration(spec)));
}

function ownConfiguration({enabled, worker, discovered}: SandboxSpec): object {
	// What an inventory says, and what runs or is stopped, is nobody's decision.
	if (discovered) return {configuration: discovered.configuration};
	const {target, gateway, inside, transport, policy} = worker;
	const {openclaw: _, ...own} = target;
	return {enabled, target: own, gateway, inside, transport, policy};
}

/** Names the gateway that is watched: what is remembered of one says nothing of another. */
export function targetOf({worker, discovered}: SandboxSpec): string {
	if (discovered) return discovered.identity;
	const {exec, env, envFile} = worker.target;
	const names = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1));
	const text = JSON.stringify([exec, names, envFile, worker.gateway?.url ?? worker.inside?.port ?? null]);
	return shortName(text);
}

function shortName(text: string): string {
	return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

/** What the sandbox's worker needs to know. */
function workerConfig(config: Config, sandbox: SandboxConfig, openclaw: string): WorkerConfig {
	const {name, target, gateway, inside, transport, policy} = sandbox;
	const {maxApprovals, runTimeout, passEnv, heartbeatTimeout} = config;
	const {fastDeadline, fastInterval, slowInterval, fastReentryPolls, fastReentryInterval} = config;
	return {
		name,
		// Only who uses it is told where it is, so that one that moves is nothing to the others.
		target: {...target, openclaw: usesHostOpenclaw(sandbox) ? openclaw : null},
		gateway,
		inside,
		transport,
		policy,
		maxApprovals,
		isAudited: config.auditFile !== null,
		runTimeout,
		passEnv,
		heartbeatInterval: Math.min(
			Math.max(heartbeatTimeout / BEATS_PER_TIMEOUT, heartbeatTimeout - LATENESS_BORNE),
			LONGEST_BEAT,
		),
		cadence: {fastDeadline, fastInterval, slowInterval, fastReentryPolls, fastReentryInterval},
	};
}
