import {chmod, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import type {Instance} from '../support/instance.ts';
import {behaviours, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** Request ids `prefix-1` to `prefix-n`. */
const ids = (prefix: string, n: number) => Array.from({length: n}, (_, index) => `${prefix}-${index + 1}`);

/** The exit codes of `approve alpha`, plain and strict; neither may leave anything. */
async function approveTwice(
	instance: Instance,
	timeout = '60s',
): Promise<{plain: number | null; strict: number | null; said: string}> {
	let said = '';
	const approve = async (...more: string[]) => {
		const {exitCode, stdout, stderr} = await instance.command(['approve', 'alpha', '--timeout', timeout, ...more]);
		await instance.untilNothingRuns();
		said = stdout + stderr;
		return exitCode;
	};
	return {plain: await approve(), strict: await approve('--strict'), said};
}

/** So long that only `--timeout` can end a hanging call while a test runs. */
const endless = {runTimeout: '1h'};

describe.concurrent('approve, while no supervisor runs,', () => {
	test('clears a backlog of 8, each request once and in listed order', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		for (const id of ids('cli', 8)) await alpha.ask(cliAsk(id));
		await instance.configure();
		const {exitCode, stdout} = await instance.command(['approve', 'alpha', '--timeout', '60s']);
		expect(exitCode).toBe(0);
		expect(stdout).toMatch(/^alpha: 8 approved/);
		expect(await alpha.idsOf('approve')).toEqual(ids('cli', 8));
		expect(instance.processes()).toEqual(new Map());
	});

	test('tells of what it approved, however much it refused', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		for (const id of ids('junk', 60)) await alpha.ask(strangerAsk(id));
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure();
		const {stderr} = await instance.command(['approve', 'alpha', '--timeout', '60s']);
		expect(stderr).toMatch(/^approved \(.*requestId: cli-1/m);
		expect(stderr.match(/^refused /gm)).toHaveLength(50);
	});

	test('approves no more than maxApprovals', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		for (const id of ids('cli', 10)) await alpha.ask(cliAsk(id));
		await instance.configure();
		expect(await instance.command(['approve', 'alpha', '--strict', '--timeout', '60s'])).toMatchObject({exitCode: 0});
		expect(await alpha.idsOf('approve')).toEqual(ids('cli', 8));
	});

	test('exits 0 when nothing is pending, strict or not', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		expect(await approveTwice(instance)).toEqual({plain: 0, strict: 0, said: 'alpha: 0 approved, nothing pending\n'});
	});

	test('exits 0 when the list fails; --strict tells the difference', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', "echo 'Error: gateway closed' >&2; exit 1");
		await instance.configure();
		const {said, ...codes} = await approveTwice(instance);
		expect(codes).toEqual({plain: 0, strict: 1});
		expect(said).toMatch(/exited with 1: Error: gateway closed/);
	});

	test('exits 0 when an approve fails; --strict tells the difference', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await alpha.always('approve', behaviours.exit7);
		await instance.configure();
		const {said, ...codes} = await approveTwice(instance);
		expect(codes).toEqual({plain: 0, strict: 1});
		expect(said).toMatch(/not settled/);
	});

	test('exits 0 at its timeout when a list hangs; --strict tells the difference', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', behaviours.hangWithChildren);
		await instance.configure(endless);
		expect(await approveTwice(instance, '4s')).toMatchObject({plain: 0, strict: 1});
	});

	test('exits 0 at its timeout when an approve hangs; --strict tells the difference', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await alpha.always('approve', behaviours.hangWithChildren);
		await instance.configure(endless);
		expect(await approveTwice(instance, '4s')).toMatchObject({plain: 0, strict: 1});
	});

	test.for([
		['its way in is missing', {exec: ['/nowhere/openshell', 'sandbox', 'exec', '--']}],
		['its way in says that it is gone', {exec: ['sh', '-c', 'echo "no such sandbox: alpha" >&2; exit 1', 'sh']}],
		['there is no openclaw on the host', {}],
	] as const)(
		'exits 0 when the sandbox is gone, as in: %s; --strict tells the difference',
		async ([what, keys], {instance}) => {
			await instance.sandbox('alpha');
			await instance.configure(what.includes('openclaw') ? {openclaw: '/nowhere/openclaw'} : {}, {alpha: keys});
			expect(await approveTwice(instance)).toMatchObject({plain: 0, strict: 1});
		},
	);

	test.for([
		['a sandbox that is not configured', 'omega'],
		['a disabled sandbox', 'alpha'],
	] as const)('reports %s and calls nothing', async ([, name], {instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({}, {alpha: {enabled: false}});
		expect(await instance.command(['approve', name])).toMatchObject({exitCode: 0, stdout: ''});
		const {exitCode, stderr} = await instance.command(['approve', name, '--strict']);
		expect(exitCode).toBe(1);
		expect(stderr).toMatch(/no sandbox has this name|disabled/);
		expect(await alpha.calls()).toEqual([]);
	});

	test('exits 0 when the configuration is broken; --strict tells the difference', async ({instance}) => {
		await instance.writeConfig(`statusFile: ${instance.statusFile}\nsandboxes: [`);
		const {said, ...codes} = await approveTwice(instance);
		expect(codes).toEqual({plain: 0, strict: 1});
		expect(said).toContain('config.yaml:2');
	});

	test.for([
		['no sandbox', ['approve']],
		['two sandboxes', ['approve', 'alpha', 'beta']],
		['a timeout that is none', ['approve', 'alpha', '--timeout', 'soon']],
		['an unknown option', ['approve', 'alpha', '--force']],
	] as const)('exits 2 for a usage error: %s', async ([, args], {instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		expect((await instance.command(args)).exitCode).toBe(2);
	});

	test('is let finish by a supervisor that starts meanwhile', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await alpha.once('approve', 'while [ ! -e "$folder/go" ]; do sleep 0.05; done; answer');
		await instance.configure();
		const approving = instance.command(['approve', 'alpha', '--timeout', '60s', '--strict']);
		await until('the approve call', async () => (await alpha.calls('approve')).length === 1);
		const run = instance.launch();
		const {supervisor} = await instance.until('a supervisor', ({supervisor: {pid}}) => pid === run.pid);
		expect(supervisor.state).toBe('starting');
		expect(await instance.command(['approve', 'alpha', '--strict'])).toMatchObject({
			exitCode: 1,
			stderr: expect.stringMatching(/the supervisor is starting/),
		});
		await writeFile(join(alpha.folder, 'go'), '');
		expect(await approving).toMatchObject({exitCode: 0});
		await instance.until('the supervisor to run', ({supervisor: {state}}) => state === 'running');
		await instance.untilPolled('alpha');
		expect(await alpha.idsOf('approve')).toEqual(['cli-1']);
		const calls = await alpha.calls();
		const approve = calls.findIndex(({args}) => args[1] === 'approve');
		expect(calls[approve + 1]?.startedAt).toBeGreaterThanOrEqual(calls[approve]?.endedAt ?? Number.NaN);
	});
});

describe.concurrent('approve, while a supervisor runs,', () => {
	test('20 times at once beside a busy worker, makes each request be approved exactly once', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		// Slow enough that passes overlap the asking.
		await alpha.always('approve', behaviours.slow);
		await instance.configure({fastInterval: '50ms', runTimeout: '60s'});
		await instance.start();
		for (const id of ids('early', 6)) await alpha.ask(cliAsk(id));
		const approving = Array.from({length: 20}, () =>
			instance.command(['approve', 'alpha', '--timeout', '60s', '--strict']),
		);
		for (const id of ids('late', 6)) await alpha.ask(cliAsk(id));
		const results = await Promise.all(approving);
		expect(results.map(({exitCode, stderr}) => `${exitCode}${stderr}`)).toEqual(Array(20).fill('0'));
		await instance.untilSandbox('alpha', 'to approve all', ({approved}) => approved === 12);
		await instance.untilPolled('alpha');
		const approved = await alpha.idsOf('approve');
		expect(approved.sort()).toEqual([...ids('early', 6), ...ids('late', 6)].sort());
		expect((await instance.status()).totals).toMatchObject({approved: 12, refused: 0});
		// Never two calls on one gateway at once.
		const calls = await alpha.calls();
		for (const [index, call] of calls.entries()) {
			if (index > 0) expect(call.startedAt).toBeGreaterThanOrEqual(calls[index - 1]?.endedAt ?? Number.NaN);
		}
	});

	test('waits for a pass that begins after it was asked', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({fastInterval: '10m', slowInterval: '10m'});
		await instance.start();
		await until('the first poll', async () => (await alpha.calls('list'))[0]?.endedAt);
		await alpha.ask(cliAsk('cli-1'));
		const {exitCode, stdout} = await instance.command(['approve', 'alpha', '--strict', '--timeout', '60s']);
		expect(exitCode).toBe(0);
		expect(stdout).toMatch(/^alpha: 1 approved/);
	});

	test('exits 0 at its timeout when the call hangs; --strict tells the difference', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', behaviours.hang);
		await instance.configure(endless);
		await instance.start();
		for (const [args, code] of [
			[[], 0],
			[['--strict'], 1],
		] as const) {
			expect((await instance.command(['approve', 'alpha', '--timeout', '3s', ...args])).exitCode).toBe(code);
		}
		// The call that they waited for hangs still.
		expect((await alpha.calls('list')).map(({endedAt}) => endedAt)).toEqual([null]);
	});

	test('reports an unknown sandbox', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		await instance.start();
		expect(await instance.command(['approve', 'omega'])).toMatchObject({
			exitCode: 0,
			stdout: '',
			stderr: expect.stringMatching(/no sandbox is called omega/),
		});
		expect(await instance.command(['approve', 'omega', '--strict'])).toMatchObject({exitCode: 1});
	});

	test('makes no pass of its own when the supervisor does not answer', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({fastInterval: '10m', slowInterval: '10m'});
		const run = await instance.start();
		await until('the first poll', async () => (await alpha.calls('list'))[0]?.endedAt);
		run.kill('SIGSTOP');
		await alpha.ask(cliAsk('cli-1'));
		const calls = (await alpha.calls()).length;
		expect(await instance.command(['approve', 'alpha', '--timeout', '2s', '--strict'])).toMatchObject({
			exitCode: 1,
			stderr: expect.stringMatching(/did not answer in time/),
		});
		// Before the supervisor goes on: it may still do what it was asked.
		expect(await alpha.calls()).toHaveLength(calls);
		run.kill('SIGCONT');
	});

	test.skipIf(process.getuid?.() !== 0)('makes no pass of its own without permission', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({fastInterval: '10m', slowInterval: '10m'});
		await instance.start();
		await until('the first poll', async () => (await alpha.calls('list'))[0]?.endedAt);
		await alpha.ask(cliAsk('cli-1'));
		await chmod(instance.folder, 0o755);
		await chmod(instance.configFile, 0o644);
		await chmod(alpha.folder, 0o755);
		const calls = (await alpha.calls()).length;
		const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
		const {exitCode, stderr} = await instance.command(['approve', 'alpha', '--strict'], {}, nobody);
		expect(exitCode).toBe(1);
		expect(stderr).toMatch(/no permission to use .*control\.sock/);
		expect(await alpha.calls()).toHaveLength(calls);
	});
});
