import type {SandboxTarget, WorkerConfig} from '../../worker/protocol.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import type {ConfigFile} from './schema.ts';

/** A sandbox as configured, with a whole policy: what its own leaves out is filled in from the default one. */
export interface SandboxConfig {
	readonly name: string;
	readonly enabled: boolean;
	readonly target: Omit<SandboxTarget, 'openclaw'>;
	readonly gateway: WorkerConfig['gateway'];
	readonly inside: WorkerConfig['inside'];
	readonly transport: WorkerConfig['transport'];
	readonly policy: Policy;
}

/** A configuration ready to be used: checked, with defaults, overridden by the environment. Durations in milliseconds, sizes in bytes. */
export interface Config extends Omit<ConfigFile, 'sandboxes' | 'policy' | 'statusFile' | 'include' | 'defaults'> {
	/** The file it was read from. */
	readonly path: string;
	/** Where the status goes; an absolute path. */
	readonly statusFile: string;
	readonly policy: Policy;
	readonly sandboxes: readonly SandboxConfig[];
	/** What is allowed but looks like a mistake. */
	readonly warnings: readonly string[];
}

/** The configuration cannot be used. The message names file, line and key of everything that is wrong, a line each. */
export class ConfigError extends Error {
	override readonly name = 'ConfigError';
}
