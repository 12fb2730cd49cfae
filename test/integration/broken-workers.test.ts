import {existsSync, readFileSync} from 'node:fs';
import {rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import {untilHealth} from '../support/health.ts';
import type {Instance} from '../support/instance.ts';
import {isAlive} from '../support/processes.ts';
import {behaviours, browserAsk, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** Bounds short enough that a hang is found in a test, and long enough that nothing else is taken for one on a busy machine. */
const watchful = {heartbeatTimeout: '6s', runTimeout: '5s'};

/** The environment in which a worker goes wrong once {@link inject} is called; see fault.mjs. */
const faulty = (instance: Instance) => ({
	NODE_OPTIONS: `--import=${join(import.meta.dirname, '../support/fault.mjs')}`,
	FAULT_TRIGGER: instance.path('fault'),
});

/** In one step, since the worker is looking. */
async function inject(instance: Instance, fault: string): Promise<void> {
	await writeFile(instance.path('fault.new'), fault);
	await rename(instance.path('fault.new'), instance.path('fault'));
	await until('a worker to take the fault', () => !existsSync(instance.path('fault')));
}

async function workerOf(instance: Instance, name = 'alpha'): Promise<number> {
	const {pid} = await instance.untilSandbox(name, 'to run', ({state, pid: worker}) => state === 'running' && !!worker);
	return pid as number;
}

/** Waits until the worker has been replaced, for the reason given, and the sandbox is well again. */
async function expectReplaced(instance: Instance, worker: number, lastExit: object): Promise<void> {
	const status = await instance.untilSandbox(
		'alpha',
		'to have another worker',
		({pid, healthy}) => healthy && pid !== null && pid !== worker,
	);
	expect(status).toMatchObject({state: 'running', restarts: 1, lastExit});
	expect(isAlive(worker)).toBe(false);
	const alpha = await instance.sandbox('alpha');
	await alpha.ask(cliAsk('after'));
	await instance.untilSandbox('alpha', 'to approve again', ({lastApproval}) => lastApproval?.requestId === 'after');
}

describe.concurrent('a worker that is killed', () => {
	test('is replaced at once by one that polls at once, where it had been stable', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		// Any delay, or a first interval, would outlast the test.
		const restart = {minDelay: '10m', maxDelay: '10m', stableAfter: '100ms'};
		await instance.configure({fastInterval: '10m', slowInterval: '10m', restart});
		await instance.start();
		await until('the first poll', async () => (await alpha.calls('list'))[0]?.endedAt);
		const {startedAt, pid} = await instance.untilSandbox('alpha', 'to be well', ({healthy}) => healthy);
		await until('it to be stable', () => Date.now() - Date.parse(startedAt ?? '') > 200);
		process.kill(pid ?? 0, 'SIGKILL');
		await until('the next poll', async () => (await alpha.calls('list'))[1]);
		const {lastExit} = await instance.untilSandbox(
			'alpha',
			'to be well',
			({healthy, restarts}) => healthy && restarts === 1,
		);
		expect(lastExit).toMatchObject({reason: 'crash', code: null, signal: 'SIGKILL'});
	});

	test('is replaced by the one that stood by, and that by the next; one that ends while it stands by is replaced too', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure();
		await instance.start();
		const first = await workerOf(instance);
		const standby = await instance.untilOneStandsBy();
		expect(standby).not.toBe(first);
		expect((await instance.status()).totals.sandboxes).toBe(1);
		process.kill(standby, 'SIGKILL');
		await instance.untilLogged('the worker that stands by has ended');
		const second = await instance.untilOneStandsBy(standby);
		expect((await instance.statusOf('alpha')).pid).toBe(first);
		process.kill(first, 'SIGKILL');
		await instance.untilSandbox('alpha', 'to be well', ({healthy, restarts}) => healthy && restarts === 1);
		expect((await instance.statusOf('alpha')).pid).toBe(second);
		await alpha.ask(cliAsk('after'));
		await instance.untilSandbox('alpha', 'to approve', ({lastApproval}) => lastApproval?.requestId === 'after');
		await instance.untilOneStandsBy(second);
		process.kill(instance.pid, 'SIGKILL');
		await instance.untilNothingRuns();
	});

	test('leaves its successor the counters, and the requests that are settled', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		// A gateway that goes on to list what was approved.
		await alpha.always('approve', 'cat "$folder/answer"');
		await writeFile(join(alpha.folder, 'answer'), '{"requestId":"cli-1","device":{}}\n');
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(strangerAsk('stranger-1'));
		await instance.configure();
		await instance.start();
		const before = await instance.untilSandbox(
			'alpha',
			'to settle both',
			({approved, refused}) => approved === 1 && refused === 1,
		);
		process.kill(before.pid ?? 0, 'SIGKILL');
		await instance.untilSandbox('alpha', 'to have another worker', ({restarts, healthy}) => restarts === 1 && healthy);
		await instance.untilPolled('alpha', 3);
		const after = await instance.untilSandbox('alpha', 'to be seen', () => true);
		const {lastApproval, lastRefusal} = before;
		expect(after).toMatchObject({approved: 1, refused: 1, restarts: 1, lastApproval, lastRefusal});
		// What is listed all the same is approved again, ever less often, and counts once.
		expect(new Set(await alpha.idsOf('approve'))).toEqual(new Set(['cli-1']));
		expect(await instance.untilLogged('"approved"', 'cli-1')).toHaveLength(1);
		expect(await instance.untilLogged('"refused"', 'stranger-1')).toHaveLength(1);
	});

	test('leaves its successor what is left of the fast phase, and no more', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		// A whole fast phase is 24 polls at the most; the slow phase has none that a test would see.
		await instance.configure({fastDeadline: '6s', fastInterval: '250ms', slowInterval: '10m'});
		await instance.start();
		const worker = await workerOf(instance);
		const times = async () => (await alpha.calls('list')).map(({startedAt}) => startedAt);
		await until('4 s of fast polling', async () => {
			const [first = 0, ...others] = await times();
			return (others.at(-1) ?? 0) - first >= 4000;
		});
		const killedAt = Date.now();
		process.kill(worker, 'SIGKILL');
		await instance.untilSandbox(
			'alpha',
			'to be polled slowly',
			({mode, restarts, lastListAt}) =>
				mode === 'slow' && restarts === 1 && lastListAt !== null && Date.parse(lastListAt) > killedAt,
		);
		// What is left is a third of it, and the first poll; however busy the machine is, there are no more.
		expect((await times()).filter(at => at > killedAt).length).toBeLessThanOrEqual(12);
	});

	test('after the fast deadline is replaced by one that is slow from the start', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({fastDeadline: '500ms', slowInterval: '10m'});
		await instance.start();
		const slow = await instance.untilSandbox('alpha', 'to be polled slowly', ({mode}) => mode === 'slow');
		const killedAt = Date.now();
		process.kill(slow.pid ?? 0, 'SIGKILL');
		const {interval, mode, lastListAt, nextPollAt} = await instance.untilSandbox(
			'alpha',
			'to be polled by another worker',
			({restarts, lastListAt: at, nextPollAt: next}) =>
				restarts === 1 && at !== null && next !== null && Date.parse(at) > killedAt && next > at,
		);
		expect({mode, interval}).toEqual({mode: 'slow', interval: 600});
		expect(Date.parse(nextPollAt ?? '') - Date.parse(lastListAt ?? '')).toBeGreaterThan(500_000);
		expect((await alpha.calls('list')).filter(({startedAt}) => startedAt > killedAt)).toHaveLength(1);
		expect(await instance.log('fast mode')).toEqual([]);
	});

	test('takes all with it that it started, whatever session that is in', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({runTimeout: '1h'});
		await instance.start();
		const worker = await workerOf(instance);
		await alpha.once(
			'list',
			`(trap '' HUP; setsid sh -c "sleep 1001 & sleep 1002" &) ; ${behaviours.hangWithChildren}`,
		);
		const sleeping = () => [...instance.processes()].filter(([, command]) => command.startsWith('sleep'));
		await until('all its processes', () => sleeping().length === 5);
		process.kill(worker, 'SIGKILL');
		await until('another worker', async () => (await instance.log('worker started')).length === 2);
		expect(sleeping()).toEqual([]);
	});

	test('before the answer to an approve came has the request settled once', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', `approve; ${behaviours.hang}`);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '1h'});
		await instance.start();
		const worker = await workerOf(instance);
		await until('the grant', async () => (await alpha.settled('approved')).length === 1);
		process.kill(worker, 'SIGKILL');
		await instance.untilSandbox('alpha', 'to know of the approval', ({approved}) => approved === 1);
		await instance.untilPolled('alpha', 3);
		expect((await instance.status()).totals.approved).toBe(1);
		expect(await alpha.idsOf('approve')).toEqual(['cli-1']);
	});

	test('during an approve has told of the refusals too that were listed behind it', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', behaviours.hang);
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(strangerAsk('stranger-1'));
		await instance.configure({runTimeout: '1h'});
		await instance.start();
		const worker = await workerOf(instance);
		await until('the approve', async () => (await alpha.calls('approve')).length === 1);
		process.kill(worker, 'SIGKILL');
		await instance.untilSandbox('alpha', 'to settle both', ({approved, refused}) => approved === 1 && refused === 1);
		expect(await instance.untilLogged('"refused"', 'stranger-1')).toHaveLength(1);
	});

	test('again and again is a crash loop, which health tells, and still not given up', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.pair(browserAsk('paired'));
		await instance.configure();
		await instance.start();
		for (let kills = 1; kills <= 3; kills++) {
			const pid = await workerOf(instance);
			process.kill(pid, 'SIGKILL');
			await instance.untilSandbox('alpha', 'to be restarted', ({restarts}) => restarts === kills);
		}
		await instance.untilSandbox('alpha', 'to be well', ({crashLooping, healthy}) => crashLooping && healthy);
		await untilHealth(instance, 'degraded', /^degraded: .*alpha: crash looping/);
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
	});
});

describe.concurrent('a worker that does not end but', () => {
	test('is stopped, is found as a hang and replaced', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure(watchful);
		await instance.start();
		const worker = await workerOf(instance);
		process.kill(worker, 'SIGSTOP');
		await expectReplaced(instance, worker, {reason: 'hang', signal: 'SIGKILL'});
	});

	test('is stopped during a call, is replaced, and the call is gone', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({...watchful, runTimeout: '1h'});
		await instance.start();
		const worker = await workerOf(instance);
		await alpha.once('list', behaviours.hangWithChildren);
		const sleeping = () => [...instance.processes()].filter(([, command]) => command.startsWith('sleep'));
		await until('the call', () => sleeping().length === 3);
		process.kill(worker, 'SIGSTOP');
		await until('another worker', async () => (await instance.log('worker started')).length === 2);
		expect(sleeping()).toEqual([]);
		await expectReplaced(instance, worker, {reason: 'hang', signal: 'SIGKILL'});
	});

	test.for([
		['has a blocked event loop', 'block', 'hang'],
		['has a loop that waits for ever', 'stall', 'stalled'],
		['takes more memory than it may', 'bloat', 'memory'],
	] as const)('%s, is found and replaced', async ([, fault, reason], {instance}) => {
		await instance.sandbox('alpha');
		await instance.configure(watchful);
		await instance.start({env: faulty(instance)});
		const worker = await workerOf(instance);
		await inject(instance, fault);
		await expectReplaced(instance, worker, {reason, signal: 'SIGKILL'});
		expect(await instance.untilLogged(`worker is ended: ${reason}`)).toHaveLength(1);
	});
});

test.concurrent('a worker whose objects outgrow its memory at once ends by itself, and that is known', async ({
	instance,
}) => {
	await instance.sandbox('alpha');
	await instance.configure({workerMemory: '256M'});
	await instance.start({env: faulty(instance)});
	const worker = await workerOf(instance);
	await inject(instance, 'fill');
	await expectReplaced(instance, worker, {reason: 'memory', signal: 'SIGABRT'});
});

test.concurrent('a worker, and what it starts, goes before its supervisor where the host has no memory left, and no core holds its memory', async ({
	instance,
}) => {
	const alpha = await instance.sandbox('alpha');
	await alpha.always('list', behaviours.hang);
	await instance.configure({runTimeout: '1h'});
	const {pid: supervisor} = await instance.start();
	const {pid: worker} = await instance.untilSandbox('alpha', 'to have a worker', ({pid}) => pid !== null);
	await until('a call', async () => (await alpha.calls('list')).length > 0);
	const [call] = await alpha.calls('list');
	const scoreOf = (pid: number | null | undefined) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
	const expected = Math.min(scoreOf(supervisor) + 300, 1000);
	expect([scoreOf(worker), scoreOf(call?.pid)]).toEqual([expected, expected]);
	for (const pid of [worker, call?.pid])
		expect(Number.parseInt(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8'), 16)).toBe(0);
});

test.concurrent.for([
	['ends without an error', 'leave', {reason: 'exit', code: 0, signal: null}],
	[
		'gives its code again and again, for which nobody asks,',
		'recompile',
		{reason: 'crash', code: null, signal: 'SIGKILL'},
	],
	['says again and again what nobody understands', 'babble', {reason: 'crash', code: null, signal: 'SIGKILL'}],
] as const)('a worker that %s is replaced too', async ([, fault, exit], {instance}) => {
	await instance.sandbox('alpha');
	await instance.configure();
	await instance.start({env: faulty(instance)});
	const worker = await workerOf(instance);
	await inject(instance, fault);
	await expectReplaced(instance, worker, exit);
});

test.concurrent('a worker that has been told a lot collects what is left of that, though it is at rest', async ({
	instance,
}) => {
	const alpha = await instance.sandbox('alpha');
	await alpha.pair(browserAsk('paired'));
	await instance.configure();
	await instance.start({env: faulty(instance)});
	const worker = await workerOf(instance);
	await inject(instance, 'litter');
	await until('it to be collected', () => existsSync(`${instance.path('fault')}.collected`), {timeoutMs: 90_000});
	expect(await workerOf(instance)).toBe(worker);
});
