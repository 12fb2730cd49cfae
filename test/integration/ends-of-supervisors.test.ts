import {describe, expect} from 'vitest';
import {isAlive} from '../support/processes.ts';
import {behaviours, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** How long after `startedAt` the deadline is, in milliseconds. */
const shift = ({startedAt, deadlineAt}: {startedAt: string; deadlineAt: string | null}) =>
	Date.parse(deadlineAt ?? '') - Date.parse(startedAt);

describe.concurrent('a supervisor that is killed', () => {
	test('takes workers and calls with it, a stopped worker when the next one starts, which goes on with deadline and counters', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		await instance.configure({runTimeout: '1h'});
		const first = await instance.start();
		const worker = await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');
		process.kill(worker.pid ?? 0, 'SIGKILL');
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(strangerAsk('stranger-1'));
		const before = await instance.until(
			'alpha to be settled, and beta to run',
			({sandboxes, totals}) =>
				totals.approved === 1 &&
				totals.refused === 1 &&
				totals.restarts === 1 &&
				totals.healthy === 2 &&
				!!sandboxes.beta,
		);
		await alpha.always('list', behaviours.hangWithChildren);
		await beta.always('list', behaviours.hangWithChildren);
		const sleeping = () => [...instance.processes()].filter(([, command]) => command.startsWith('sleep'));
		await until('both calls to hang', () => sleeping().length === 6);
		const stopped = (await instance.status()).sandboxes.beta?.pid ?? 0;
		const running = (await instance.status()).sandboxes.alpha?.pid ?? 0;
		const standby = await instance.untilOneStandsBy();
		for (const pid of [stopped, standby]) process.kill(pid, 'SIGSTOP');

		first.kill('SIGKILL');
		await until('the end of alpha and its calls', () => !isAlive(running) && sleeping().length <= 3);
		expect([stopped, standby].map(isAlive)).toEqual([true, true]);
		await alpha.recover('list');
		await beta.recover('list');

		const second = await instance.start();
		expect([stopped, standby].map(isAlive)).toEqual([false, false]);
		expect(sleeping()).toEqual([]);
		const after = await instance.until('both to be well', ({totals}) => totals.healthy === 2);
		expect(after.supervisor).toMatchObject({pid: second.pid, deadlineAt: before.supervisor.deadlineAt});
		expect(after.totals).toMatchObject({approved: 1, refused: 1, restarts: 1});
		const {lastApproval, lastRefusal} = before.sandboxes.alpha ?? {};
		expect(after.sandboxes.alpha).toMatchObject({approved: 1, refused: 1, restarts: 1, lastApproval, lastRefusal});
		await instance.untilPolled('alpha', 2);
		expect((await instance.status()).totals).toMatchObject({approved: 1, refused: 1});
		expect(await instance.untilLogged('the last supervisor was killed')).toHaveLength(1);
	});

	test('before its deadline, which passes meanwhile, is followed by one with a full deadline', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({deadline: '10s'});
		const first = await instance.start();
		const {supervisor} = await instance.until('the approval', ({totals}) => totals.approved === 1);
		first.kill('SIGKILL');
		await first.ended;
		const deadline = Date.parse(supervisor.deadlineAt ?? '');
		await until('the deadline to pass', () => Date.now() > deadline + 100);
		await instance.configure({deadline: '8h'});
		await instance.start();
		const after = await instance.status();
		expect(shift(after.supervisor)).toBeGreaterThan(7.9 * 3_600_000);
		expect(after.totals.approved).toBe(0);
	});
});

describe.concurrent('a supervisor that reaches its deadline', () => {
	test('exits 0 in the state `deadline`, and the next one has a full shift', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({deadline: '10s', stopTimeout: '10m'});
		const run = await instance.start();
		await instance.until('the approval', ({totals}) => totals.approved === 1);
		await alpha.always('list', behaviours.hangWithChildren);
		expect(await run.ended).toEqual({code: 0, signal: null});
		await instance.untilNothingRuns();
		const {supervisor, totals, sandboxes} = await instance.status();
		expect(supervisor).toMatchObject({state: 'deadline', pid: run.pid});
		expect(Date.parse(supervisor.updatedAt)).toBeGreaterThanOrEqual(Date.parse(supervisor.deadlineAt ?? ''));
		expect(totals).toMatchObject({approved: 1, healthy: 0});
		expect(sandboxes.alpha).toMatchObject({state: 'stopped', pid: null});
		expect(await instance.command(['health'])).toMatchObject({exitCode: 2});

		await alpha.recover('list');
		await instance.configure({deadline: '8h'});
		await instance.start();
		const next = await instance.status();
		expect(shift(next.supervisor)).toBeGreaterThan(7.9 * 3_600_000);
		expect(next.totals.approved).toBe(0);
	});
});

describe.concurrent('a supervisor that is stopped cleanly', () => {
	test('is followed by one with a full deadline and fresh counters', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({deadline: '1h'});
		const first = await instance.start();
		const before = await instance.until('the approval', ({totals}) => totals.approved === 1);
		first.kill('SIGTERM');
		expect(await first.ended).toEqual({code: 0, signal: null});
		const {supervisor} = await instance.status();
		expect(supervisor.state).toBe('stopped');
		expect(supervisor.deadlineAt).toBe(before.supervisor.deadlineAt);

		await instance.start();
		const after = await instance.status();
		expect(Date.parse(after.supervisor.deadlineAt ?? '')).toBeGreaterThan(Date.parse(supervisor.deadlineAt ?? ''));
		expect(shift(after.supervisor)).toBeGreaterThan(3_599_000);
		expect(after.totals.approved).toBe(0);
	});

	test('during a hanging call exits 0 without waiting for stopTimeout, and leaves nothing', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', behaviours.hangWithChildren);
		await instance.configure({stopTimeout: '10m', runTimeout: '1h'});
		const run = await instance.start();
		await until('the call', async () => (await alpha.calls('list')).length === 1);
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect(instance.processes()).toEqual(new Map());
		expect((await instance.status()).supervisor.state).toBe('stopped');
	});

	test('by SIGINT, as Ctrl-C in a terminal, exits 0 too', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		// The terminal signals the whole foreground group.
		process.kill(-run.pid, 'SIGINT');
		expect(await run.ended).toEqual({code: 0, signal: null});
		await instance.untilNothingRuns();
		expect((await instance.status()).totals.restarts).toBe(0);
	});

	test('ends a worker that does not obey after stopTimeout', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure({stopTimeout: '1s'});
		const run = await instance.start();
		const {pid} = await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');
		process.kill(pid ?? 0, 'SIGSTOP');
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect(await instance.untilLogged('received SIGTERM')).toHaveLength(1);
		expect(instance.processes()).toEqual(new Map());
	});

	test('and asked a second time ends at once', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure({stopTimeout: '10m'});
		const run = await instance.start();
		const {pid} = await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');
		process.kill(pid ?? 0, 'SIGSTOP');
		run.kill('SIGTERM');
		await instance.until('the supervisor to stop', ({supervisor}) => supervisor.state === 'stopping');
		// Nobody is killed before stopTimeout is over.
		expect(isAlive(pid ?? 0)).toBe(true);
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect(instance.processes()).toEqual(new Map());
	});

	test('while it is still starting exits 0', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = instance.launch();
		await until('its signal handlers', async () => (await instance.log('pairkeeper starts')).length === 1);
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect(instance.processes()).toEqual(new Map());
	});
});
