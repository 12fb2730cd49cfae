import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import type {Happening, NotifyKind} from '../../supervisor/notify/event.ts';
import {HealthWatch} from '../../supervisor/notify/health-watch.ts';
import {Notifier} from '../../supervisor/notify/notifier.ts';
import {runProgram, whyMissing} from '../../supervisor/notify/program.ts';
import {NotifyQueue} from '../../supervisor/notify/queue.ts';
import {findMarked} from '../support/marked.ts';
import {until} from '../support/until.ts';
import {SECOND, SimulatedClock} from './fixtures.ts';

const happening = (sandbox: string, event: NotifyKind, message = ''): Happening => ({
	time: '2026-01-01T00:00:00.000Z',
	sandbox,
	event,
	message,
	request: null,
});

describe('what waits to be told', () => {
	it('is one event of each sandbox, the more urgent one, else the later one; the others are counted', () => {
		const queue = new NotifyQueue();
		queue.put(happening('a', 'refused', 'first'));
		queue.put(happening('b', 'unhealthy'));
		for (let index = 0; index < 1000; index++) queue.put(happening('a', 'refused', `${index}`));
		queue.put(happening('b', 'healthy'));
		queue.put(happening('b', 'refused'));
		queue.put(happening('c', 'refused'));
		queue.put(happening('c', 'alarm', 'odd'));
		queue.put(happening('c', 'refused'));
		expect(queue.take()).toEqual({happening: happening('c', 'alarm', 'odd'), skipped: 2});
		expect(queue.take()).toEqual({happening: happening('a', 'refused', '999'), skipped: 1000});
		expect(queue.take()).toEqual({happening: happening('b', 'healthy'), skipped: 2});
		expect(queue.take()).toBeNull();
	});

	it('is told in turn, however much one sandbox has to tell', () => {
		const queue = new NotifyQueue();
		const told: string[] = [];
		queue.put(happening('loud', 'refused'));
		queue.put(happening('quiet', 'refused'));
		for (let next = queue.take(); next; next = queue.take()) {
			told.push(next.happening.sandbox);
			if (told.length < 4) queue.put(happening('loud', 'refused'));
		}
		expect(told).toEqual(['loud', 'quiet', 'loud', 'loud']);
	});
});

describe('a notifier', () => {
	it('tells one event at a time, and nobody waits for it', async () => {
		const clock = new SimulatedClock();
		const notifier = new Notifier({clock, log: () => {}});
		let running = 0;
		const lines: {sandbox: string; skipped: number}[] = [];
		notifier.use(async line => {
			expect(++running).toBe(1);
			await clock.sleep(SECOND);
			lines.push(JSON.parse(line));
			running--;
			return null;
		});
		for (let index = 0; index < 10; index++)
			for (const sandbox of ['a', 'b']) notifier.put({sandbox, event: 'refused', message: '', request: null});
		await clock.sleep(10 * SECOND);
		expect(lines.map(({sandbox, skipped}) => [sandbox, skipped])).toEqual([
			['a', 0],
			['b', 9],
			['a', 8],
		]);
		expect(Object.keys(lines[0] ?? {})).toEqual(['time', 'host', 'event', 'sandbox', 'message', 'skipped', 'request']);
		await notifier.close();
	});

	it('ends a program that takes longer than ten seconds, says so once, and goes on', async () => {
		const clock = new SimulatedClock();
		const logged: unknown[] = [];
		const notifier = new Notifier({clock, log: (_, message) => void logged.push(message)});
		notifier.use(
			(_, signal) => new Promise(resolve => signal.addEventListener('abort', () => resolve(String(signal.reason)))),
		);
		for (const sandbox of ['a', 'b']) notifier.put({sandbox, event: 'alarm', message: '', request: null});
		await clock.sleep(10 * SECOND);
		expect(notifier.warnings).toEqual(['notify: it took longer than 10 s']);
		await clock.sleep(10 * SECOND);
		expect(logged).toHaveLength(1);
		notifier.use(async () => null);
		expect(notifier.warnings).toEqual([]);
		await notifier.close();
	});

	it('ends its program when the supervisor ends, and tells no more', async () => {
		const notifier = new Notifier({clock: new SimulatedClock(), log: () => {}});
		let told = 0;
		notifier.use((_, signal) => {
			told++;
			return new Promise(resolve => signal.addEventListener('abort', () => resolve('ended')));
		});
		for (const sandbox of ['a', 'b']) notifier.put({sandbox, event: 'alarm', message: '', request: null});
		await notifier.close();
		notifier.put({sandbox: 'c', event: 'alarm', message: '', request: null});
		expect(told).toBe(1);
	});
});

describe('the program', () => {
	let folder: string;
	let owner: string;
	beforeEach(() => {
		folder = mkdtempSync(path.join(os.tmpdir(), 'notify-'));
		owner = `notify-test/${path.basename(folder)}`;
	});
	afterEach(() => {
		rmSync(folder, {recursive: true, force: true});
	});
	const env = {PATH: process.env.PATH, FOLDER: ''};
	const signal = new AbortController().signal;
	const shell = (script: string) => ({file: 'bash', args: ['-c', script], env: {...env, FOLDER: folder}});

	it('gets the event on its standard input, in /, with the environment it is given', async () => {
		const script = 'pwd >$FOLDER/cwd; env >$FOLDER/env; cat >$FOLDER/input';
		expect(await runProgram(shell(script), {input: '{"event":"alarm"}\n', owner, signal})).toBeNull();
		const read = (name: string) => readFileSync(path.join(folder, name), 'utf8');
		expect(read('input')).toBe('{"event":"alarm"}\n');
		expect(read('cwd')).toBe('/\n');
		expect(read('env')).toContain(`PAIRKEEPER_OWNER=${owner}`);
		expect(read('env')).not.toContain('VITEST');
	});

	it('need not read it; a failure says what it complained of, safe to show', async () => {
		const input = 'x'.repeat(1_000_000);
		expect(await runProgram(shell('exit 0'), {input, owner, signal})).toBeNull();
		expect(await runProgram(shell("printf 'bad\\e[2J\\nthing' >&2; exit 3"), {input, owner, signal})).toBe(
			'it ended with 3: bad\ufffd[2J thing',
		);
		expect(await runProgram({file: '/nowhere/mail', args: [], env}, {input, owner, signal})).toMatch(
			/could not be started/,
		);
	});

	it('is not run where others could exchange it, be it by its path or found in PATH', async () => {
		const file = path.join(folder, 'mail');
		writeFileSync(file, `#!/bin/sh\necho run >${folder}/ran\n`, {mode: 0o755});
		vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
		try {
			expect(
				await runProgram({file: 'mail', args: [], env: {PATH: process.env.PATH}}, {input: '', owner, signal}),
			).toBeNull();
			rmSync(path.join(folder, 'ran'));
			chmodSync(folder, 0o777);
			for (const name of ['mail', file])
				expect(
					await runProgram({file: name, args: [], env: {PATH: process.env.PATH}}, {input: '', owner, signal}),
				).toMatch(/not run.*chmod/);
			expect(existsSync(path.join(folder, 'ran'))).toBe(false);
		} finally {
			vi.unstubAllEnvs();
		}
	});

	it('that is not there is told with a remedy before anything has happened, and no more when it has done its work', async () => {
		expect(whyMissing(['sh', '-c', 'true'])).toBeNull();
		expect(whyMissing(['no-such-program'])).toMatch(/no program no-such-program in PATH.*notify: \[/);
		const there = path.join(folder, 'tell');
		writeFileSync(there, '', {mode: 0o600});
		expect(whyMissing([there])).toMatch(/chmod \+x/);
		const notifier = new Notifier({clock: new SimulatedClock(), log: () => {}});
		notifier.use(async () => null, whyMissing(['no-such-program']));
		expect(notifier.warnings).toEqual([expect.stringMatching(/^notify: there is no program/)]);
		notifier.put({event: 'healthy', sandbox: 'alpha', message: '', request: null});
		await vi.waitUntil(() => notifier.warnings.length === 0);
		await notifier.close();
	});

	it('is ended with all that it started, in sessions of their own too', async () => {
		writeFileSync(path.join(folder, 'up'), '');
		const ending = new AbortController();
		const script = "trap '' TERM; setsid sleep 1000 & sleep 1000 & echo up >$FOLDER/up; wait";
		const ended = runProgram(shell(script), {input: '', owner, signal: ending.signal});
		await until('it to be up', () => readFileSync(path.join(folder, 'up'), 'utf8') !== '');
		ending.abort('enough');
		expect(await ended).toBe('enough');
		expect(await findMarked(owner)).toEqual([]);
	});
});

describe('health', () => {
	const healthy = {state: 'running', healthy: true, interval: 1, crashLooping: false} as const;
	const ill = {...healthy, healthy: false};
	const look = (watch: HealthWatch, now: number, alpha: object) =>
		watch.look({alpha: {...healthy, ...alpha}}, {now, runTimeout: 10 * SECOND}).map(({event}) => event);

	it('is told when it is lost for good and when it is back, not for a worker that is started again', () => {
		const watch = new HealthWatch();
		expect(look(watch, 0, healthy)).toEqual([]);
		expect(look(watch, 1000, ill)).toEqual([]);
		expect(look(watch, 2000, healthy)).toEqual([]);
		expect(look(watch, 3000, ill)).toEqual([]);
		expect(look(watch, 7999, ill)).toEqual([]);
		expect(look(watch, 8000, ill)).toEqual(['unhealthy']);
		expect(look(watch, 9000, ill)).toEqual([]);
		expect(look(watch, 10_000, healthy)).toEqual(['healthy']);
	});

	it('of one that has just been started is told when it has had its time, and never of one that is not to run', () => {
		const watch = new HealthWatch();
		expect(look(watch, 0, ill)).toEqual([]);
		expect(look(watch, 12_999, ill)).toEqual([]);
		expect(look(watch, 13_000, ill)).toEqual(['unhealthy']);
		expect(look(watch, 14_000, {...ill, state: 'idle'})).toEqual([]);
		expect(look(watch, 90_000, {...ill, state: 'idle'})).toEqual([]);
	});

	it('of one that crashes in a loop is told once', () => {
		const watch = new HealthWatch();
		look(watch, 0, healthy);
		expect(look(watch, 1, {...ill, crashLooping: true})).toEqual(['crash-loop']);
		expect(look(watch, 2, {...ill, crashLooping: true})).toEqual([]);
	});
});
