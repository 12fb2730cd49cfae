import type {WorkerConfig} from '../worker/protocol.ts';
import type {Config, SandboxConfig} from './config/config.ts';
import {stepTimeout} from './liveness.ts';
import type {SandboxPlan} from './sandbox.ts';

/** A worker shows that it lives this often within the time in which it must, in beats. */
const BEATS_PER_TIMEOUT = 4;
const LONGEST_BEAT = 5000;

/** How one sandbox is to be watched under this configuration. */
export function planFor(config: Config, sandbox: SandboxConfig, openclaw: string): SandboxPlan {
	return {
		enabled: sandbox.enabled,
		worker: workerConfig(config, sandbox, openclaw),
		limits: {
			heartbeatTimeout: config.heartbeatTimeout,
			stepTimeout: stepTimeout(config),
			workerMemory: config.workerMemory,
		},
		restart: config.restart,
	};
}

/** What the sandbox's worker needs to know. */
function workerConfig(
	config: Config,
	{name, target, gateway, transport, policy}: SandboxConfig,
	openclaw: string,
): WorkerConfig {
	const {
		maxApprovals,
		runTimeout,
		heartbeatTimeout,
		fastDeadline,
		fastInterval,
		slowInterval,
		fastReentryPolls,
		fastReentryInterval,
	} = config;
	return {
		name,
		target: {...target, openclaw},
		gateway,
		transport,
		policy,
		maxApprovals,
		runTimeout,
		heartbeatInterval: Math.min(heartbeatTimeout / BEATS_PER_TIMEOUT, LONGEST_BEAT),
		cadence: {fastDeadline, fastInterval, slowInterval, fastReentryPolls, fastReentryInterval},
	};
}
