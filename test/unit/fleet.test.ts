import {describe, expect, it} from 'vitest';
import {CallTurns} from '../../supervisor/calls/turns.ts';
import {Fleet, type Remembered} from '../../supervisor/fleet.ts';
import {newRecord} from '../../supervisor/sandbox/record.ts';
import {configurationOf, type SandboxSpec} from '../../supervisor/sandbox/spec.ts';
import type {CheckpointChanges} from '../../worker/checkpoint.ts';
import {MINUTE, SECOND, SimulatedClock, subjectOf} from './fixtures.ts';
import {PuppetWorker, specOf, workerConfigOf} from './sandbox-fixtures.ts';

/** Sandboxes whose workers end when they are asked to, in a millisecond. */
class PuppetFleet {
	readonly clock = new SimulatedClock();
	readonly workers: PuppetWorker[] = [];
	readonly ending = new AbortController();
	/** Is told of every worker. */
	onFork: (worker: PuppetWorker) => void = () => {};
	readonly fleet: Fleet;

	constructor(
		specs: Readonly<Record<string, SandboxSpec>>,
		remembered: readonly Remembered[] = [],
		startsAtOnce = Number.POSITIVE_INFINITY,
	) {
		this.fleet = new Fleet(new Map(Object.entries(specs)), remembered, {
			run: 'run',
			clock: this.clock,
			random: () => 0,
			log: () => {},
			onChange: () => {},
			turns: new CallTurns(1, () => this.clock.now()),
			signal: this.ending.signal,
			startsAtOnce,
			fork: (start, listener) => {
				const worker = new PuppetWorker(this.workers.length + 1, start, listener);
				const {send} = worker;
				worker.send = message => {
					send.call(worker, message);
					if (message.kind === 'stop') this.clock.after(1, () => worker.exit(0));
				};
				this.workers.push(worker);
				this.onFork(worker);
				return worker;
			},
		});
	}

	/** What this gives, in the time that it takes. */
	async passing<T>(work: Promise<T>): Promise<T> {
		const over = new AbortController();
		void work.finally(() => over.abort());
		while (!over.signal.aborted) await this.clock.sleep(SECOND, over.signal);
		return work;
	}

	/** Those that have been forked, in order. */
	get names(): string[] {
		return this.workers.map(({start}) => start.config.name);
	}

	reconcile(specs: Readonly<Record<string, SandboxSpec>>) {
		return this.passing(this.fleet.reconcile(new Map(Object.entries(specs)), SECOND));
	}

	/** The worker of that sandbox that was forked last. */
	worker(name: string): PuppetWorker {
		const worker = this.workers.findLast(({start}) => start.config.name === name);
		if (!worker) throw new Error(`${name} has had no worker`);
		return worker;
	}

	tell(name: string, changes: CheckpointChanges): void {
		this.worker(name).say({
			kind: 'checkpoint',
			changes,
			decisions: [{kind: 'rejected', action: 'reject', ...subjectOf('r'), at: 0}],
		});
	}
}

const named = (name: string, change = {}, more: Partial<SandboxSpec> = {}) => specOf({name, ...change}, more);
const elsewhere = {target: {...workerConfigOf().target, exec: ['enter', 'another']}};
const alarm = {ledger: {alarm: 'odd'}};

describe('a fleet', () => {
	it('stops what leaves or changes before anything starts, and leaves the rest alone', async () => {
		const puppets = new PuppetFleet({a: named('a'), b: named('b'), c: named('c')});
		await puppets.passing(puppets.fleet.start());
		const [a, b, c] = puppets.workers;
		const changes = await puppets.reconcile({b: named('b', elsewhere), c: named('c'), d: named('d')});
		expect(changes).toEqual({added: 1, removed: 1, changed: 1, unchanged: 1});
		expect(a?.heard).toContainEqual({kind: 'stop'});
		expect(b?.heard).toContainEqual({kind: 'stop'});
		expect(c?.heard).toEqual([]);
		expect(puppets.workers.slice(3).map(({start}) => start.config.name)).toEqual(['b', 'd']);
	});

	it('forks no more once it is to end', async () => {
		const puppets = new PuppetFleet({a: named('a'), b: named('b')}, [], 1);
		const started = puppets.fleet.start();
		puppets.ending.abort();
		await puppets.passing(started);
		expect(puppets.workers).toHaveLength(1);
		await puppets.reconcile({a: named('a'), c: named('c')});
		expect(puppets.workers).toHaveLength(1);
	});

	it('has no more workers on their way than the machine bears, and forks the next one once one is heard of or has ended', async () => {
		const names = ['a', 'b', 'c', 'd', 'e', 'f'];
		const restart = {minDelay: MINUTE, maxDelay: MINUTE, stableAfter: MINUTE};
		const puppets = new PuppetFleet(Object.fromEntries(names.map(name => [name, specOf({name}, {restart})])), [], 2);
		let onTheirWay = 0;
		const seen: number[] = [];
		puppets.onFork = worker => {
			seen.push(++onTheirWay);
			puppets.clock.after(100, () => {
				onTheirWay--;
				if (worker.pid % 2) worker.beat();
				else worker.exit(1);
			});
		};
		const began = puppets.clock.now();
		await puppets.fleet.start();
		expect(puppets.names).toEqual(names);
		expect(Math.max(...seen)).toBe(2);
		expect(puppets.clock.now() - began).toBe(200);
	});

	it('holds nobody for long for workers that hang at their start, those neither that a reload adds', async () => {
		const names = Array.from({length: 40}, (_, index) => `s${index}`);
		const puppets = new PuppetFleet({a: named('a')}, [], 4);
		await puppets.passing(puppets.fleet.start());
		const began = puppets.clock.now();
		await puppets.reconcile(Object.fromEntries(['a', ...names].map(name => [name, named(name)])));
		expect(puppets.names).toEqual(['a', ...names]);
		expect(puppets.clock.now() - began).toBeLessThanOrEqual((names.length / 4) * 2 * SECOND);
	});

	it('forgives all its workers their silence when the supervisor was held up', async () => {
		const puppets = new PuppetFleet({a: named('a')});
		await puppets.passing(puppets.fleet.start());
		puppets.clock.holdUp(10 * MINUTE);
		puppets.fleet.inspect(true);
		expect(puppets.worker('a').isKilled).toBe(false);
		puppets.clock.holdUp(10 * MINUTE);
		puppets.fleet.inspect(false);
		expect(puppets.worker('a').isKilled).toBe(true);
	});

	it('looks at the memory of few workers at once, however many there are, and of each in its turn', async () => {
		const names = Array.from({length: 200}, (_, index) => `s${index}`);
		const puppets = new PuppetFleet(Object.fromEntries(names.map(name => [name, named(name)])), [], names.length);
		await puppets.passing(puppets.fleet.start());
		for (const worker of puppets.workers) worker.rss = 2 ** 30;
		const killed = () => puppets.workers.filter(({isKilled}) => isKilled).length;
		const found: number[] = [];
		while (killed() < names.length && found.length < names.length) {
			const before = killed();
			puppets.fleet.inspect(false);
			found.push(killed() - before);
		}
		expect(Math.max(...found)).toBeLessThanOrEqual(12);
		expect(found).toHaveLength(20);
	});

	it('looks at 50 workers at once, and at each of a full host in its turn', async () => {
		const names = Array.from({length: 200}, (_, index) => `s${index}`);
		const puppets = new PuppetFleet(Object.fromEntries(names.map(name => [name, named(name)])), [], names.length);
		await puppets.passing(puppets.fleet.start());
		puppets.clock.holdUp(10 * MINUTE);
		const killed = [0, 1, 2, 3].map(() => {
			puppets.fleet.inspect(false);
			return puppets.workers.filter(({isKilled}) => isKilled).length;
		});
		expect(killed).toEqual([50, 100, 150, 200]);
	});
});

describe('a sandbox that leaves the configuration', () => {
	it('finds its alarm when it comes back, whatever had its name meanwhile', async () => {
		const puppets = new PuppetFleet({a: named('a')});
		await puppets.passing(puppets.fleet.start());
		puppets.tell('a', alarm);
		await puppets.reconcile({});
		await puppets.reconcile({a: named('a', elsewhere)});
		expect(puppets.worker('a').start.checkpoint?.ledger.alarm).toBeNull();
		await puppets.reconcile({});
		await puppets.reconcile({a: named('a')});
		expect(puppets.worker('a').start.checkpoint?.ledger.alarm).toBe('odd');
	});

	it('begins with the alarm of a pass that no supervisor made, unless its configuration is another one since', async () => {
		for (const [configuration, expected] of [
			[configurationOf(named('a')), 'odd'],
			[configurationOf(named('a', elsewhere)), null],
		] as const) {
			const puppets = new PuppetFleet({a: named('a')});
			puppets.fleet.recallAlarms([
				{sandbox: 'a', configuration, reason: 'odd'},
				{sandbox: 'gone', configuration, reason: 'odd'},
			]);
			await puppets.passing(puppets.fleet.start());
			expect(puppets.worker('a').start.checkpoint?.ledger.alarm).toBe(expected);
		}
	});

	it('and one that comes into it later finds that alarm too, once, until somebody has looked at it', async () => {
		const recalled = [{sandbox: 'a', configuration: configurationOf(named('a')), reason: 'odd'}];
		const puppets = new PuppetFleet({});
		puppets.fleet.recallAlarms(recalled);
		await puppets.reconcile({a: named('a')});
		expect(puppets.worker('a').start.checkpoint?.ledger.alarm).toBe('odd');
		const others = new PuppetFleet({});
		others.fleet.recallAlarms(recalled);
		others.fleet.clearAlarms();
		await others.reconcile({a: named('a')});
		expect(others.worker('a').start.checkpoint?.ledger.alarm).toBeNull();
	});

	it('keeps what was counted under its name, with whichever target', async () => {
		const puppets = new PuppetFleet({a: named('a')});
		await puppets.passing(puppets.fleet.start());
		const approve = () =>
			puppets.worker('a').say({
				kind: 'checkpoint',
				changes: {},
				decisions: [{kind: 'approved', action: 'approve', ...subjectOf('r'), latencyMs: null, at: 0}],
			});
		approve();
		await puppets.reconcile({});
		await puppets.reconcile({a: named('a', elsewhere)});
		approve();
		await puppets.reconcile({});
		await puppets.reconcile({a: named('a')});
		approve();
		expect(puppets.fleet.statuses.a?.approved).toBe(3);
	});

	it('finds no alarm when it comes back after alarms were cleared', async () => {
		const puppets = new PuppetFleet({a: named('a')});
		await puppets.passing(puppets.fleet.start());
		puppets.tell('a', alarm);
		await puppets.reconcile({});
		puppets.fleet.clearAlarms();
		await puppets.reconcile({a: named('a')});
		expect(puppets.worker('a').start.checkpoint?.ledger.alarm).toBeNull();
	});

	it('is remembered by the next supervisor too', async () => {
		const puppets = new PuppetFleet({a: named('a')});
		await puppets.passing(puppets.fleet.start());
		puppets.tell('a', alarm);
		await puppets.reconcile({});
		const next = new PuppetFleet({b: named('b')}, JSON.parse(JSON.stringify(puppets.fleet.remembered)));
		await next.reconcile({a: named('a')});
		expect(next.worker('a').start.checkpoint?.ledger.alarm).toBe('odd');
	});

	it('lets the next worker of a sandbox that changes answer those who wait for a pass, unless it is disabled now', async () => {
		const puppets = new PuppetFleet({a: named('a'), b: named('b')});
		await puppets.passing(puppets.fleet.start());
		const [a, b] = puppets.fleet.all.map(sandbox => sandbox.pass(10 * MINUTE));
		await puppets.reconcile({a: named('a', elsewhere), b: specOf({name: 'b'}, {enabled: false})});
		expect(await b).toMatchObject({error: 'the sandbox is disabled in the configuration'});
		const asked = puppets.worker('a').heard.find(message => message.kind === 'pass');
		const outcome = {error: null, failure: null, approved: 1, refused: 0, retries: 0, pending: 0};
		puppets.worker('a').say({kind: 'passed', ids: [asked?.id ?? ''], outcome});
		expect(await a).toEqual(outcome);
	});

	it('answers those who asked for a pass while others were still being stopped', async () => {
		const puppets = new PuppetFleet({a: named('a'), b: named('b')});
		await puppets.passing(puppets.fleet.start());
		// Does not end before it is killed.
		const slow = puppets.worker('b');
		slow.send = () => {};
		slow.kill = () => void puppets.clock.after(1, () => slow.exit());
		const reconciled = puppets.fleet.reconcile(new Map(), 10 * SECOND);
		await puppets.clock.sleep(5 * SECOND);
		const a = puppets.fleet.get('a');
		const pass = a?.pass(10 * MINUTE);
		const before = puppets.clock.now();
		await puppets.passing(reconciled);
		expect((await puppets.passing(pass ?? Promise.reject(new Error('no sandbox'))))?.error).toMatch(
			/no longer watched/,
		);
		expect(puppets.clock.now() - before).toBeLessThan(MINUTE);
	});
});

describe('a discovered sandbox', () => {
	const discovered = (identity: string, {isStopped = false, port = 1} = {}) =>
		named(
			'a',
			{inside: {execInput: ['enter'], port, tokenFile: null, tokenCommand: []}},
			{
				enabled: !isStopped,
				discovered: {by: 'discover[0] (one)', identity, configuration: 'c', isStopped},
			},
		);
	const alarmOf = (puppets: PuppetFleet) => puppets.worker('a').start.checkpoint?.ledger.alarm;

	it('keeps its alarm, whatever its inventory says of it: another port, stopped, gone, and back', async () => {
		const puppets = new PuppetFleet({a: discovered('1')});
		await puppets.passing(puppets.fleet.start());
		puppets.tell('a', alarm);
		for (const specs of [
			{a: discovered('1', {port: 2})},
			{a: discovered('1', {isStopped: true})},
			{a: discovered('1')},
			{},
		])
			await puppets.reconcile(specs);
		const {length} = puppets.workers;
		await puppets.reconcile({a: discovered('1')});
		expect([puppets.workers.length, alarmOf(puppets)]).toEqual([length + 1, 'odd']);
	});

	it('is another one with another id, and the first one again with its own', async () => {
		const puppets = new PuppetFleet({a: discovered('1')});
		await puppets.passing(puppets.fleet.start());
		puppets.tell('a', alarm);
		expect(await puppets.reconcile({a: discovered('2')})).toMatchObject({changed: 1});
		expect(alarmOf(puppets)).toBeNull();
		await puppets.reconcile({a: discovered('1')});
		expect(alarmOf(puppets)).toBe('odd');
	});

	it('begins with the alarm of a pass that no supervisor made, whenever it is discovered', async () => {
		const puppets = new PuppetFleet({});
		puppets.fleet.recallAlarms([{sandbox: 'a', configuration: configurationOf(discovered('1')), reason: 'odd'}]);
		await puppets.passing(puppets.fleet.start());
		await puppets.reconcile({a: discovered('1')});
		expect(alarmOf(puppets)).toBe('odd');
	});

	it('is not forgotten with its alarm for all the names that come and go', async () => {
		const others = Array.from({length: 4095}, (_, index) => ({name: `s${index}`, record: newRecord('t')}));
		const puppets = new PuppetFleet({a: discovered('1')}, others);
		await puppets.passing(puppets.fleet.start());
		puppets.tell('a', alarm);
		await puppets.reconcile({});
		for (const name of ['x', 'y', 'z']) await puppets.reconcile({[name]: {...named(name), enabled: false}});
		await puppets.reconcile({});
		expect(puppets.fleet.remembered.map(({name}) => name)).toHaveLength(4096);
		await puppets.reconcile({a: discovered('1')});
		expect(alarmOf(puppets)).toBe('odd');
	});
});
