// What the tests of sandboxes under supervision share: specs, and workers that are told what to do.

import {CallTurns} from '../../supervisor/calls/turns.ts';
import type {SandboxRecord} from '../../supervisor/sandbox/record.ts';
import {Sandbox, type SandboxDeps} from '../../supervisor/sandbox/sandbox.ts';
import type {SandboxSpec} from '../../supervisor/sandbox/spec.ts';
import type {WorkerHandle, WorkerListener} from '../../supervisor/sandbox/worker-process.ts';
import type {HeldRequest, Snapshot, ToSupervisor, ToWorker, WorkerConfig} from '../../worker/protocol.ts';
import {defaultPolicy, MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

/** The configuration of a worker behind `exec`. */
export function workerConfigOf(change: Partial<WorkerConfig> = {}): WorkerConfig {
	return {
		name: 'alpha',
		target: {exec: ['enter', 'alpha'], env: {}, envFile: null, approveUnset: [], openclaw: null},
		gateway: null,
		inside: null,
		transport: 'auto',
		policy: defaultPolicy,
		maxApprovals: 8,
		isAudited: false,
		runTimeout: 10 * SECOND,
		passEnv: [],
		heartbeatInterval: 5 * SECOND,
		cadence: {
			fastDeadline: 10 * MINUTE,
			fastInterval: SECOND,
			slowInterval: 30 * SECOND,
			fastReentryPolls: 5,
			fastReentryInterval: SECOND,
		},
		...change,
	};
}

export function specOf(change: Partial<WorkerConfig> = {}, more: Partial<SandboxSpec> = {}): SandboxSpec {
	return {
		enabled: true,
		worker: workerConfigOf(change),
		limits: {heartbeatTimeout: 20 * SECOND, progressTimeout: 50 * SECOND, workerMemory: 192 * 2 ** 20},
		restart: {minDelay: 100, maxDelay: 30 * SECOND, stableAfter: MINUTE},
		...more,
	};
}

export function snapshotOf(change: Partial<Snapshot> = {}): Snapshot {
	return {
		mode: 'fast',
		interval: 1,
		transport: 'cli',
		route: null,
		transportReason: null,
		lastListAt: null,
		nextPollAt: null,
		warnings: [],
		pending: 0,
		...change,
	};
}

/** A browser's request for everything. */
export function heldOf(change: Partial<HeldRequest> = {}): HeldRequest {
	return {
		requestId: 'h1',
		deviceId: 'device-1',
		clientId: 'openclaw-control-ui',
		clientMode: 'webchat',
		role: 'operator',
		roles: ['operator'],
		scopes: ['operator.read', 'operator.admin'],
		gives: ['operator.admin'],
		reason: 'disallowed-scope',
		since: 1_800_000_000_000,
		rejectAt: 1_800_000_060_000,
		digest: 'd1',
		...change,
	};
}

/** A worker that does nothing by itself. */
export class PuppetWorker implements WorkerHandle {
	readonly pid: number;
	readonly start: Extract<ToWorker, {kind: 'start'}>;
	readonly heard: ToWorker[] = [];
	readonly startTime = '1';
	rss: number | null = 2 ** 20;
	isKilled = false;
	readonly #listener: WorkerListener;

	constructor(pid: number, start: Extract<ToWorker, {kind: 'start'}>, listener: WorkerListener) {
		this.pid = pid;
		this.start = start;
		this.#listener = listener;
	}

	send(message: ToWorker): void {
		this.heard.push(message);
	}

	kill(): void {
		this.isKilled = true;
	}

	say(message: ToSupervisor): void {
		this.#listener.onMessage(message);
	}

	print(line: string): void {
		this.#listener.onOutput(line);
	}

	beat(progress = 1, snapshot: Snapshot = snapshotOf()): void {
		this.say({kind: 'heartbeat', progress, snapshot});
	}

	exit(code: number | null = null, signal: string | null = code === null ? 'SIGKILL' : null): void {
		this.#listener.onExit({code, signal});
	}
}

/** A sandbox on simulated time, all workers it has had, and what was logged. */
export class PuppetSandbox {
	readonly clock = new SimulatedClock();
	readonly workers: PuppetWorker[] = [];
	readonly logged: {readonly level: string; readonly message: string; readonly [field: string]: unknown}[] = [];
	readonly turns = new CallTurns(1, () => this.clock.now());
	readonly sandbox: Sandbox;
	changes = 0;
	/** What the records were told, and the answers to intents that are still to come. */
	readonly witnessed: string[] = [];
	readonly intents: ((error: string | null) => void)[] = [];
	/** What the next fork fails with. */
	forkError: Error | null = null;

	constructor(spec: SandboxSpec = specOf(), record: SandboxRecord | null = null, name = 'alpha') {
		const deps: SandboxDeps = {
			run: 'run',
			fork: (start, listener) => {
				if (this.forkError) throw this.forkError;
				const worker = new PuppetWorker(this.workers.length + 1, start, listener);
				this.workers.push(worker);
				return worker;
			},
			turns: this.turns,
			log: (level, message, fields) => void this.logged.push({level, message, ...fields}),
			clock: this.clock,
			random: () => 0,
			onChange: () => {
				this.changes++;
			},
			witness: {
				intent: (name, {action, requestId}, reason) => {
					this.witnessed.push(`intent ${action} ${requestId} of ${name} (${reason})`);
					return new Promise(resolve => this.intents.push(resolve));
				},
				decided: (name, {kind}, transport) => void this.witnessed.push(`${kind} in ${name} by ${transport}`),
				held: (name, requests) => void this.witnessed.push(`${requests.length} held in ${name}`),
				restarted: (name, reason) => void this.witnessed.push(`restarted in ${name} (${reason})`),
				gone: name => void this.witnessed.push(`gone in ${name}`),
			},
		};
		this.sandbox = new Sandbox(name, spec, record, deps);
	}

	/** The worker forked last. */
	get worker(): PuppetWorker {
		const worker = this.workers.at(-1);
		if (!worker) throw new Error('no worker was forked');
		return worker;
	}

	lines(message: string): typeof this.logged {
		return this.logged.filter(line => line.message.startsWith(message));
	}
}
