import type {SandboxTarget, WorkerConfig} from '../../worker/protocol.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import type {Tokened} from './equal-tokens.ts';
import type {Layer} from './layers.ts';
import type {ConfigFile, SandboxEntry} from './schema.ts';
import type {Shard} from './shard.ts';
import type {InventorySource} from './sources.ts';

/** A sandbox as configured, with a whole policy: what its own leaves out is filled in from the default one. */
export interface SandboxConfig {
	readonly name: string;
	readonly enabled: boolean;
	readonly target: Omit<SandboxTarget, 'openclaw'>;
	readonly gateway: WorkerConfig['gateway'];
	readonly inside: WorkerConfig['inside'];
	readonly transport: WorkerConfig['transport'];
	readonly policy: Policy;
	/** Where an inventory has named it; absent: it is written. */
	readonly discovered?: Discovered;
}

/** What is known of a sandbox by the inventory that has named it. */
export interface Discovered {
	/** The inventory, for people. */
	readonly by: string;
	/** Names the sandbox for good: another one under its name is another sandbox. */
	readonly identity: string;
	/** Names what people have written that it is made of. */
	readonly configuration: string;
	readonly isStopped: boolean;
}

/** What discovered sandboxes are made of besides what was found, and measured against. */
export interface Ground {
	/** `defaults` as written. */
	readonly defaults: Layer;
	readonly policy: ConfigFile['policy'];
	/** The sandboxes of the configuration, whoever watches them: they keep their names and their ways to gateways. */
	readonly sandboxes: readonly SandboxEntry[];
	/** The tokens of those, as far as they stand in files. */
	readonly tokens: readonly Tokened[];
}

/** A configuration ready to be used: checked, with defaults, overridden by the environment. Durations in milliseconds, sizes in bytes. */
export interface Config
	extends Omit<ConfigFile, 'sandboxes' | 'policy' | 'statusFile' | 'include' | 'defaults' | 'discover' | 'shard'> {
	/** The file it was read from. */
	readonly path: string;
	/** Where the status goes; an absolute path. */
	readonly statusFile: string;
	readonly policy: Policy;
	/** Those that are written, and are this instance's. */
	readonly sandboxes: readonly SandboxConfig[];
	/** The names of those that are other instances'. */
	readonly elsewhere: readonly string[];
	/** This instance's share of all sandboxes. */
	readonly shard: Shard;
	/** Where further sandboxes are looked for. */
	readonly discover: readonly InventorySource[];
	readonly ground: Ground;
	/** What is allowed but looks like a mistake. */
	readonly warnings: readonly string[];
}

/** The configuration cannot be used. The message names file, line and key of everything that is wrong, a line each. */
export class ConfigError extends Error {
	override readonly name = 'ConfigError';
}
