// A whole shift on simulated time: the real supervision and the real workers over sandboxes in memory, and the faults that a test asks for.
import {complete} from '../../supervisor/config/completion.ts';
import type {Config} from '../../supervisor/config/config.ts';
import {configSchema} from '../../supervisor/config/schema.ts';
import type {SupervisorState} from '../../supervisor/instance/state-file.ts';
import type {WorkerHandle, WorkerListener} from '../../supervisor/sandbox/worker-process.ts';
import {Supervision} from '../../supervisor/supervision.ts';
import {ClientError} from '../../worker/client-error.ts';
import {type Cancel, type Clock, type Doze, every, sleepBy} from '../../worker/clock.ts';
import type {ToSupervisor, ToWorker} from '../../worker/protocol.ts';
import {SupervisorLink} from '../../worker/supervisor-link.ts';
import type {OpenClawClient} from '../../worker/transport/client.ts';
import type {Transport, TransportDeps} from '../../worker/transport/transport.ts';
import type {TurnOutcome} from '../../worker/turns.ts';
import {type Start, Worker} from '../../worker/worker.ts';
import {entryOf, HOUR, MemoryGateway, MINUTE, SECOND, SimulatedClock} from './fixtures.ts';

/** Something that goes wrong, or is asked for, in the course of a shift; `at` in milliseconds. */
export type Happening =
	| {readonly what: 'asks'; readonly at: number; readonly sandbox: number; readonly allowed: boolean}
	| {readonly what: WorkerFault; readonly at: number; readonly sandbox: number}
	| {
			readonly what: 'gateway-lost' | 'gateway-back' | 'calls-hang' | 'calls-answer';
			readonly at: number;
			readonly sandbox: number;
	  }
	| {readonly what: 'removed' | 'disabled' | 'restored'; readonly at: number; readonly sandbox: number}
	| {readonly what: 'reload-garbage' | 'reload-bounds' | 'supervisor-killed' | 'kick' | 'pass'; readonly at: number}
	| {readonly what: 'wall-jump' | 'held-up'; readonly at: number; readonly ms: number};
export type WorkerFault = 'crash' | 'leave' | 'freeze' | 'stall' | 'bloat';

export const SHIFT = 8 * HOUR;

/** From then on nothing happens any more, so that all can be settled. */
export const QUIET = SHIFT - 90 * MINUTE;

/** Coarser than in a real shift, as are the intervals below, so that one takes milliseconds. */
const TICK = 4 * MINUTE;
const BEAT = 4 * MINUTE;
const STOP_TIMEOUT = 10 * SECOND;
/** A shift takes some thousand timers, and looks at the clock a few times for each. */
const MOST_TIMERS = 200_000;
const MOST_LOOKS = 100_000;
const restart = {minDelay: 100, maxDelay: 30 * SECOND, stableAfter: MINUTE};

/** What a shift came to; `broken` holds what must never be. */
export interface Outcome {
	readonly broken: readonly string[];
	readonly workers: number;
	/** Passes that were asked for, and of whose outcome nobody was told. */
	readonly unanswered: number;
	readonly endedAt: number;
	readonly sandboxes: readonly {
		readonly granted: number;
		readonly approved: number;
		readonly refusable: number;
		readonly refused: number;
		/** Allowed requests that nobody has approved. */
		readonly left: number;
		readonly restarts: number;
	}[];
}

/** Runs one shift of so many sandboxes; rejects where something in it spins. */
export async function simulate(
	sandboxes: number,
	happenings: readonly Happening[],
	random: () => number,
): Promise<Outcome> {
	const shift = new SimulatedShift(sandboxes, random);
	return Promise.race([shift.run(happenings), shift.clock.spins.promise]);
}

/** Time for one shift: what spins is stopped, so that it fails with what led to it instead of running out of the test's time. */
class ShiftClock extends SimulatedClock {
	/** Rejects when something spins. */
	readonly spins = Promise.withResolvers<never>();
	#timers = 0;
	#looks = 0;

	override now(): number {
		if (++this.#looks > MOST_LOOKS) throw this.#stop(`the clock was looked at ${MOST_LOOKS} times in a row`);
		return super.now();
	}

	/** Without another timer, time stands still. */
	override after(ms: number, act: () => void): Cancel {
		this.#looks = 0;
		if (++this.#timers <= MOST_TIMERS) return super.after(ms, act);
		this.#stop(`more than ${MOST_TIMERS} timers in one shift`);
		return () => {};
	}

	#stop(how: string): Error {
		const error = new Error(`something spins: ${how}`);
		this.spins.reject(error);
		return error;
	}
}

class SimulatedShift {
	readonly clock = new ShiftClock();
	readonly random: () => number;
	readonly broken: string[] = [];
	readonly worlds: World[];
	readonly #begin: number;
	#bounds = 0;
	#supervision: Supervision;
	#stopTicks: Cancel = () => {};
	#workers = 0;
	#asked = 0;
	/** Those under way. */
	#reloads = 0;
	#unanswered = 0;
	/** Milliseconds for which everything was held up so far. */
	#heldUp = 0;

	constructor(sandboxes: number, random: () => number) {
		this.random = random;
		this.#begin = this.clock.now();
		this.worlds = Array.from({length: sandboxes}, (_, index) => new World(`s${index}`, index % 2 === 0));
		this.#supervision = this.#supervise(null);
	}

	async run(happenings: readonly Happening[]): Promise<Outcome> {
		for (const happening of happenings) {
			this.clock.after(happening.at, () => {
				this.#happen(happening);
			});
		}
		this.clock.after(QUIET, () => this.#calmDown());
		let supervision: Supervision;
		do {
			supervision = this.#supervision;
			void supervision.start();
			await this.#untilAborted(supervision);
		} while (supervision !== this.#supervision);
		const endingAt = this.clock.now();
		const late = endingAt - this.#begin - SHIFT;
		if (supervision.ending.reason !== 'deadline') this.broken.push(`it ended for ${supervision.ending.reason}`);
		if (late < 0 || late > TICK) this.broken.push(`the deadline was met ${late} ms late`);
		const before = this.#heldUp;
		await this.#passing(supervision.end());
		this.#stopTicks();
		const took = this.clock.now() - endingAt - (this.#heldUp - before);
		if (took > STOP_TIMEOUT + 2 * SECOND) this.broken.push(`stopping took ${took} ms`);
		for (const {name, living} of this.worlds)
			if (living.size > 0) this.broken.push(`${name} has a worker after the end`);
		const {sandboxes} = supervision.status();
		return {
			broken: this.broken,
			workers: this.#workers,
			unanswered: this.#unanswered,
			endedAt: this.clock.now() - this.#begin,
			sandboxes: this.worlds.map(({name, gateway, refusable}) => ({
				granted: gateway.granted.length,
				approved: sandboxes[name]?.approved ?? -1,
				refusable,
				refused: sandboxes[name]?.refused ?? -1,
				left: gateway.pending.filter(({clientMode}) => clientMode === 'cli').length,
				restarts: sandboxes[name]?.restarts ?? -1,
			})),
		};
	}

	/** Time passes until the supervision is to end, or is replaced. */
	async #untilAborted(supervision: Supervision): Promise<void> {
		while (!supervision.ending.aborted && supervision === this.#supervision)
			await this.clock.sleep(10 * MINUTE, supervision.ending);
	}

	/** Time passes until this is done. */
	async #passing(done: Promise<unknown>): Promise<void> {
		const isDone = new AbortController();
		void done.finally(() => isDone.abort());
		while (!isDone.signal.aborted) await this.clock.sleep(SECOND, isDone.signal);
	}

	#supervise(predecessor: SupervisorState | null): Supervision {
		const supervision = new Supervision(this.#config(), predecessor, {
			clock: this.clock,
			log: () => {},
			version: 'simulated',
			fork: (start, listener) => this.#fork(start, listener, supervision),
			random: this.random,
			tickGap: TICK,
			findOpenclaw: () => null,
			onChange: () => {},
		});
		this.#stopTicks = every(this.clock, TICK, () => {
			supervision.tick();
			for (const world of this.worlds) this.#checkWatched(world);
		});
		return supervision;
	}

	#config(): Config {
		const file = configSchema.parse({
			fastInterval: '20s',
			fastDeadline: '5m',
			slowInterval: this.#bounds % 2 === 0 ? '10m' : '9m',
			runTimeout: '10s',
			heartbeatTimeout: '12m',
			stopTimeout: STOP_TIMEOUT / SECOND,
			maxConcurrentCalls: 1 + Math.floor(this.worlds.length / 2),
			restart: {minDelay: '100ms', maxDelay: '30s', stableAfter: '60s'},
			sandboxes: this.worlds
				.filter(({isConfigured}) => isConfigured)
				.map(({name, isEnabled, hasGateway}) => ({
					name,
					enabled: isEnabled,
					exec: ['enter', name],
					gateway: hasGateway ? {url: `ws://127.0.0.1:1${name.slice(1)}`, tokenFile: '/token'} : null,
				})),
		});
		return complete(file, {path: '/config.yaml', statusFile: '/status.json'});
	}

	#fork(start: Start, listener: WorkerListener, supervision: Supervision): WorkerHandle {
		if (supervision !== this.#supervision) throw new Error('the supervisor is dead');
		const world = this.worlds.find(({name}) => name === start.config.name);
		if (!world) throw new Error(`no sandbox is called ${start.config.name}`);
		if (world.living.size > 0) this.broken.push(`two workers for ${world.name}`);
		this.#checkBackoff(world);
		this.#workers++;
		const bornAt = this.clock.now();
		const process = new SimulatedProcess(this.#workers, start, world, this.clock, this.random, {
			...listener,
			onExit: exit => {
				world.living.delete(process);
				const isExpected = process.isStopping || supervision !== this.#supervision;
				if (!isExpected) this.#noteExit(world, bornAt);
				if (process.error) this.broken.push(`a worker failed: ${process.error}`);
				if (supervision === this.#supervision) listener.onExit(exit);
			},
			onMessage: message => {
				if (supervision === this.#supervision) listener.onMessage(message);
			},
		});
		world.living.add(process);
		return process;
	}

	/** Whatever happens, a sandbox is not without a worker for longer than a backoff, and what it may take to find that the last one is of no use. */
	#checkWatched(world: World): void {
		const now = this.clock.now() - this.#heldUp;
		const isWanted = world.isConfigured && world.isEnabled && this.#reloads === 0 && !this.#supervision.ending.aborted;
		if (!isWanted || world.living.size > 0) world.watchedAt = now;
		if (now - world.watchedAt > 2 * TICK + restart.maxDelay) this.broken.push(`${world.name} was watched by nobody`);
	}

	#noteExit(world: World, bornAt: number): void {
		const at = this.clock.now();
		const isStable = at - bornAt >= restart.stableAfter;
		world.unstable = isStable ? 0 : world.unstable + 1;
		// What is being reconfigured may come back before its policy says; its exits count all the same.
		if (this.#reloads > 0) return;
		const longest = isStable ? 0 : Math.min(restart.minDelay * 2 ** (world.unstable - 1), restart.maxDelay);
		world.lastExit = {at, heldUp: this.#heldUp, shortest: isStable ? 0 : restart.minDelay, longest};
	}

	/** Restarts keep to the policy, however late the machine is. */
	#checkBackoff(world: World): void {
		const {lastExit} = world;
		world.lastExit = null;
		if (!lastExit) return;
		const waited = this.clock.now() - lastExit.at;
		const {shortest, longest} = lastExit;
		if (waited < shortest || waited > longest + this.#heldUp - lastExit.heldUp)
			this.broken.push(`${world.name} was restarted after ${waited} ms, not ${shortest} to ${longest} ms`);
	}

	#happen(happening: Happening): void {
		if ('sandbox' in happening) {
			const world = this.worlds[happening.sandbox % this.worlds.length];
			if (world) this.#happenIn(world, happening);
			return;
		}
		switch (happening.what) {
			case 'reload-bounds':
				this.#bounds++;
				this.#reload();
				break;
			case 'reload-garbage':
				this.#reload(() => {
					throw new Error('no configuration');
				});
				break;
			case 'kick':
				void this.#supervision.answer({op: 'kick', sandboxes: []});
				break;
			case 'pass':
				this.#askForPass();
				break;
			case 'wall-jump':
				this.clock.moveWall(happening.ms);
				break;
			case 'held-up':
				this.#heldUp += happening.ms;
				this.clock.holdUp(happening.ms);
				break;
			case 'supervisor-killed':
				this.#killSupervisor();
				break;
		}
	}

	#askForPass(): void {
		const supervision = this.#supervision;
		const sandbox = this.worlds.find(({isConfigured}) => isConfigured)?.name ?? 'none';
		this.#unanswered++;
		void supervision.answer({op: 'approve', sandbox, timeout: MINUTE}).then(() => {
			if (supervision === this.#supervision) this.#unanswered--;
		});
	}

	#happenIn(world: World, happening: Extract<Happening, {sandbox: number}>): void {
		switch (happening.what) {
			case 'asks':
				world.ask(`r${this.#asked++}`, happening.allowed);
				break;
			case 'gateway-lost':
				world.setUp(false);
				break;
			case 'gateway-back':
				world.setUp(true);
				break;
			case 'calls-hang':
				world.isHanging = true;
				break;
			case 'calls-answer':
				world.isHanging = false;
				break;
			case 'removed':
				world.isConfigured = false;
				this.#reload();
				break;
			case 'disabled':
				world.isEnabled = false;
				this.#reload();
				break;
			case 'restored':
				world.restore();
				this.#reload();
				break;
			default:
				for (const process of world.living) process.fail(happening.what);
		}
	}

	#calmDown(): void {
		for (const world of this.worlds) {
			world.restore();
			world.setUp(true);
			world.isHanging = false;
		}
		this.#reload();
	}

	#reload(load: () => Config = () => this.#config()): void {
		const {worlds} = this;
		// A worker that is stopped for it comes back when that is done, not when its policy says.
		for (const world of worlds) world.lastExit = null;
		this.#reloads++;
		const reload = {clearsAlarms: false, load, adopt: () => {}, refused: () => {}};
		const supervision = this.#supervision;
		void supervision.reload(reload).then(() => {
			if (supervision === this.#supervision) this.#reloads--;
		});
	}

	/** Its workers end with it; what they had said last is lost, and the next supervisor finds what it had written down. */
	#killSupervisor(): void {
		if (this.#supervision.ending.aborted) return;
		// Nobody will finish them.
		this.#reloads = 0;
		this.#unanswered = 0;
		const {run, shift, sandboxes} = JSON.parse(JSON.stringify(this.#supervision.handover));
		this.#stopTicks();
		for (const world of this.worlds) {
			world.lastExit = null;
			for (const process of world.living) process.die();
			world.living.clear();
		}
		this.#supervision = this.#supervise({schema: 2, bootId: 'boot', run, shift, sandboxes, workers: []});
		void this.#supervision.start();
	}
}

/** One sandbox: its gateway, and how it is to be reached. */
class World {
	readonly name: string;
	readonly gateway = new CountingGateway();
	readonly living = new Set<SimulatedProcess>();
	/** Told when something is announced, or the gateway comes or goes. */
	readonly listeners = new Set<(announced: boolean) => void>();
	isConfigured = true;
	isEnabled = true;
	isUp = true;
	isHanging = false;
	refusable = 0;
	watchedAt = Number.POSITIVE_INFINITY;
	unstable = 0;
	lastExit: {readonly at: number; readonly heldUp: number; readonly shortest: number; readonly longest: number} | null =
		null;

	/** Reached by the gateway's socket while that is up; the others by calls alone. */
	readonly hasGateway: boolean;

	constructor(name: string, hasGateway: boolean) {
		this.name = name;
		this.hasGateway = hasGateway;
	}

	ask(requestId: string, allowed: boolean): void {
		const client = allowed ? {} : {clientId: 'odd', clientMode: 'odd'};
		if (!allowed) this.refusable++;
		this.gateway.pending.push(
			entryOf({requestId, deviceId: `device of ${requestId}`, publicKey: requestId, ...client}),
		);
		if (this.isUp) for (const listener of [...this.listeners]) listener(true);
	}

	setUp(isUp: boolean): void {
		if (isUp === this.isUp) return;
		this.isUp = isUp;
		for (const listener of [...this.listeners]) listener(isUp);
	}

	restore(): void {
		this.isConfigured = true;
		this.isEnabled = true;
	}
}

class CountingGateway extends MemoryGateway {
	readonly granted: string[] = [];

	override grant(requestId: string): ReturnType<MemoryGateway['grant']> {
		const answer = super.grant(requestId);
		this.granted.push(requestId);
		return answer;
	}
}

/** A worker in our own process, which can be killed, frozen and so on as a real one. */
class SimulatedProcess implements WorkerHandle {
	readonly startTime = null;
	readonly pid: number;
	rss = 2 ** 20;
	isStopping = false;
	error: string | null = null;
	readonly #clock: SimulatedClock;
	readonly #listener: WorkerListener;
	readonly #stopping = new AbortController();
	readonly #link: SupervisorLink;
	#worker: Worker | null = null;
	/** It acts and hears no more. */
	#isDead = false;
	#isOver = false;
	isStalled = false;

	constructor(
		pid: number,
		start: Start,
		world: World,
		clock: SimulatedClock,
		random: () => number,
		listener: WorkerListener,
	) {
		this.pid = pid;
		this.#clock = clock;
		this.#listener = listener;
		this.#link = new SupervisorLink(message => this.#say(message), clock);
		const config = {...start.config, heartbeatInterval: BEAT};
		clock.after(50 + 100 * random(), () => {
			if (this.#isDead) return;
			const mortal = this.#mortalClock();
			const worker = new Worker(
				{...start, config},
				{
					link: this.#link,
					clock: mortal,
					signal: this.#stopping.signal,
					openTransport: async (_, deps) => transportTo(world, this, deps, random),
				},
			);
			this.#worker = worker;
			void worker.run().then(
				() => this.#exit(0, null),
				(error: unknown) => {
					this.error = String(error instanceof Error ? error.stack : error);
					this.#exit(1, null);
				},
			);
		});
	}

	send(message: ToWorker): void {
		if (message.kind === 'stop') this.isStopping = true;
		this.#clock.after(0, () => {
			if (this.#isDead) return;
			if (message.kind === 'granted') this.#link.granted(message.turn);
			else if (message.kind === 'stop') this.#stop();
			else if (message.kind !== 'start' && message.kind !== 'stand-by') this.#worker?.receive(message);
		});
	}

	kill(): void {
		this.#exit(null, 'SIGKILL');
	}

	fail(fault: WorkerFault): void {
		switch (fault) {
			case 'crash':
				this.#exit(null, 'SIGSEGV');
				break;
			case 'leave':
				this.#exit(0, null);
				break;
			case 'freeze':
				this.#isDead = true;
				break;
			case 'stall':
				this.isStalled = true;
				break;
			case 'bloat':
				this.rss = 2 ** 40;
				break;
		}
	}

	/** It is gone without a word. */
	die(): void {
		this.#isDead = true;
		this.#isOver = true;
	}

	get isDead(): boolean {
		return this.#isDead;
	}

	#stop(): void {
		if (this.#worker) this.#stopping.abort(new Error('stopped'));
		else this.#exit(0, null);
	}

	#say(message: ToSupervisor): void {
		if (this.#isDead) return;
		// What the supervisor keeps must not change with the worker.
		const copy = message.kind === 'checkpoint' ? structuredClone(message) : message;
		this.#clock.after(0, () => !this.#isOver && this.#listener.onMessage(copy));
	}

	/** What was said before is heard before. */
	#exit(code: number | null, signal: string | null): void {
		this.#isDead = true;
		this.#clock.after(1, () => {
			if (this.#isOver) return;
			this.#isOver = true;
			this.#listener.onExit({code, signal});
		});
	}

	/** Time as the worker sees it, as long as it lives. */
	#mortalClock(): Clock {
		const clock = this.#clock;
		const doze = (ms: number): Doze => {
			const {promise, resolve} = Promise.withResolvers<void>();
			const wake = () => {
				cancel();
				if (!this.#isDead) resolve();
			};
			const cancel = clock.after(ms, wake);
			return {over: promise, wake};
		};
		return {
			now: () => clock.now(),
			wall: () => clock.wall(),
			after: (ms, act) => clock.after(ms, () => !this.#isDead && act()),
			doze,
			sleep: (ms, signal) => sleepBy(doze, ms, signal),
		};
	}
}

/** By the gateway's socket while that is there and not to be left alone, by calls that take turns else. */
function transportTo(world: World, process: SimulatedProcess, deps: TransportDeps, random: () => number): Transport {
	const {clock, cli, signal} = deps;
	const isByGateway = () => world.hasGateway && world.isUp && (deps.avoidedUntil ?? 0) <= clock.now();
	const listener = (announced: boolean) => {
		if (process.isDead) world.listeners.delete(listener);
		else if (!signal.aborted) {
			deps.onChange();
			if (announced && isByGateway()) deps.wake();
		}
	};
	world.listeners.add(listener);

	/** Time in which the worker may be killed, before and after what `act` does. */
	const spend = async (ms: number, aborted: AbortSignal) => {
		await clock.sleep(ms, aborted);
		if (process.isDead) await new Promise(() => {});
		aborted.throwIfAborted();
	};
	const exchange = async <T>(kind: 'list' | 'approve' | 'reject', act: () => T, aborted: AbortSignal): Promise<T> => {
		if (process.isStalled) await new Promise(() => {});
		if (isByGateway()) {
			await spend(2, aborted);
			const answer = act();
			await spend(2, aborted);
			return answer;
		}
		const turn = await cli.turns.take(kind, aborted);
		let outcome: TurnOutcome = 'failed';
		try {
			if (world.isHanging) {
				await spend(cli.timeout(), aborted);
				outcome = 'timeout';
				throw new ClientError('timeout', 'no answer');
			}
			await spend(500 + 1000 * random(), aborted);
			const answer = act();
			await spend(200, aborted);
			outcome = 'answered';
			return answer;
		} finally {
			turn.over(outcome);
		}
	};
	const {gateway} = world;
	const client: OpenClawClient = {
		isStale: false,
		list: aborted => exchange('list', () => gateway.listing, aborted),
		approve: ({requestId}, aborted) => exchange('approve', () => gateway.grant(requestId), aborted),
		reject: (id, aborted) => exchange('reject', () => gateway.drop(id), aborted),
	};
	return {
		client,
		get kind() {
			return isByGateway() ? 'gateway' : 'cli';
		},
		get reason() {
			return isByGateway() ? null : 'the gateway is gone';
		},
		get isEventDriven() {
			return isByGateway();
		},
		warnings: [],
		passBegins: () => {},
		route: null,
		passEnded: () => {},
	};
}
