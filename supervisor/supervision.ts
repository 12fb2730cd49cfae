import {randomUUID} from 'node:crypto';
import {type Cancel, type Clock, isoTime} from '../worker/clock.ts';
import {messageOf} from '../worker/text.ts';
import {routeOf} from '../worker/transport/way.ts';
import {TurnLender} from './calls/lending.ts';
import {callLimit} from './calls/limit.ts';
import {CallTurns, type FinishedCall} from './calls/turns.ts';
import type {Config, SandboxConfig} from './config/config.ts';
import {shardText} from './config/shard.ts';
import {answerAbout, type SandboxRequest} from './control/answers.ts';
import type {ControlResponse} from './control/protocol.ts';
import {Discovery} from './discovery/discovery.ts';
import type {TakeInventory} from './discovery/taking.ts';
import {Fleet, type Remembered} from './fleet.ts';
import type {RememberedAlarm} from './instance/alarm-file.ts';
import type {ProcessIdentity, SupervisorState} from './instance/state-file.ts';
import type {Log} from './log/log.ts';
import {resume} from './predecessor.ts';
import {type SandboxSpec, specFor, usesHostOpenclaw} from './sandbox/spec.ts';
import type {Witness} from './sandbox/witness.ts';
import type {ForkWorker} from './sandbox/worker-process.ts';
import {beginShift, isOver, type Shift, withDeadline} from './shift.ts';
import {composeStatus, type Phase} from './status/composition.ts';
import type {Status} from './status/schema.ts';

/** A tick that comes after so many times the gap in which it should means that we were held up ourselves. */
const LATE_AFTER = 4;

/** How often `openclaw` is looked for where it was, in milliseconds. */
const LOOK_GAP = 5000;

/** Why a supervisor ended. */
export type End = 'stopped' | 'deadline';

export interface SupervisionDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly version: string;
	readonly fork: ForkWorker;
	/** From 0 to 1, as `Math.random`. */
	readonly random: () => number;
	/** How often {@link Supervision.tick} is going to be called, in milliseconds. */
	readonly tickGap: number;
	/** The absolute path of the `openclaw` of this name, or `null` where there is none. */
	readonly findOpenclaw: (name: string) => string | null;
	/** Something in the status has changed. */
	readonly onChange: () => void;
	/** Hears of every call that had a turn and was not called off; nobody does where it is not given. */
	readonly onCall?: (call: FinishedCall) => void;
	/** Keeps the records; nobody does where it is not given. */
	readonly witness?: Witness;
	/** Asks inventories. */
	readonly takeInventory?: (run: string) => TakeInventory;
}

/** Where a new configuration comes from, and what else it is for. */
export interface Reload {
	/** Only `pairkeeper reload` says that somebody has looked at the alarms. */
	readonly clearsAlarms: boolean;
	/** Reads it; throws where it cannot be used. */
	readonly load: () => Config;
	/** Takes it over where it is not about sandboxes, or rejects, having changed nothing; called when nothing else can refuse it any more. */
	readonly adopt: (config: Config, before: Config) => Promise<void> | void;
	/** The present one stays in force. */
	readonly refused: (present: Config) => Promise<void> | void;
}

/** The host's sandboxes under supervision: what is wanted, what is done about it, and what there is to say of it. Touches no file and no socket. */
export class Supervision {
	/** Marks the processes of this supervisor's life. */
	readonly run = randomUUID();
	readonly #deps: SupervisionDeps;
	readonly #turns: CallTurns;
	readonly #lender: TurnLender;
	readonly #fleet: Fleet;
	readonly #discovery: Discovery;
	readonly #ending = new AbortController();
	readonly #startedWall: number;
	#config: Config;
	#configState: Status['supervisor']['config'];
	#phase: Phase = 'starting';
	#shift: Shift;
	/** The program for calls on the host, and whether it is there. */
	#openclaw: {readonly path: string; readonly isThere: boolean};
	#lastLook: number;
	#lastTick: number;
	#end: Promise<void> | null = null;
	/** What changes the sandboxes is done one after the other, and after the start. */
	readonly #started = Promise.withResolvers<void>();
	#work: Promise<unknown> = this.#started.promise;
	/** What was discovered is about to be looked at. */
	#isDiscoveryDue = false;

	/** `predecessor`: what a supervisor left that was killed in this boot; its shift goes on, unless it is over, and its alarms stand. */
	constructor(config: Config, predecessor: SupervisorState | null, deps: SupervisionDeps) {
		const {clock} = deps;
		this.#deps = deps;
		this.#config = config;
		this.#configState = {path: config.path, generation: 1, loadedAt: isoTime(clock.wall()), error: null};
		this.#startedWall = clock.wall();
		this.#lastTick = clock.now();
		this.#lastLook = clock.now();
		this.#openclaw = this.#find(config);
		this.#turns = new CallTurns(callLimit(config.maxConcurrentCalls), () => clock.now(), deps.onCall);
		this.#lender = new TurnLender(this.#turns);
		const {shift = null, sandboxes = []} = predecessor ? resume(predecessor, config.deadline, clock) : {};
		this.#shift = shift ?? beginShift(config.deadline, clock);
		if (shift) deps.log('info', 'the shift of the last supervisor goes on', {deadlineAt: shift.deadlineWall});
		this.#discovery = new Discovery(config, {
			clock,
			log: deps.log,
			take: deps.takeInventory?.(this.run) ?? (async () => []),
			environment: process.env,
			onChange: () => this.#onDiscovered(),
		});
		this.#fleet = new Fleet(this.#specs(config), sandboxes, {
			...deps,
			run: this.run,
			turns: this.#turns,
			signal: this.#ending.signal,
		});
	}

	/** Aborts when the supervisor is to end, with an {@link End} as its reason. */
	get ending(): AbortSignal {
		return this.#ending.signal;
	}

	/** Alarms that were raised before this life; to be called before the start. */
	recallAlarms(alarms: readonly RememberedAlarm[]): void {
		this.#fleet.recallAlarms(alarms);
	}

	/** Names how this sandbox is configured; `null`: there is none of this name. */
	configurationOf(sandbox: string): string | null {
		return this.#fleet.get(sandbox)?.configuration ?? null;
	}

	/** Starts all sandboxes, and from then on reloads and kicks are taken. Resolves early when it is to end. */
	async start(): Promise<void> {
		// What it finds comes after those that are written, however long it takes.
		this.#discovery.start();
		await this.#fleet.start();
		if (!this.#ending.signal.aborted) this.#enter('running');
		this.#started.resolve();
	}

	/** It is to end. Asked a second time, the workers end at once. */
	stop(end: End = 'stopped'): void {
		if (this.#ending.signal.aborted) void this.#fleet.stop(0);
		this.#ending.abort(end);
	}

	/** Ends all that is supervised: politely, and after `stopTimeout` not. Called again, it waits for the same end. */
	end(): Promise<void> {
		this.#end ??= this.#endNow();
		return this.#end;
	}

	/** Looks after what time brings about: the deadline, workers that fail, an `openclaw` that moved. */
	tick(): void {
		const now = this.#deps.clock.now();
		const isLate = now - this.#lastTick > LATE_AFTER * this.#deps.tickGap;
		this.#lastTick = now;
		if (isOver(this.#shift, now)) this.#ending.abort('deadline' satisfies End);
		this.#fleet.inspect(isLate);
		if (now - this.#lastLook >= LOOK_GAP) this.#lookForOpenclaw(now);
	}

	/** Calls that wait may be let in where cores idle, until the function that is returned is called. */
	lendIdleCores(): Cancel {
		return this.#lender.run(this.#deps.clock);
	}

	/** Takes over a new configuration; one that cannot be used changes nothing, is told, and stands in the status. One at a time. Never rejects. */
	reload({clearsAlarms, load, adopt, refused}: Reload): Promise<ControlResponse> {
		return this.#serially(async () => {
			const {clock, log, onChange} = this.#deps;
			try {
				const config = load();
				this.#assertAdoptable(config);
				await adopt(config, this.#config);
				const {added, removed, changed, unchanged} = await this.#adopt(config);
				if (clearsAlarms) this.#fleet.clearAlarms();
				const generation = this.#configState.generation + 1;
				this.#configState = {path: config.path, generation, loadedAt: isoTime(clock.wall()), error: null};
				log('info', 'configuration reloaded', {added, removed, changed, unchanged});
				const detail = `configuration reloaded: ${added} added, ${removed} removed, ${changed} changed, ${unchanged} unchanged`;
				return {result: 'done', detail};
			} catch (error) {
				const detail = messageOf(error);
				await refused(this.#config);
				log('error', 'the configuration is refused; the old one stays in force', {error: detail});
				this.#configState = {...this.#configState, error: detail};
				return {result: 'refused', detail};
			} finally {
				onChange();
			}
		});
	}

	/** Does what is asked about sandboxes, and answers when that is done. Never rejects. */
	answer(request: SandboxRequest): Promise<ControlResponse> {
		return answerAbout(this.#fleet, this.#phase, request);
	}

	/** The status as it is now; `warnings` come from elsewhere. */
	status(warnings: readonly string[] = []): Status {
		const {clock, version} = this.#deps;
		return composeStatus({
			version,
			phase: this.#phase,
			startedAt: this.#startedWall,
			now: clock.wall(),
			shift: this.#shift,
			config: this.#configState,
			calls: this.#turns.counts,
			warnings: [...this.#config.warnings, ...warnings, ...this.#openclawWarning(), ...this.#discovery.warnings],
			...(this.#config.shard.count > 1
				? {
						shard: {
							share: shardText(this.#config.shard),
							elsewhere: this.#config.elsewhere.length + this.#discovery.elsewhere,
						},
					}
				: {}),
			discovery: this.#discovery.statuses,
			sandboxes: this.#fleet.statuses,
		});
	}

	/** What the next supervisor would need, were this one killed. */
	get handover(): Pick<SupervisorState, 'run' | 'shift'> & {
		readonly sandboxes: readonly Remembered[];
		readonly workers: readonly ProcessIdentity[];
	} {
		return {run: this.run, shift: this.#shift, sandboxes: this.#fleet.remembered, workers: this.#fleet.processes};
	}

	async #endNow(): Promise<void> {
		this.#ending.abort('stopped' satisfies End);
		this.#enter('stopping');
		await Promise.all([this.#discovery.close(), this.#fleet.stop(this.#config.stopTimeout)]);
		// A reload that is under way finds that it is to stop.
		this.#started.resolve();
		await this.#work;
		await this.#fleet.stop(0);
		this.#enter(this.#ending.signal.reason as End);
	}

	#enter(phase: Phase): void {
		this.#phase = phase;
		this.#deps.onChange();
	}

	#assertAdoptable({statusFile}: Config): void {
		if (statusFile !== this.#config.statusFile)
			throw new Error(`statusFile cannot be moved to ${statusFile} while running; stop and start pairkeeper for that`);
		if (this.#ending.signal.aborted) throw new Error('the supervisor is stopping');
	}

	#adopt(config: Config): ReturnType<Fleet['reconcile']> {
		const {stopTimeout} = this.#config;
		this.#config = config;
		this.#openclaw = this.#find(config);
		this.#turns.limit = callLimit(config.maxConcurrentCalls);
		this.#shift = withDeadline(this.#shift, config.deadline, this.#deps.clock);
		this.#discovery.adopt(config);
		return this.#fleet.reconcile(this.#specs(config), stopTimeout);
	}

	#specs(config: Config): ReadonlyMap<string, SandboxSpec> {
		return new Map(
			[...config.sandboxes, ...this.#discovery.sandboxes].map(
				sandbox => [sandbox.name, specFor(config, sandbox, this.#openclaw.path)] as const,
			),
		);
	}

	/** Makes the sandboxes those that are there now, after whatever is being done about them. */
	#onDiscovered(): void {
		this.#deps.onChange();
		if (this.#isDiscoveryDue) return;
		this.#isDiscoveryDue = true;
		void this.#serially(async () => {
			this.#isDiscoveryDue = false;
			if (this.#ending.signal.aborted) return;
			const {added, removed, changed} = await this.#fleet.reconcile(
				this.#specs(this.#config),
				this.#config.stopTimeout,
			);
			if (added + removed + changed > 0)
				this.#deps.log('info', 'the sandboxes are others than before', {
					added,
					removed,
					changed,
					watched: this.#fleet.names.length,
				});
			this.#deps.onChange();
		});
	}

	/** One that was moved, or was installed after we started, is found without a reload. */
	#lookForOpenclaw(now: number): void {
		this.#lastLook = now;
		const before = this.#openclaw;
		if (before.isThere && this.#deps.findOpenclaw(before.path) !== null) return;
		const found = this.#find(this.#config);
		// One that is merely gone is expected where it was.
		this.#openclaw = found.isThere ? found : {...before, isThere: false};
		if (this.#openclaw.isThere !== before.isThere) this.#deps.onChange();
		if (this.#openclaw.path === before.path) return;
		this.#deps.log('info', 'openclaw is found elsewhere', {openclaw: this.#openclaw.path});
		void this.#serially(() => this.#fleet.reconcile(this.#specs(this.#config), this.#config.stopTimeout));
	}

	/** Where there is none, the name itself: each call then says that it could not be started. */
	#find({openclaw}: Config): {readonly path: string; readonly isThere: boolean} {
		const found = this.#deps.findOpenclaw(openclaw);
		return {path: found ?? openclaw, isThere: found !== null};
	}

	/** Only where it is run: a gateway that is connected needs no program, and the CLI may never have to stand in for it. */
	#openclawWarning(): string[] {
		const {path, isThere} = this.#openclaw;
		if (isThere || !this.#sandboxes.some(sandbox => sandbox.enabled && this.#runsOpenclaw(sandbox))) return [];
		return [
			`openclaw is not to be found as ${path}; install it, or name its path in the configuration: openclaw: /path/to/openclaw`,
		];
	}

	get #sandboxes(): readonly SandboxConfig[] {
		return [...this.#config.sandboxes, ...this.#discovery.sandboxes];
	}

	#runsOpenclaw(sandbox: SandboxConfig): boolean {
		if (!usesHostOpenclaw(sandbox)) return false;
		return routeOf(sandbox) === null || this.#fleet.get(sandbox.name)?.status().transport !== 'gateway';
	}

	#serially<T>(job: () => Promise<T>): Promise<T> {
		const result = this.#work.then(job);
		this.#work = result.catch(() => {});
		return result;
	}
}
