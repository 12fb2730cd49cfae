import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {chmod, rename} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import {untilHealth} from '../support/health.ts';
import type {Instance} from '../support/instance.ts';
import {isAlive} from '../support/processes.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** Worker pids by sandbox, once all of them run. */
async function workers(instance: Instance): Promise<Record<string, number | null>> {
	const {sandboxes} = await instance.until('all to run', ({sandboxes: all}) =>
		Object.values(all).every(({state}) => state === 'running'),
	);
	return Object.fromEntries(Object.entries(sandboxes).map(([name, {pid}]) => [name, pid]));
}

describe.concurrent('SIGHUP', () => {
	test('adds, removes and changes sandboxes, and leaves the others their workers', async ({instance}) => {
		for (const name of ['removed', 'changed', 'untouched', 'policy']) await instance.sandbox(name);
		await instance.configure();
		const run = await instance.start();
		const before = await workers(instance);

		const added = await instance.sandbox('added');
		await added.ask(cliAsk('cli-1'));
		await instance.configure(
			{},
			{
				removed: null,
				changed: {approveUnset: ['OPENCLAW_GATEWAY_URL', 'OPENCLAW_GATEWAY_TOKEN']},
				policy: {policy: {scopes: ['operator.read']}},
			},
		);
		run.kill('SIGHUP');
		const {sandboxes, supervisor} = await instance.until(
			'the new configuration',
			({supervisor: {config}, sandboxes: all}) =>
				config.generation === 2 && all.added?.approved === 1 && all.changed?.state === 'running',
		);
		expect(supervisor).toMatchObject({pid: run.pid, state: 'running', config: {error: null}});
		expect(Object.keys(sandboxes).sort()).toEqual(['added', 'changed', 'policy', 'untouched']);
		const after = await workers(instance);
		expect(after.untouched).toBe(before.untouched);
		expect(after.changed).not.toBe(before.changed);
		expect(after.policy).not.toBe(before.policy);
		expect(isAlive(before.removed ?? 0)).toBe(false);
		expect(isAlive(before.changed ?? 0)).toBe(false);
		expect((await instance.status()).totals).toMatchObject({sandboxes: 4, restarts: 0});
		expect(await instance.untilLogged('configuration reloaded')).toEqual([
			expect.objectContaining({added: 1, removed: 1, changed: 2, unchanged: 1}),
		]);
	});

	test('with a broken file changes nothing, and log, status, health and `reload` say why', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		const before = await workers(instance);

		await instance.configure({slowIntervall: '5s'});
		run.kill('SIGHUP');
		const refused = /config\.yaml:\d+: slowIntervall: is not a key/;
		const {supervisor} = await instance.until('the refusal', ({supervisor: {config}}) => config.error !== null);
		expect(supervisor.config.error).toMatch(refused);
		expect(supervisor.config.generation).toBe(1);
		const [line] = await instance.untilLogged('"error"', 'the configuration is refused');
		expect(line?.error).toMatch(refused);
		expect(await workers(instance)).toEqual(before);
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		await untilHealth(instance, 'degraded', /^degraded: configuration refused/);

		const reload = await instance.command(['reload']);
		expect(reload).toMatchObject({exitCode: 2, stdout: ''});
		expect(reload.stderr).toMatch(refused);
		expect(await workers(instance)).toEqual(before);

		await instance.configure();
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		const mended = await instance.until('the end of the refusal', ({supervisor: {config}}) => config.error === null);
		expect(mended.supervisor.config.generation).toBe(2);
		expect(await workers(instance)).toEqual(before);
	});

	test.for([
		['moves the status file', {statusFile: '/tmp/pairkeeper-elsewhere/status.json'}, /statusFile cannot be moved/],
		['names a group that is not there', {controlGroup: 'no-such-group'}, /no group no-such-group/],
	] as const)('with a file that %s changes nothing', async ([, keys, reason], {instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		const before = await workers(instance);
		await instance.configure({...keys, slowInterval: '7s'});
		run.kill('SIGHUP');
		const {supervisor} = await instance.until('the refusal', ({supervisor: {config}}) => config.error !== null);
		expect(supervisor.config).toMatchObject({generation: 1, error: expect.stringMatching(reason)});
		expect(await workers(instance)).toEqual(before);
	});

	test('with a file that is gone, or that others may write, changes nothing', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		await instance.start();
		const before = await workers(instance);
		await chmod(instance.configFile, 0o666);
		expect(await instance.command(['reload'])).toMatchObject({
			exitCode: 2,
			stderr: expect.stringMatching(/chmod go-w .*config\.yaml/),
		});
		await rename(instance.configFile, instance.path('away.yaml'));
		expect((await instance.command(['reload', '--status-file', instance.statusFile])).exitCode).toBe(2);
		expect(await workers(instance)).toEqual(before);
	});

	test('opens the log anew, as logrotate needs it', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure({logFile: instance.path('pairkeeper.log')});
		const run = await instance.start();
		await workers(instance);
		await rename(instance.path('pairkeeper.log'), instance.path('pairkeeper.log.1'));
		run.kill('SIGHUP');
		await until('the new log', () => readFileSync(instance.path('pairkeeper.log'), 'utf8').includes('reloaded'));
		const old = readFileSync(instance.path('pairkeeper.log.1'), 'utf8');
		expect(old).toContain('worker started');
		expect(old).not.toContain('reloaded');
	});

	test('is one reload, not two', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		run.kill('SIGHUP');
		await instance.until('the reload', ({supervisor}) => supervisor.config.generation > 1);
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		await until('both to be told', async () => (await instance.log('configuration reloaded')).length >= 2);
		expect(await instance.log('configuration reloaded')).toHaveLength(2);
	});
});

describe.concurrent('SIGUSR1', () => {
	test('to the supervisor or a worker starts no debugger and ends nothing', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		const {alpha: worker} = await workers(instance);
		for (const pid of [run.pid, worker ?? 0]) process.kill(pid, 'SIGUSR1');
		// Both have long acted on it when the supervisor has told of three more polls.
		await instance.untilPolled('alpha', 3);
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved, pid}) => approved === 1 && pid === worker);
		expect((await instance.status()).supervisor).toMatchObject({pid: run.pid, state: 'running'});
		for (const pid of [run.pid, worker ?? 0]) expect(listeningSockets(pid)).toEqual([]);
		expect(readFileSync(instance.logFile, 'utf8')).not.toContain('Debugger');
	});
});

describe.concurrent('a second run on the same status file', () => {
	test('exits 3 and names the first', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		const before = await workers(instance);
		const {exitCode, stderr} = await instance.command(['run']);
		expect(exitCode).toBe(3);
		expect(stderr).toContain(`(pid ${run.pid})`);
		expect(stderr).toContain(instance.statusFile);
		expect(await workers(instance)).toEqual(before);
		expect((await instance.status()).supervisor.pid).toBe(run.pid);
	});

	test('may start as soon as the first has been killed', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const first = await instance.start();
		first.kill('SIGKILL');
		await first.ended;
		const second = await instance.start();
		expect(second.pid).not.toBe(first.pid);
	});
});

test.concurrent('a terminal that goes away does not take the workers with it', async ({instance}) => {
	await instance.sandbox('alpha');
	await instance.configure();
	const run = await instance.start();
	const before = await workers(instance);
	// What a shell sends to its jobs reaches the whole group.
	process.kill(-run.pid, 'SIGHUP');
	await instance.until('the reload', ({supervisor}) => supervisor.config.generation === 2);
	expect(await workers(instance)).toEqual(before);
});

/** The addresses of the TCP sockets on which a process listens, as /proc/net shows them. */
function listeningSockets(pid: number): string[] {
	const inodes = new Set<string>();
	for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
		try {
			const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`)) ?? [];
			if (inode !== undefined) inodes.add(inode);
		} catch {
			// Closed meanwhile.
		}
	}
	return ['tcp', 'tcp6'].flatMap(table => {
		const rows = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1);
		const fields = rows.map(row => row.trim().split(/\s+/));
		// 0A is LISTEN (proc(5)).
		return fields
			.filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode ?? ''))
			.map(([, local]) => local ?? '');
	});
}
