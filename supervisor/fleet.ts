import os from 'node:os';
import {within} from '../worker/clock.ts';
import type {RememberedAlarm} from './instance/alarm-file.ts';
import type {ProcessIdentity} from './instance/state-file.ts';
import {type SandboxRecord, withCountsOf, withoutAlarm} from './sandbox/record.ts';
import {Sandbox, type SandboxDeps} from './sandbox/sandbox.ts';
import {type SandboxSpec, targetOf} from './sandbox/spec.ts';
import type {SandboxStatus} from './status/schema.ts';

/** So many first workers a core may have been forked and not have been heard of: enough to keep the core busy, and none waits long for its part of it. */
const STARTS_PER_CORE = 2;

/** One that is not heard of within this, in milliseconds, holds the others no longer. */
const START_PATIENCE = 2000;

/** So many workers are looked at in one inspection, or a quarter of them: those of a full host are looked at less often, but no seldomer than that. */
const LOOKS = 50;
const LONGEST_ROUND = 4;

/**
 * A worker's memory is looked at once in so many inspections, and of so many workers in one at most: its heap has a limit of its own, and each look is a file
 * of /proc.
 */
const MEMORY_ROUND = 4;
const MEMORY_LOOKS = 12;

/** So many sandboxes that have left the configuration are remembered, the last ones. */
const MAX_RETIRED = 4096;

/** What is remembered of a sandbox, and its name. */
export interface Remembered {
	readonly name: string;
	readonly record: SandboxRecord;
}

/** What a reconciliation did to the sandboxes. */
export interface Changes {
	readonly added: number;
	readonly removed: number;
	readonly changed: number;
	readonly unchanged: number;
}

export interface FleetDeps extends SandboxDeps {
	/** Aborts when no more sandboxes are to be started. */
	readonly signal: AbortSignal;
	/** How many first workers may be on their way at once; as many as the cores bear where it is not given. */
	readonly startsAtOnce?: number;
}

/** The sandboxes of the configuration, and what is remembered of those that have left it. */
export class Fleet {
	readonly #deps: FleetDeps;
	readonly #sandboxes = new Map<string, Sandbox>();
	/** What is remembered of those that are not in the configuration, the latest last; of a name with several targets each. */
	#retired: readonly Remembered[];
	#inspections = 0;
	/** Alarms that were raised before this supervisor's life in sandboxes that have not been in the configuration since. */
	#alarms: readonly RememberedAlarm[] = [];

	/** `remembered`: what a killed supervisor left. */
	constructor(specs: ReadonlyMap<string, SandboxSpec>, remembered: readonly Remembered[], deps: FleetDeps) {
		this.#deps = deps;
		this.#retired = remembered;
		for (const [name, spec] of specs) this.#add(name, spec);
	}

	get names(): readonly string[] {
		return [...this.#sandboxes.keys()];
	}

	get(name: string): Sandbox | undefined {
		return this.#sandboxes.get(name);
	}

	get all(): readonly Sandbox[] {
		return [...this.#sandboxes.values()];
	}

	/**
	 * Forks the first worker of each sandbox that has none, as fast as the machine makes workers of the ones before, which also spreads their first polls.
	 * Resolves when all are forked, whatever has been heard of them.
	 */
	async start(): Promise<void> {
		const {clock, signal, startsAtOnce = STARTS_PER_CORE * os.availableParallelism()} = this.#deps;
		const waiting = this.all.filter(({isWaiting}) => isWaiting);
		const underWay = new Set<Promise<void>>();
		for (const sandbox of waiting) {
			if (underWay.size >= startsAtOnce) await Promise.race(underWay);
			if (signal.aborted) return;
			sandbox.start();
			const start: Promise<void> = within(sandbox.heardOf, {ms: START_PATIENCE, clock}, () => {}).then(
				() => void underWay.delete(start),
			);
			underWay.add(start);
		}
	}

	/**
	 * Makes the sandboxes those of the configuration. What leaves or changes is stopped before anything starts, since two may have swapped gateways.
	 * `stopTimeout` in milliseconds. To be called again only when it has resolved.
	 */
	async reconcile(specs: ReadonlyMap<string, SandboxSpec>, stopTimeout: number): Promise<Changes> {
		const present = this.all;
		const removed = present.filter(({name}) => !specs.has(name));
		const changed = present.filter(sandbox => {
			const spec = specs.get(sandbox.name);
			return spec !== undefined && !sandbox.isUnchangedBy(spec);
		});
		await Promise.all([
			...removed.map(sandbox => sandbox.stop(stopTimeout)),
			...changed.map(sandbox => sandbox.pause(stopTimeout)),
		]);
		for (const sandbox of removed) this.#retire(sandbox);
		for (const [name, spec] of specs) {
			const sandbox = this.#sandboxes.get(name);
			if (sandbox) this.#adopt(sandbox, spec);
			else this.#add(name, spec);
		}
		await this.start();
		const unchanged = present.length - removed.length - changed.length;
		return {
			added: specs.size - changed.length - unchanged,
			removed: removed.length,
			changed: changed.length,
			unchanged,
		};
	}

	/** Ends all workers and what they started: politely, and after `timeout` milliseconds not. */
	async stop(timeout: number): Promise<void> {
		await Promise.all(this.all.map(sandbox => sandbox.stop(timeout)));
	}

	/** Ends workers that fail to be alive. `isLate`: we were held up ourselves, so that their silence proves nothing. */
	inspect(isLate: boolean): void {
		this.#inspections++;
		const round = Math.min(Math.ceil(this.#sandboxes.size / LOOKS), LONGEST_ROUND);
		// Whole rounds, so that a worker is looked at whenever its memory is.
		const memoryRound = Math.ceil(Math.max(MEMORY_ROUND, this.#sandboxes.size / MEMORY_LOOKS) / round) * round;
		for (const [index, sandbox] of this.all.entries()) {
			if (isLate) sandbox.forgive();
			const turn = index + this.#inspections;
			if (turn % round === 0) sandbox.inspect({withMemory: turn % memoryRound === 0});
		}
	}

	/** Alarms that were raised before this supervisor's life; to be called before the start. A sandbox that comes later finds its own. */
	recallAlarms(alarms: readonly RememberedAlarm[]): void {
		this.#alarms = alarms.filter(({sandbox}) => !this.#sandboxes.has(sandbox));
		for (const alarm of alarms) this.get(alarm.sandbox)?.recallAlarm(alarm);
	}

	clearAlarms(): void {
		this.#alarms = [];
		for (const sandbox of this.all) sandbox.clearAlarm();
		this.#retired = this.#retired.map(({name, record}) => ({name, record: withoutAlarm(record)}));
	}

	/** The processes of the workers there are. */
	get processes(): readonly ProcessIdentity[] {
		return this.all.flatMap(({identity}) => identity ?? []);
	}

	get statuses(): Readonly<Record<string, SandboxStatus>> {
		return Object.fromEntries(this.all.map(sandbox => [sandbox.name, sandbox.status()]));
	}

	/** What the next supervisor would need, were this one killed; of the sandboxes that have left the configuration too. */
	get remembered(): readonly Remembered[] {
		return [...this.#retired, ...this.all.map(({name, record}) => ({name, record}))];
	}

	#add(name: string, spec: SandboxSpec): void {
		const sandbox = new Sandbox(name, spec, this.#recall(name, targetOf(spec)), this.#deps);
		this.#sandboxes.set(name, sandbox);
		for (const alarm of this.#alarms.filter(each => each.sandbox === name)) sandbox.recallAlarm(alarm);
		this.#alarms = this.#alarms.filter(alarm => alarm.sandbox !== name);
	}

	/** What is remembered of the gateway that it had is put by, and what is remembered of the new one counts. */
	#adopt(sandbox: Sandbox, spec: SandboxSpec): void {
		const {name, record} = sandbox;
		const target = targetOf(spec);
		if (record.target === target) {
			sandbox.adopt(spec);
			return;
		}
		this.#remember({name, record});
		sandbox.adopt(spec, this.#recall(name, target));
	}

	/** A sandbox that comes back within the shift finds its alarm, its refusals and its fast time as they were. */
	#retire(sandbox: Sandbox): void {
		const {name, record} = sandbox;
		this.#sandboxes.delete(name);
		// Somebody may have asked for a pass since it was stopped.
		void sandbox.stop(0);
		this.#remember({name, record});
	}

	#remember({name, record}: Remembered): void {
		const others = this.#retired.filter(each => each.name !== name || each.record.target !== record.target);
		this.#retired = latest([...others, {name, record}], MAX_RETIRED);
	}

	/** What is remembered of this target under this name, and no more so by the retired. What was counted belongs to the name, the rest to the target. */
	#recall(name: string, target: string): SandboxRecord | null {
		const ofName = this.#retired.filter(each => each.name === name);
		const ofTarget = ofName.find(({record}) => record.target === target);
		this.#retired = this.#retired.filter(each => each !== ofTarget);
		const last = ofName.at(-1)?.record ?? null;
		return ofTarget && last ? withCountsOf(last, ofTarget.record) : last;
	}
}

/** The latest of these, `limit` of them: those with an alarm before all others, so that no stream of names that come and go makes one forgotten. */
function latest(remembered: readonly Remembered[], limit: number): readonly Remembered[] {
	const excess = remembered.length - limit;
	if (excess <= 0) return remembered;
	const [calm, alarmed] = [false, true].map(isAlarmed =>
		remembered.filter(({record}) => (record.checkpoint.ledger.alarm !== null) === isAlarmed),
	);
	const dropped = new Set([...(calm ?? []), ...(alarmed ?? [])].slice(0, excess));
	return remembered.filter(each => !dropped.has(each));
}
