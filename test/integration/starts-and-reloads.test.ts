import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {chmod, copyFile, mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {delimiter} from 'node:path';
import {describe, expect} from 'vitest';
import {statusSchema} from '../../supervisor/status/schema.ts';
import type {Instance} from '../support/instance.ts';
import {behaviours, cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

const approveLock = '.pairkeeper.approve.lock';

/** What the status file says at the end. */
async function finalStatus(instance: Instance) {
	return statusSchema.parse(JSON.parse(await readFile(instance.statusFile, 'utf8')));
}

describe.concurrent('a start that fails once the control socket listens', () => {
	test('says why, ends by itself, and leaves nothing that listens, runs, or would be resumed', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		// Where a lock cannot be opened, nobody can be waited for.
		await mkdir(instance.path(approveLock));
		const {exitCode, stderr} = await instance.command(['run']);
		expect(exitCode).toBe(1);
		expect(stderr).toContain(approveLock);
		expect((await finalStatus(instance)).supervisor.state).toBe('stopped');
		expect(existsSync(instance.path('control.sock'))).toBe(false);
		expect(existsSync(instance.path('.pairkeeper.state.json'))).toBe(false);
		await instance.untilNothingRuns();

		await rm(instance.path(approveLock), {recursive: true});
		await instance.start();
		expect(await instance.log('the last supervisor was killed')).toEqual([]);
	});
});

describe.concurrent('a start beside an approve that is under way', () => {
	test('waits for it, however long that takes, and can be stopped meanwhile', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure();
		const holder = spawn('flock', ['-x', instance.path(approveLock), 'cat'], {stdio: ['pipe', 'ignore', 'ignore']});
		const released = new Promise(resolve => holder.once('exit', resolve));
		await until('the lock', () => existsSync(instance.path(approveLock)));
		const first = instance.launch();
		await instance.untilLogged('an approve pass that began before this start is waited for');
		const asked = await instance.command(['approve', 'alpha', '--strict']);
		expect(asked).toMatchObject({exitCode: 1, stderr: expect.stringContaining('the supervisor is starting')});
		first.kill('SIGTERM');
		expect(await first.ended).toEqual({code: 0, signal: null});
		expect(await alpha.calls()).toEqual([]);

		const second = instance.launch();
		await until('the wait', async () => (await instance.log('is waited for')).length === 2);
		expect((await finalStatus(instance)).supervisor).toMatchObject({pid: second.pid, state: 'starting'});
		expect(await alpha.calls()).toEqual([]);
		holder.stdin?.end();
		await released;
		await instance.until('the start', ({supervisor}) => supervisor.state === 'running');
		await instance.untilPolled('alpha');
	});
});

describe.concurrent('a signal', () => {
	test('that comes when all but the last write is done changes nothing about a good end', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		for (let round = 1; round <= 4; round++) {
			const run = await instance.start();
			await instance.untilPolled('alpha', 1);
			run.kill('SIGTERM');
			const socket = instance.path('control.sock');
			await until('the control socket to go', () => !existsSync(socket), {everyMs: 1});
			run.kill(round % 2 === 0 ? 'SIGTERM' : 'SIGHUP');
			const {signal} = await run.ended;
			// The process may have been beyond all of its own code by then.
			expect([null, 'SIGTERM', 'SIGHUP']).toContain(signal);
			expect((await finalStatus(instance)).supervisor.state).toBe('stopped');
			expect(existsSync(instance.path('.pairkeeper.state.json'))).toBe(false);
		}
		expect(await instance.log('the last supervisor was killed')).toEqual([]);
	});

	test('from the terminal ends a start that waits for an approve in good order', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const holder = spawn('flock', ['-x', instance.path(approveLock), 'cat'], {stdio: ['pipe', 'ignore', 'ignore']});
		await until('the lock', () => existsSync(instance.path(approveLock)));
		const run = instance.launch();
		await instance.untilLogged('an approve pass that began before this start is waited for');
		// Ctrl-C reaches the whole foreground group.
		process.kill(-run.pid, 'SIGINT');
		expect(await run.ended).toEqual({code: 0, signal: null});
		holder.stdin?.end();
	});
});

describe.concurrent('an alarm', () => {
	test('outlives SIGHUP, and the sandbox’s leave from the configuration; `pairkeeper reload` clears it', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		const lying = cliAsk('lying-1');
		const {deviceId} = lying;
		const answer = {requestId: 'lying-1', device: {deviceId, scopes: ['operator.admin', '%s %d %j']}};
		await alpha.ask(lying, {answer});
		await instance.configure();
		const run = await instance.start();
		const hasAlarm = ({warnings}: {readonly warnings: readonly string[]}) =>
			warnings.some(text => /^alarm: /.test(text));
		await instance.untilSandbox('alpha', 'to warn', hasAlarm);
		// What a sandbox says is in a field, where no text of its own can take others away.
		const [line] = await instance.untilLogged('"error"', '"message":"alarm: ');
		expect(line).toMatchObject({
			sandbox: 'alpha',
			reason: expect.stringMatching(/approving lying-1 .*operator\.admin/),
		});

		const generation = async (wanted: number) =>
			instance.until('the reload', ({supervisor}) => supervisor.config.generation === wanted);
		run.kill('SIGHUP');
		await generation(2);
		await instance.configure({}, {alpha: null});
		run.kill('SIGHUP');
		await generation(3);
		await instance.configure();
		run.kill('SIGHUP');
		await generation(4);
		await alpha.ask(cliAsk('late-1'));
		await beta.ask(cliAsk('beta-1'));
		await instance.untilSandbox('beta', 'to approve', ({approved}) => approved === 1);
		await instance.untilPolled('alpha', 3);
		expect((await instance.status()).sandboxes.alpha?.warnings.join()).toMatch(/alarm: /);
		expect(await alpha.idsOf('approve')).toEqual(['lying-1']);

		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		const status = await instance.untilSandbox('alpha', 'to approve again', ({approved}) => approved === 2);
		expect(status.warnings).toEqual([]);
	});

	test('of an approve without a supervisor stands for the next one and for a supervisor, until `pairkeeper reload`', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const lie = async (id: string) => {
			const device = {deviceId: 'another', scopes: []};
			await alpha.ask(cliAsk(id), {answer: {requestId: id, device}});
		};
		const approve = () => instance.command(['approve', 'alpha', '--strict', '--timeout', '60s']);
		const reason = expect.stringMatching(/answered for another device/);
		await lie('lying-1');
		await instance.configure();
		expect(await approve()).toMatchObject({exitCode: 1, stderr: reason});
		await alpha.ask(cliAsk('late-1'));
		expect(await approve()).toMatchObject({exitCode: 1, stderr: reason});
		expect(await alpha.idsOf('approve')).toEqual(['lying-1']);

		const cleared = expect.stringMatching(/not running.*alarms .* are cleared/);
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 3, stderr: cleared});
		expect(await approve()).toMatchObject({exitCode: 0});
		await lie('lying-2');
		expect(await approve()).toMatchObject({exitCode: 1, stderr: reason});

		await alpha.ask(cliAsk('late-2'));
		await instance.start();
		await instance.untilSandbox('alpha', 'to warn', ({warnings}) => warnings.some(text => /^alarm: /.test(text)));
		await instance.untilPolled('alpha', 2);
		expect(await alpha.idsOf('approve')).toEqual(['lying-1', 'late-1', 'lying-2']);
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		await instance.untilSandbox('alpha', 'to approve again', ({approved}) => approved === 1);
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0, stderr: ''});
	});

	test('of a supervisor, and what it saw removed, hold for whoever works after it, however it ended, until `pairkeeper reload`', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const removed = cliAsk('removed-1');
		for (const device of [removed, cliAsk('kept')]) await alpha.pair({...device, scopes: ['operator.pairing']});
		await instance.configure();
		const approve = () => instance.command(['approve', 'alpha', '--strict', '--timeout', '60s']);
		const hasAlarm = ({warnings}: {readonly warnings: readonly string[]}) =>
			warnings.some(text => /^alarm: /.test(text));
		const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
			process.kill(instance.pid, signal);
			await instance.untilNothingRuns();
		};

		await instance.start();
		await instance.untilPolled('alpha');
		await alpha.unpair(removed);
		await instance.untilPolled('alpha');
		await alpha.ask(removed);
		await instance.untilSandbox('alpha', 'to refuse', ({lastRefusal}) => lastRefusal?.reason === 'revoked');
		await end('SIGKILL');
		expect(await approve()).toMatchObject({exitCode: 0, stdout: expect.stringContaining('0 approved')});

		await instance.start();
		const lying = cliAsk('lying-1');
		await alpha.ask(lying, {answer: {requestId: 'lying-1', device: {deviceId: 'another', scopes: []}}});
		await instance.untilSandbox('alpha', 'to warn', hasAlarm);
		await alpha.ask(cliAsk('late-1'));
		await end('SIGKILL');
		const refused = {exitCode: 1, stderr: expect.stringMatching(/answered for another device/)};
		expect(await approve()).toMatchObject(refused);
		await instance.start();
		await instance.untilSandbox('alpha', 'to warn again', hasAlarm);
		await end('SIGKILL');

		const cleared = expect.stringMatching(/not running.*alarms .* are cleared/);
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 3, stderr: cleared});
		expect(await approve()).toMatchObject({exitCode: 0});
		expect(await alpha.idsOf('approve')).toEqual(['lying-1', 'late-1']);

		// After a good end the next life is another shift, and an alarm stands all the same.
		await instance.start();
		const again = cliAsk('lying-2');
		await alpha.ask(again, {answer: {requestId: 'lying-2', device: {deviceId: 'another', scopes: []}}});
		await instance.untilSandbox('alpha', 'to warn of the second', hasAlarm);
		await end('SIGTERM');
		expect(await approve()).toMatchObject(refused);
		await instance.start();
		await instance.untilSandbox('alpha', 'to warn in the next shift', hasAlarm);
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		await instance.untilSandbox('alpha', 'to warn no more', sandbox => !hasAlarm(sandbox));
	});

	test('is over when the sandbox’s own configuration changes', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const lying = cliAsk('lying-1');
		await alpha.ask(lying, {answer: {requestId: 'lying-1', device: {deviceId: 'another', scopes: []}}});
		await instance.configure();
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to warn', ({warnings}) => warnings.length > 0);
		await instance.configure({}, {alpha: {policy: {scopes: ['operator.read', 'operator.write']}}});
		run.kill('SIGHUP');
		await alpha.ask(cliAsk('late-1'));
		await instance.untilSandbox('alpha', 'to approve again', ({approved}) => approved === 2);
	});
});

describe.concurrent('a sandbox that never answered', () => {
	test('says so to the end: its failures and last error outlive its worker', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', behaviours.exit7);
		await instance.configure();
		const run = await instance.start();
		const {pid} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures >= 2);
		process.kill(pid ?? 0, 'SIGKILL');
		const next = await instance.untilSandbox('alpha', 'to have another worker', ({restarts}) => restarts === 1);
		expect(next.failures).toBeGreaterThanOrEqual(2);
		expect(next.lastError).toContain('exited with 7');
		const {failures} = await instance.untilSandbox('alpha', 'to fail again', each => each.failures > next.failures);
		run.kill('SIGTERM');
		await run.ended;
		const {alpha: last} = (await finalStatus(instance)).sandboxes;
		expect(last).toMatchObject({
			state: 'stopped',
			lastError: expect.stringContaining('exited with 7'),
			lastListAt: null,
		});
		expect(last?.failures).toBeGreaterThanOrEqual(failures);
	});
});

describe.concurrent('an openclaw of the host that is moved', () => {
	test('gives a new worker to those alone who use it', async ({instance}) => {
		await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		const enter = instance.path('enter');
		await writeFile(enter, `#!/bin/bash\nexport OPENCLAW_STATE_DIR='${beta.folder}'\nexec "$@"\n`, {mode: 0o755});
		const inside = instance.path('inside');
		await mkdir(inside);
		await copyFile(instance.path('bin/openclaw'), `${inside}/openclaw`);
		await chmod(`${inside}/openclaw`, 0o755);
		const elsewhere = instance.path('elsewhere');
		await mkdir(elsewhere);
		const env = {PATH: [instance.path('bin'), elsewhere, instance.environment().PATH].join(delimiter)};
		await instance.configure({}, {beta: {exec: [enter], env: {PATH: `${inside}:/usr/bin:/bin`}}});
		await instance.start({env});
		const isWell = ({healthy, lastListAt}: {healthy: boolean; lastListAt: string | null}) =>
			healthy && lastListAt !== null;
		const before = {
			alpha: await instance.untilSandbox('alpha', 'to be well', isWell),
			beta: await instance.untilSandbox('beta', 'to be well', isWell),
		};
		await rename(instance.path('bin/openclaw'), `${elsewhere}/openclaw`);
		const after = await instance.untilSandbox(
			'alpha',
			'to have another worker',
			({pid, healthy}) => healthy && pid !== null && pid !== before.alpha.pid,
		);
		expect(after.restarts).toBe(0);
		await instance.untilPolled('alpha');
		expect((await instance.status()).sandboxes.beta).toMatchObject({pid: before.beta.pid, restarts: 0});
	});
});
