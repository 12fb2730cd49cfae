import {randomUUID} from 'node:crypto';
import {once} from 'node:events';
import os from 'node:os';
import {type Clock, isoTime} from '../worker/clock.ts';
import {messageOf} from '../worker/text.ts';
import {callLimit} from './call-limit.ts';
import {CallTurns} from './call-turns.ts';
import type {Config} from './config/config.ts';
import type {ControlRequest, ControlResponse} from './control-protocol.ts';
import {ControlServer} from './control-server.ts';
import {InstanceFiles} from './instance-files.ts';
import {FileLock} from './lock.ts';
import type {LogFile} from './log.ts';
import {findOpenclaw} from './openclaw-path.ts';
import {describePass, isDone} from './pass-text.ts';
import type {InstancePaths} from './paths.ts';
import {planFor} from './plans.ts';
import {Sandbox, type SandboxPlan} from './sandbox.ts';
import {
	bootId,
	endLeftovers,
	forgetState,
	memoryOf,
	readState,
	type SupervisorState,
	startTimeOf,
} from './state-file.ts';
import {type Status, totalsOf} from './status.ts';

/** How often workers are looked at and the deadline is checked, in milliseconds. */
const TICK = 500;

/** A tick this late means that we were held up ourselves, in milliseconds. */
const LATE_TICK = 2000;

/** How long a one-shot pass that was begun without us is waited for, in milliseconds. */
const APPROVE_PATIENCE = 30_000;

/** Between two forks at start-up, in milliseconds: as many workers as there are cores come up at a time. */
const FORK_GAP = 150;

export interface SupervisorDeps {
	readonly paths: InstancePaths;
	readonly logFile: LogFile;
	readonly clock: Clock;
	readonly version: string;
	/** Reads the configuration again; throws a `ConfigError`. */
	readonly loadConfig: () => Config;
	/** What is wrong with the log, or `null`. */
	readonly logWarning: () => string | null;
}

/** Why a supervisor ended. */
export type End = 'stopped' | 'deadline';

/** What a reload did to the sandboxes. */
interface Changes {
	readonly added: number;
	readonly removed: number;
	readonly changed: number;
	readonly unchanged: number;
}

/** The host's process: one worker per sandbox, until the deadline or a stop. */
export class Supervisor {
	readonly #deps: SupervisorDeps;
	readonly #run = randomUUID();
	readonly #turns: CallTurns;
	readonly #sandboxes = new Map<string, Sandbox>();
	readonly #stopping = new AbortController();
	readonly #files: InstanceFiles;
	readonly #startedWall: number;
	#config: Config;
	#openclaw: string;
	#control: ControlServer | null = null;
	#state: Status['supervisor']['state'] = 'starting';
	#configState: Status['supervisor']['config'];
	/** The shift began, monotonic milliseconds; a resumed one before this process did. */
	#shiftStart: number;
	#deadlineWall: string | null = null;
	#lastTick: number;
	/** The log could not be opened anew, or `null`. */
	#logError: string | null = null;
	/** What is done one after the other: first the start, then whatever changes the sandboxes. */
	readonly #started = Promise.withResolvers<void>();
	#work: Promise<unknown> = this.#started.promise;

	constructor(config: Config, deps: SupervisorDeps) {
		const {clock, paths, logFile} = deps;
		this.#config = config;
		this.#deps = deps;
		this.#openclaw = this.#findOpenclaw(config);
		this.#turns = new CallTurns(callLimit(config.maxConcurrentCalls), () => clock.now());
		this.#startedWall = clock.wall();
		this.#shiftStart = clock.now();
		this.#lastTick = clock.now();
		this.#configState = {path: config.path, generation: 1, loadedAt: isoTime(clock.wall()), error: null};
		this.#files = new InstanceFiles(paths, {
			clock,
			log: logFile.log,
			status: () => this.status(),
			state: () => this.#composeState(),
		});
	}

	/** Supervises until {@link stop} or the deadline. The caller holds the instance lock. */
	async run(): Promise<End> {
		const {paths} = this.#deps;
		const predecessor = readState(paths.stateFile);
		await this.#cleanUpAfter(predecessor);
		const memories = this.#resume(predecessor);
		this.#deadlineWall ??= this.#composeDeadlineWall();
		for (const sandbox of this.#config.sandboxes) {
			this.#add(sandbox.name, planFor(this.#config, sandbox, this.#openclaw), memoryOf(memories, sandbox.name));
		}
		this.#control = await ControlServer.listen(paths.controlSocket, this.#config.controlGroup, request =>
			this.#answer(request),
		);
		await this.#files.write();
		const tick = setInterval(() => this.#tick(), Math.min(TICK, this.#config.heartbeatTimeout / 4));
		try {
			await this.#awaitOneShot();
			await this.#startAll();
			this.#started.resolve();
			if (!this.#stopping.signal.aborted) this.#enter('running');
			if (!this.#stopping.signal.aborted) await once(this.#stopping.signal, 'abort');
			return await this.#end(this.#stopping.signal.reason as End);
		} finally {
			this.#started.resolve();
			clearInterval(tick);
		}
	}

	/** Ends in good order; asked a second time, at once. */
	stop(): void {
		if (this.#stopping.signal.aborted) for (const sandbox of this.#sandboxes.values()) void sandbox.stop(0);
		this.#stopping.abort('stopped' satisfies End);
	}

	/** Reads the configuration again and applies it; one that cannot be used changes nothing. One reload at a time. */
	reload(): Promise<ControlResponse> {
		return this.#serially(() => this.#reloadNow());
	}

	/** The status as it is now. */
	status(): Status {
		const {clock, version} = this.#deps;
		const sandboxes = Object.fromEntries([...this.#sandboxes].map(([name, sandbox]) => [name, sandbox.status()]));
		return {
			schema: 1,
			supervisor: {
				pid: process.pid,
				version,
				host: os.hostname(),
				state: this.#state,
				startedAt: isoTime(this.#startedWall),
				updatedAt: isoTime(clock.wall()),
				deadlineAt: this.#deadlineWall,
				config: this.#configState,
				calls: this.#turns.counts,
				warnings: [
					...this.#config.warnings,
					...this.#files.warnings,
					...[this.#logError, this.#deps.logWarning()].filter(warning => warning !== null),
					...this.#openclawWarning(),
				],
			},
			totals: totalsOf(sandboxes),
			sandboxes,
		};
	}

	get #deadlineAt(): number | null {
		return this.#config.deadline === null ? null : this.#shiftStart + this.#config.deadline;
	}

	/** Nothing that a killed supervisor left may approve beside us. */
	async #cleanUpAfter(predecessor: SupervisorState | null): Promise<void> {
		if (!predecessor) return;
		const ended = await endLeftovers(predecessor);
		this.#deps.logFile.log('warn', 'the last supervisor was killed; what it left has been ended', {processes: ended});
	}

	/** A shift that was cut short in this boot, before its deadline, goes on. */
	#resume(predecessor: SupervisorState | null): SupervisorState['sandboxes'] {
		const {clock, logFile} = this.#deps;
		if (!predecessor) return {};
		const {startedAt, deadlineAt, deadline, deadlineWall} = predecessor.shift;
		if (deadlineAt !== null && deadlineAt <= clock.now()) return {};
		const {deadline: wanted} = this.#config;
		// A deadline that is new, and that would have passed already, is counted from now.
		if (wanted === null || wanted === deadline || startedAt + wanted > clock.now()) this.#shiftStart = startedAt;
		if (wanted === deadline) this.#deadlineWall = deadlineWall;
		logFile.log('info', 'its shift goes on', {deadlineAt: deadlineWall});
		return predecessor.sandboxes;
	}

	#composeDeadlineWall(): string | null {
		const {clock} = this.#deps;
		if (this.#deadlineAt === null) return null;
		const wall = clock.wall() + this.#deadlineAt - clock.now();
		return wall < 8.64e15 ? isoTime(wall) : null;
	}

	/** Somebody may have begun to approve while nobody listened; two approvers on one gateway race. */
	async #awaitOneShot(): Promise<void> {
		const {paths, logFile, clock} = this.#deps;
		const until = clock.now() + APPROVE_PATIENCE;
		while (!this.#stopping.signal.aborted && clock.now() < until) {
			const lock = await FileLock.acquire(paths.approveLockFile, 500);
			if (!lock) continue;
			lock.release();
			return;
		}
		logFile.log('warn', 'an approve pass that began before this start is still under way; starting beside it');
	}

	/** One fork after the other, so that a host of many sandboxes does not come up in one burst. */
	async #startAll(): Promise<void> {
		const {clock} = this.#deps;
		const gap = FORK_GAP / os.availableParallelism();
		for (const sandbox of this.#sandboxes.values()) {
			if (this.#stopping.signal.aborted) return;
			sandbox.start(this.#sandboxes.size > 1 ? Math.random() * this.#config.fastInterval : 0);
			if (sandbox.isEnabled) await clock.sleep(gap, this.#stopping.signal);
		}
	}

	#add(name: string, plan: SandboxPlan, memory: ConstructorParameters<typeof Sandbox>[2]): Sandbox {
		const {clock, logFile} = this.#deps;
		const deps = {run: this.#run, turns: this.#turns, log: logFile.log, clock, onChange: () => this.#files.touch()};
		const sandbox = new Sandbox(name, plan, memory, deps);
		this.#sandboxes.set(name, sandbox);
		return sandbox;
	}

	#tick(): void {
		const now = this.#deps.clock.now();
		if (now - this.#lastTick > LATE_TICK) for (const sandbox of this.#sandboxes.values()) sandbox.forgive();
		this.#lastTick = now;
		if (this.#deadlineAt !== null && this.#deadlineAt <= now) this.#stopping.abort('deadline' satisfies End);
		for (const sandbox of this.#sandboxes.values()) sandbox.inspect();
		if (!this.#files.isDue(TICK)) return;
		this.#lookForOpenclaw();
		this.#files.touch();
	}

	/** An `openclaw` that was moved, or that was installed after we started, is found without a reload. */
	#lookForOpenclaw(): void {
		if (findOpenclaw(this.#openclaw) !== null && this.#openclaw !== this.#config.openclaw) return;
		const found = this.#findOpenclaw(this.#config);
		if (found === this.#openclaw) return;
		this.#openclaw = found;
		this.#deps.logFile.log('info', 'openclaw is found elsewhere', {openclaw: found});
		void this.#serially(() => this.#replan(this.#config.stopTimeout));
	}

	async #end(end: End): Promise<End> {
		const {logFile, paths} = this.#deps;
		logFile.log('info', end === 'deadline' ? 'the deadline is reached' : 'stopping');
		this.#enter('stopping');
		await Promise.all([...this.#sandboxes.values()].map(sandbox => sandbox.stop(this.#config.stopTimeout)));
		await this.#control?.close();
		this.#enter(end);
		await this.#files.write();
		forgetState(paths.stateFile);
		return end;
	}

	#enter(state: Status['supervisor']['state']): void {
		this.#state = state;
		this.#files.touch();
	}

	async #answer(request: ControlRequest): Promise<ControlResponse> {
		if (request.op === 'reload') return this.reload();
		const names = request.op === 'approve' ? [request.sandbox] : request.sandboxes;
		const unknown = names.filter(name => !this.#sandboxes.has(name));
		if (unknown.length > 0)
			return {
				result: 'refused',
				detail: `no sandbox is called ${unknown.join(', ')}; there are: ${[...this.#sandboxes.keys()].join(', ')}`,
			};
		if (this.#state !== 'running')
			return {result: 'failed', detail: `the supervisor is ${this.#state}; ask again in a moment`};
		const sandboxes = [...this.#sandboxes.values()].filter(({name}) => names.length === 0 || names.includes(name));
		if (request.op === 'kick') {
			const kicked = sandboxes.filter(sandbox => sandbox.kick()).length;
			return {result: 'done', detail: `${kicked} of ${sandboxes.length} asked to poll now`};
		}
		const outcome = await sandboxes[0]?.pass(request.timeout);
		if (!outcome) return {result: 'failed', detail: 'the sandbox is gone'};
		return {result: isDone(outcome) ? 'done' : 'failed', detail: describePass(outcome)};
	}

	/** Never rejects. */
	async #reloadNow(): Promise<ControlResponse> {
		const {clock, logFile} = this.#deps;
		try {
			const changes = await this.#apply(this.#deps.loadConfig());
			const {path, generation} = {path: this.#config.path, generation: this.#configState.generation + 1};
			this.#configState = {path, generation, loadedAt: isoTime(clock.wall()), error: null};
			logFile.log('info', 'configuration reloaded', {...changes});
			this.#files.touch();
			const {added, removed, changed, unchanged} = changes;
			const detail = `configuration reloaded: ${added} added, ${removed} removed, ${changed} changed, ${unchanged} unchanged`;
			return {result: 'done', detail};
		} catch (error) {
			const detail = messageOf(error);
			this.#reopenLog(this.#config);
			logFile.log('error', 'the configuration is refused; the old one stays in force', {error: detail});
			this.#configState = {...this.#configState, error: detail};
			this.#files.touch();
			return {result: 'refused', detail};
		}
	}

	/** All that can be refused comes before the first thing that changes. */
	async #apply(config: Config): Promise<Changes> {
		const {logFile} = this.#deps;
		if (config.statusFile !== this.#config.statusFile) {
			throw new Error(
				`statusFile cannot be moved to ${config.statusFile} while running; stop and start pairkeeper for that`,
			);
		}
		if (this.#stopping.signal.aborted) throw new Error('the supervisor is stopping');
		logFile.reopen({file: config.logFile, format: config.logFormat});
		this.#logError = null;
		if (config.controlGroup !== this.#config.controlGroup) this.#control?.restrictTo(config.controlGroup);
		const {stopTimeout} = this.#config;
		this.#config = config;
		this.#openclaw = this.#findOpenclaw(config);
		this.#turns.limit = callLimit(config.maxConcurrentCalls);
		this.#deadlineWall = this.#composeDeadlineWall();
		const changes = await this.#replan(stopTimeout);
		for (const sandbox of this.#sandboxes.values()) sandbox.clearAlarm();
		return changes;
	}

	/** The log as it was, under a configuration that was refused; where even that cannot be opened, it is said in the status. */
	#reopenLog({logFile: file, logFormat: format}: Config): void {
		try {
			this.#deps.logFile.reopen({file, format});
			this.#logError = null;
		} catch (error) {
			this.#logError = `the log cannot be opened anew: ${messageOf(error)}`;
		}
	}

	/** Makes the sandboxes those of the configuration. What leaves or changes is stopped before anything starts, since two may have swapped gateways. */
	async #replan(stopTimeout: number): Promise<Changes> {
		const wanted = new Map(
			this.#config.sandboxes.map(sandbox => [sandbox.name, planFor(this.#config, sandbox, this.#openclaw)]),
		);
		const present = [...this.#sandboxes.values()];
		const removed = present.filter(({name}) => !wanted.has(name));
		const changed = present.filter(sandbox => {
			const plan = wanted.get(sandbox.name);
			return plan !== undefined && !sandbox.isUnchangedBy(plan);
		});
		await Promise.all([...removed, ...changed].map(sandbox => sandbox.stop(stopTimeout)));
		for (const {name} of removed) this.#sandboxes.delete(name);
		for (const [name, plan] of wanted) {
			if (this.#stopping.signal.aborted) break;
			const sandbox = this.#sandboxes.get(name) ?? this.#add(name, plan, null);
			sandbox.adopt(plan);
			sandbox.start();
		}
		const unchanged = present.length - removed.length - changed.length;
		this.#files.touch();
		return {
			added: wanted.size - changed.length - unchanged,
			removed: removed.length,
			changed: changed.length,
			unchanged,
		};
	}

	/** One change of the sandboxes at a time. */
	#serially<T>(job: () => Promise<T>): Promise<T> {
		const result = this.#work.then(job);
		this.#work = result.catch(() => {});
		return result;
	}

	/** Where there is none, the name itself: each call then says that it could not be started. */
	#findOpenclaw(config: Config): string {
		return findOpenclaw(config.openclaw) ?? config.openclaw;
	}

	#openclawWarning(): string[] {
		const isNeeded = this.#config.sandboxes.some(({enabled, target}) => enabled && target.exec.length === 0);
		if (!isNeeded || findOpenclaw(this.#openclaw) !== null) return [];
		return [
			`openclaw is not to be found as ${this.#openclaw}; install it, or name its path in the configuration: openclaw: /path/to/openclaw`,
		];
	}

	#composeState(): SupervisorState {
		const pids = [...this.#sandboxes.values()].flatMap(({pid}) => pid ?? []);
		return {
			schema: 1,
			bootId: bootId(),
			run: this.#run,
			shift: {
				startedAt: this.#shiftStart,
				deadlineAt: this.#deadlineAt,
				deadline: this.#config.deadline,
				deadlineWall: this.#deadlineWall,
			},
			workers: pids.flatMap(pid => {
				const startTime = startTimeOf(pid);
				return startTime === null ? [] : [{pid, startTime}];
			}),
			sandboxes: Object.fromEntries([...this.#sandboxes].map(([name, sandbox]) => [name, sandbox.memory])),
		};
	}
}
