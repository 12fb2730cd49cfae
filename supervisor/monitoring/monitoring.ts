import type {Clock} from '../../worker/clock.ts';
import type {Config} from '../config/config.ts';
import {heldCounts, type PendingRequest} from '../control/pending.ts';
import {findGroupId} from '../host/name-service.ts';
import {parseListen} from '../http/address.ts';
import {Listener} from '../http/listener.ts';
import type {Log} from '../log/log.ts';
import {type Health, healthOf} from '../status/health.ts';
import type {Status} from '../status/schema.ts';
import {History} from './history.ts';
import type {MetricsRegistry} from './registry.ts';
import type {Counted} from './tally.ts';
import {Textfile} from './textfile.ts';

/** A status is made when it is looked at; older than this it would not be ours, in milliseconds. */
const MAX_AGE = 15_000;

export interface MonitoringDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** The status as it is now. */
	readonly status: () => Status;
	/** What waits for a person. Never rejects. */
	readonly pending: () => Promise<readonly PendingRequest[]>;
}

/** What of the configuration says how a host is monitored. */
export type MonitoringConfig = Pick<Config, 'metricsFile' | 'listen' | 'listenHosts' | 'controlGroup'>;

/** What monitors and people see of an instance, besides its status file: metrics in a file, and by HTTP. Nothing of it is ever in the way of what is supervised. */
export class Monitoring {
	readonly #deps: MonitoringDeps;
	readonly #history = new History();
	readonly #textfile: Textfile;
	readonly #listener: Listener;
	#registry: MetricsRegistry | null = null;

	constructor(deps: MonitoringDeps) {
		const {clock, log, status, pending} = deps;
		this.#deps = deps;
		this.#textfile = new Textfile({clock, log, compose: async () => (await this.#metrics()).text});
		const history = () => this.#history.show(clock.now(), clock.wall());
		const health = (shown: Status) => this.#healthOf(shown);
		this.#listener = new Listener({
			clock,
			log,
			sources: {status, pending, history, health, metrics: () => this.#metrics()},
		});
	}

	/** What does not work of it. */
	get warnings(): readonly string[] {
		return [...this.#textfile.warnings, ...this.#listener.warnings];
	}

	/** Counts what happened. */
	readonly count = (counted: Counted): void => {
		this.#history.count(counted, this.#deps.clock.now());
		this.#registry?.count(counted);
	};

	/** From now on as this configuration wants it. What cannot be is a warning. Never rejects. */
	async adopt({metricsFile, listen, listenHosts, controlGroup}: MonitoringConfig): Promise<void> {
		const address = listen === null ? null : parseListen(listen);
		// Loaded only where metrics are wanted; what is counted is counted from then on.
		// Where that fails, as when the program's files are being replaced, whoever wants metrics is told.
		if (metricsFile !== null || address !== null) await this.#loadRegistry().catch(() => {});
		const gid = address?.kind === 'unix' && controlGroup !== null ? await findGroupId(controlGroup) : null;
		await Promise.all([
			this.#textfile.keepAt(metricsFile),
			this.#listener.listenAt({address, hosts: listenHosts, gid}),
		]);
	}

	/** Something in the status has changed. */
	touch(): void {
		this.#listener.touch();
	}

	/** Writes the metrics a last time, and listens no more. */
	async close(): Promise<void> {
		await Promise.all([this.#textfile.close(), this.#listener.close()]);
	}

	async #metrics(): Promise<{readonly type: string; readonly text: string}> {
		const registry = await this.#loadRegistry();
		const held = heldCounts(await this.#deps.pending());
		const status = this.#deps.status();
		return {type: registry.contentType, text: await registry.text({status, health: this.#healthOf(status), held})};
	}

	async #loadRegistry(): Promise<MetricsRegistry> {
		const {MetricsRegistry} = await import('./registry.ts');
		this.#registry ??= new MetricsRegistry();
		return this.#registry;
	}

	#healthOf(status: Status): Health {
		return healthOf(status, {isAlive: true, now: this.#deps.clock.wall(), maxAge: MAX_AGE});
	}
}
