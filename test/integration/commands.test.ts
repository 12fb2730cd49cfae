import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import {untilHealth} from '../support/health.ts';
import {runCommand} from '../support/processes.ts';
import {behaviours, browserAsk, cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

describe.concurrent('kick', () => {
	test('makes a slow worker poll now, and fast for a while', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.pair(browserAsk('paired'));
		await instance.configure({slowInterval: '10m', fastReentryPolls: 6});
		await instance.start();
		await instance.untilSandbox('alpha', 'to converge', ({mode}) => mode === 'slow');
		const before = (await alpha.calls('list')).length;
		expect(await instance.command(['kick'])).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/1 asked/)});
		await until('the six polls', async () => (await alpha.calls('list')).length === before + 6);
		const {mode, interval} = await instance.untilSandbox(
			'alpha',
			'to be slow again',
			status => status.interval === 600,
		);
		expect({mode, interval}).toEqual({mode: 'slow', interval: 600});
	});

	test('of one sandbox leaves the others alone', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		for (const each of [alpha, beta]) await each.pair(browserAsk('paired'));
		await instance.configure({slowInterval: '10m'});
		await instance.start();
		await instance.until('both to converge', ({sandboxes}) =>
			Object.values(sandboxes).every(({mode}) => mode === 'slow'),
		);
		for (const each of [alpha, beta]) await each.ask(cliAsk('cli-1'));
		expect(await instance.command(['kick', 'beta'])).toMatchObject({exitCode: 0});
		await instance.untilSandbox('beta', 'to approve', ({approved}) => approved === 1);
		expect(await alpha.calls('approve')).toEqual([]);
	});

	test('of an unknown sandbox exits 2 and names those there are', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		await instance.start();
		const {exitCode, stderr} = await instance.command(['kick', 'omega']);
		expect(exitCode).toBe(2);
		expect(stderr).toMatch(/omega.*alpha/);
	});
});

describe.concurrent('while nothing runs', () => {
	test.for([
		[['kick'], 3],
		[['reload'], 3],
		[['status'], 3],
		[['health'], 3],
	] as const)('%j exits %i', async ([args, exitCode], {instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const result = await instance.command(args);
		expect(result.exitCode).toBe(exitCode);
		expect(result.stdout + result.stderr).toMatch(/not running|there is no status/);
	});

	test('and the last supervisor was killed, `status` and `health` say so, and `kick` exits 3', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		run.kill('SIGKILL');
		await run.ended;
		expect(await instance.command(['status'])).toMatchObject({
			exitCode: 3,
			stdout: expect.stringMatching(/^STALE since .* no supervisor is running/),
		});
		expect(await instance.command(['status', '--json'])).toMatchObject({exitCode: 3});
		expect(await instance.command(['health'])).toMatchObject({
			exitCode: 2,
			stdout: expect.stringMatching(/^critical: no supervisor is running/),
		});
		expect(await instance.command(['kick'])).toMatchObject({exitCode: 3});
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 3});
	});
});

describe.concurrent('status', () => {
	test('shows the status file, as a table and as it is', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1', {scopes: ['operator.read']}));
		await instance.sandbox('beta');
		await instance.configure({}, {beta: {enabled: false}});
		const run = await instance.start();
		await instance.until('alpha to be approved', ({totals}) => totals.approved === 1 && totals.healthy === 1);
		const {exitCode, stdout, stderr} = await instance.command(['status']);
		expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''});
		expect(stdout).toContain(`running, pid ${run.pid}`);
		expect(stdout).toMatch(/alpha .*running .*yes .*cli operator\.read/);
		expect(stdout).toContain('1 idle, shown by --all');
		expect((await instance.command(['status', '--all'])).stdout).toMatch(/beta .*idle/);
		const json = await instance.command(['status', '--json']);
		expect(JSON.parse(json.stdout)).toMatchObject({
			schema: 1,
			supervisor: {pid: run.pid, state: 'running'},
			totals: {sandboxes: 2, healthy: 1, approved: 1},
			sandboxes: {alpha: {state: 'running', transport: 'cli'}, beta: {state: 'idle', pid: null}},
		});
		expect(await instance.command(['status', '--status-file', instance.path('none.json')])).toMatchObject({
			exitCode: 3,
			stderr: expect.stringContaining(instance.path('none.json')),
		});
		const {stdout: inFull} = await instance.command(['status', 'alpha']);
		expect(inFull).toMatch(/^alpha: healthy$/m);
		expect(inFull).toMatch(/last approval .*: cli got operator\.read; request /);
		expect(await instance.command(['status', 'omega'])).toMatchObject({
			exitCode: 2,
			stderr: expect.stringMatching(/omega.*alpha, beta/),
		});
		run.kill('SIGTERM');
		await run.ended;
		expect(await instance.command(['status'])).toMatchObject({exitCode: 3, stdout: expect.stringContaining('stopped')});
	});
});

describe.concurrent('the processes of a supervisor', () => {
	test('have names in ps and top', async ({instance}) => {
		const long = 'a-very-long-name-of-a-sandbox-that-has-all-of-the-sixty-three-b';
		await instance.sandbox('alpha');
		await instance.sandbox(long);
		await instance.configure({}, {[long]: {enabled: true}});
		const run = await instance.start();
		const {sandboxes} = await instance.until('both to be healthy', ({totals}) => totals.healthy === 2);
		const title = (pid: number | null = null) =>
			instance
				.processes()
				.get(pid ?? 0)
				?.replace(/ +$/, '');
		expect(title(run.pid)).toBe('pairkeeper');
		expect(title(sandboxes.alpha?.pid)).toBe('pairkeeper: alpha');
		expect(title(sandboxes[long]?.pid)).toBe(`pairkeeper: ${long}`);
		expect((await readFile(`/proc/${sandboxes.alpha?.pid}/comm`, 'utf8')).trim()).toBe('pairkeeper: alp');
	});
});

describe.concurrent('completion and schema', () => {
	test('bash completes commands, options, and sandboxes from the status file, and before there is one from the configuration', async ({
		instance,
	}) => {
		await instance.sandbox('alpha');
		await instance.sandbox('beta');
		// Before there is a status, from the configuration; from one that is wrong, none, and nothing on the command line of whoever pressed a key.
		await instance.configure({}, {beta: null});
		expect((await instance.command(['completion', '--sandboxes'])).stdout).toBe('alpha\n');
		await instance.configure({deadline: 'soon'});
		expect(await instance.command(['completion', '--sandboxes'])).toMatchObject({exitCode: 0, stdout: ''});
		await instance.configure();
		await instance.start();
		await instance.configure({}, {beta: null});
		expect((await instance.command(['completion', '--sandboxes'])).stdout).toBe('alpha\nbeta\n');
		const {stdout: script, exitCode} = await instance.command(['completion', 'bash']);
		expect(exitCode).toBe(0);
		await writeFile(instance.path('completion'), script);
		const complete = async (...words: string[]) => {
			const asked = `pairkeeper() { printf 'alpha\\nbeta\\n'; }; . "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pairkeeper; echo "\${COMPREPLY[*]}"`;
			const {stdout} = await runCommand(['bash', '-c', asked, instance.path('completion'), 'pairkeeper', ...words]);
			return stdout.trim();
		};
		expect(await complete('st')).toBe('status');
		expect(await complete('--config', 'status', 'kick', 'b')).toBe('beta');
		expect(await complete('status', '--w')).toBe('--watch');
		expect(await complete('completion', 'f')).toBe('fish');
	});

	test('there is a script for each shell, and none for another', async ({instance}) => {
		expect(await instance.command(['completion', 'zsh'])).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/^#compdef pairkeeper/),
		});
		expect(await instance.command(['completion', 'fish'])).toMatchObject({
			exitCode: 0,
			stdout: expect.stringContaining("__fish_seen_subcommand_from status' -l watch"),
		});
		expect(await instance.command(['completion', 'csh'])).toMatchObject({exitCode: 2});
		expect(await instance.command(['completion'])).toMatchObject({exitCode: 2});
	});

	test('the schemas are those of the configuration and of the status file', async ({instance}) => {
		for (const [what, key] of [
			['config', 'slowInterval'],
			['status', 'supervisor'],
		] as const) {
			const {exitCode, stdout} = await instance.command(['schema', what]);
			expect(exitCode).toBe(0);
			expect(Object.keys(JSON.parse(stdout).properties)).toContain(key);
		}
		expect(await instance.command(['schema', 'odd'])).toMatchObject({exitCode: 2});
	});
});

describe.concurrent('health', () => {
	test('goes from ok to degraded to critical, and to unknown for a file that is no status', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		await instance.configure({runTimeout: '3s'});
		const run = await instance.start();
		await untilHealth(instance, 'ok', /^ok: 2 of 2/);
		await alpha.always('list', behaviours.exit7);
		await untilHealth(instance, 'degraded', /^degraded: alpha: unhealthy/);
		await beta.always('list', behaviours.exit7);
		await untilHealth(instance, 'critical', /^critical: no sandbox is healthy/);

		run.kill('SIGTERM');
		await run.ended;
		expect(await instance.command(['health'])).toMatchObject({exitCode: 2, stdout: expect.stringMatching(/stopped/)});
		await writeFile(instance.statusFile, 'not a status');
		expect(await instance.command(['health'])).toMatchObject({
			exitCode: 3,
			stdout: expect.stringMatching(/^unknown: /),
		});
	});

	test('is critical when the status is older than --max-age', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const run = await instance.start();
		await instance.until('health', ({totals}) => totals.healthy === 1);
		run.kill('SIGSTOP');
		const {supervisor} = await instance.status();
		await until('the status to be old', () => Date.now() - Date.parse(supervisor.updatedAt) > 2000);
		expect(await instance.command(['health', '--max-age', '1s'])).toMatchObject({
			exitCode: 2,
			stdout: expect.stringMatching(/the status is \d+ s old/),
		});
		run.kill('SIGCONT');
	});
});

describe.concurrent('check', () => {
	test('exits 0 when every sandbox answers, and approves nothing', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		const wide = {deviceId: 'wide', tokens: [{role: 'operator', scopes: ['operator.admin']}]};
		await writeFile(join(alpha.folder, 'paired', 'wide'), `${JSON.stringify(wide)}\n`);
		await instance.configure();
		const {exitCode, stdout} = await instance.command(['check']);
		expect(exitCode).toBe(0);
		expect(stdout).toMatch(/alpha .*ok .*1 pending/);
		expect(stdout).toMatch(/alpha: paired devices that have more than the policy grants \(count: 1\)/);
		expect(await alpha.calls('approve')).toEqual([]);
		expect(instance.processes()).toEqual(new Map());
	});

	test('exits 1 when one fails, and names a remedy', async ({instance}) => {
		await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		await beta.always('list', behaviours.hang);
		await instance.configure({runTimeout: '3s'});
		const {exitCode, stdout} = await instance.command(['check']);
		expect(exitCode).toBe(1);
		expect(stdout).toMatch(/alpha .*ok/);
		expect(stdout).toMatch(/beta .*failed .*no answer/);
		expect(stdout).toMatch(/is the sandbox running/);
		expect(instance.processes()).toEqual(new Map());
	});

	test('--offline calls nothing', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({openclaw: '/nowhere/openclaw'});
		expect(await instance.command(['check', '--offline'])).toMatchObject({
			exitCode: 0,
			stdout: expect.stringContaining('the configuration is fine (1 sandbox'),
		});
		expect(await alpha.calls()).toEqual([]);
	});
});

describe.concurrent('the command line', () => {
	test.for([
		[['--version'], 0, /^\d+\.\d+\.\d+\n$/],
		[['--help'], 0, /First steps/],
		[['run', '--help'], 0, /SIGHUP/],
		[['frobnicate'], 2, /unknown command/],
		[['run', '--log-level', 'loud'], 2, /log-level/],
		// For a monitor 2 would be critical.
		[['health', '--max-age', 'soon'], 3, /max-age/],
		[['health', '--max-age', '61m'], 3, /max-age.*between 1ms and 3600s/],
		[['approve', 'alpha', '--timeout', '61s'], 2, /timeout.*between 1ms and 60s/],
		[['status', '--jsno'], 2, /unknown option/],
	] as const)('%j exits %i', async ([args, exitCode, text], {instance}) => {
		await instance.configure();
		const result = await instance.command(args);
		expect(result.exitCode).toBe(exitCode);
		expect(result.stdout + result.stderr).toMatch(text);
		// Answers go to standard output, complaints to standard error.
		expect(exitCode === 0 ? result.stderr : result.stdout).toBe('');
	});
});
