import {afterEach, expect, it, vi} from 'vitest';
import {Standby} from '../../supervisor/sandbox/standby.ts';
import type {WorkerExit, WorkerFork, WorkerListener} from '../../supervisor/sandbox/worker-process.ts';
import type {ToWorker, WorkerConfig} from '../../worker/protocol.ts';
import {MINUTE, SECOND, SimulatedClock} from './fixtures.ts';
import {PuppetWorker, workerConfigOf} from './sandbox-fixtures.ts';

afterEach(() => void vi.unstubAllEnvs());

const MEMORY = 192 * 2 ** 20;

/** So that there is a gateway to look for. */
const inside = {execInput: ['enter'], port: null, tokenFile: null, tokenCommand: []};

/** A process that has no sandbox. */
class PuppetSpare {
	readonly pid: number;
	readonly rss = null;
	readonly startTime = '1';
	readonly owner: string;
	listener: WorkerListener;
	readonly heard: ToWorker[] = [];
	isKilled = false;

	constructor(pid: number, {owner, listener}: WorkerFork) {
		this.pid = pid;
		this.owner = owner;
		this.listener = listener;
	}

	send(message: ToWorker): void {
		this.heard.push(message);
	}

	kill(): void {
		this.isKilled = true;
	}

	exit(): void {
		this.listener.onExit({code: 1, signal: null});
	}
}

/** A standby on simulated time, and all processes that it has forked: those without a sandbox, and those for one. */
class Stage {
	readonly clock = new SimulatedClock();
	readonly spares: PuppetSpare[] = [];
	readonly workers: PuppetWorker[] = [];
	readonly ends: WorkerExit[] = [];
	forkError: Error | null = null;
	readonly standby = new Standby({
		clock: this.clock,
		log: () => {},
		random: () => 0,
		run: () => 'run',
		onChange: () => {},
		forkSpare: fork => {
			if (this.forkError) throw this.forkError;
			const spare = new PuppetSpare(this.spares.length + 1, fork);
			this.spares.push(spare);
			return spare;
		},
		forkWorker: (start, listener) => {
			const worker = new PuppetWorker(this.workers.length + 1001, start, listener);
			this.workers.push(worker);
			return worker;
		},
	});

	/** A sandbox needs a worker; the pid of the one it gets. */
	need(change: Partial<WorkerConfig> = {}): number | null {
		const start: Extract<ToWorker, {kind: 'start'}> = {
			kind: 'start',
			config: workerConfigOf(change),
			owner: 'run/chosen-by-the-sandbox',
			task: {kind: 'watch'},
			checkpoint: null,
			avoidGatewayUntil: null,
		};
		const listener = {onMessage: () => {}, onOutput: () => {}, onExit: (exit: WorkerExit) => this.ends.push(exit)};
		return this.standby.fork(start, listener, MEMORY).pid;
	}

	get spare(): PuppetSpare {
		const spare = this.spares.at(-1);
		if (!spare) throw new Error('no process stands by');
		return spare;
	}
}

it('stands by when no more workers are needed for a moment, and is handed over to the next sandbox with the marker that it has', async () => {
	const stage = new Stage();
	expect(stage.need()).toBe(1001);
	await stage.clock.sleep(20);
	expect(stage.need()).toBe(1002);
	expect(stage.spares).toEqual([]);
	await stage.clock.sleep(SECOND);
	expect(stage.standby.processes).toEqual([{pid: 1, startTime: '1'}]);
	expect(stage.need({name: 'beta'})).toBe(1);
	expect(stage.standby.processes).toEqual([]);
	const {owner, heard} = stage.spare;
	expect(owner).toMatch(/^run\//);
	expect(heard.map(({kind}) => kind)).toEqual(['stand-by', 'start']);
	expect(heard[1]).toMatchObject({owner, config: {name: 'beta'}});
	stage.spare.exit();
	expect(stage.ends).toEqual([{code: 1, signal: null}]);
});

it('is ended where it says anything: it has no sandbox that would be of', async () => {
	const stage = new Stage();
	stage.need();
	await stage.clock.sleep(SECOND);
	const {spare} = stage;
	spare.listener.onMessage({kind: 'done'});
	expect(spare.isKilled).toBe(true);
	expect(stage.need()).toBe(1);
	// Whoever has it by then hears it.
	spare.isKilled = false;
	spare.listener.onMessage({kind: 'done'});
	expect(spare.isKilled).toBe(false);
});

it('is one for 25 workers: where many fail at once, each has one', async () => {
	const stage = new Stage();
	for (let count = 0; count < 60; count++) stage.need();
	await stage.clock.sleep(MINUTE);
	expect(stage.standby.processes.map(({pid}) => pid)).toEqual([1, 2]);
	expect([stage.need(), stage.need(), stage.need()]).toEqual([1, 2, 1061]);
	for (const worker of stage.workers) worker.exit();
	await stage.clock.sleep(MINUTE);
	// Two have been handed over, and one is enough for those.
	expect(stage.standby.processes.map(({pid}) => pid)).toEqual([3]);
});

it('is not replaced again and again where sandboxes of two kinds take turns', async () => {
	const stage = new Stage();
	for (let turn = 0; turn < 20; turn++) {
		stage.need({transport: turn % 2 === 0 ? 'auto' : 'cli', inside});
		await stage.clock.sleep(100);
	}
	expect(stage.spares.filter(({isKilled}) => isKilled)).toEqual([]);
});

it('is one process: who needs a second at the same moment, or after the end, has it forked then', async () => {
	const stage = new Stage();
	stage.need();
	await stage.clock.sleep(SECOND);
	expect([stage.need(), stage.need()]).toEqual([1, 1002]);
	await stage.clock.sleep(MINUTE);
	expect(stage.spares).toHaveLength(2);
	const ended = stage.standby.end();
	expect(stage.spare.isKilled).toBe(true);
	stage.spare.exit();
	await ended;
	expect(stage.need()).toBe(1003);
	await stage.clock.sleep(MINUTE);
	expect(stage.spares).toHaveLength(2);
});

const others: readonly (readonly [string, Partial<WorkerConfig>])[] = [
	['a prefix that reads other variables', {target: {...workerConfigOf().target, exec: ['docker', 'exec', 'a']}}],
	['variables that are passed on', {passEnv: ['OF_THE_TEST']}],
	['the CLI alone', {transport: 'cli'}],
];
it.each(others)(
	'does not stand in where %s makes another process of it, and is replaced by such a one',
	async (_, change) => {
		vi.stubEnv('DOCKER_HOST', 'unix:///nowhere');
		vi.stubEnv('OF_THE_TEST', 'yes');
		const stage = new Stage();
		stage.need({inside});
		await stage.clock.sleep(SECOND);
		expect(stage.need({inside, ...change})).toBe(1002);
		const [first] = stage.spares;
		expect(first?.isKilled).toBe(false);
		await stage.clock.sleep(SECOND);
		expect(first?.isKilled).toBe(true);
		// Its end is no news by then.
		first?.exit();
		expect(stage.need({inside, ...change})).toBe(2);
	},
);

it('is replaced ever more slowly where it ends by itself, however many workers are needed meanwhile', async () => {
	const stage = new Stage();
	stage.need();
	await stage.clock.sleep(SECOND);
	const times: number[] = [];
	for (let ends = 0; ends < 12; ends++) {
		const before = stage.spares.length;
		stage.spare.exit();
		const since = stage.clock.now();
		stage.need();
		while (stage.spares.length === before) await stage.clock.sleep(100);
		times.push(stage.clock.now() - since);
	}
	expect(times.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
	expect(Math.max(...times)).toBe(MINUTE);
	expect(stage.workers).toHaveLength(13);
});

it('is tried again where the host has no memory for it, and nobody is kept waiting', async () => {
	const stage = new Stage();
	stage.forkError = new Error('no memory');
	expect(stage.need()).toBe(1001);
	await stage.clock.sleep(SECOND / 2);
	expect(stage.need()).toBe(1002);
	stage.forkError = null;
	await stage.clock.sleep(2 * SECOND);
	expect(stage.need()).toBe(1);
});
