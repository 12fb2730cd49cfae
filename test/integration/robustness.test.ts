import {spawn} from 'node:child_process';
import {chmod, mkdir, readFile, rm, symlink, writeFile} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import {untilHealth} from '../support/health.ts';
import {launcher} from '../support/pairkeeper.ts';
import {behaviours, cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

describe.concurrent('a supervisor outlives', () => {
	test('a refused reload whose log can no longer be opened', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await mkdir(instance.path('logs/deep'), {recursive: true});
		await instance.configure({logFile: instance.path('logs/deep/log')});
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');

		await rm(instance.path('logs'), {recursive: true});
		await writeFile(instance.path('logs'), 'no directory');
		await instance.configure({logFile: instance.path('logs/deep/log'), slowIntervall: 1});
		run.kill('SIGHUP');
		const {supervisor} = await instance.until('the refusal', ({supervisor: {config}}) => config.error !== null);
		expect(supervisor.pid).toBe(run.pid);
		expect(supervisor.warnings.join()).toMatch(/the log cannot be/);

		// And the next reload is heard.
		await rm(instance.path('logs'));
		await mkdir(instance.path('logs/deep'), {recursive: true});
		await instance.configure({logFile: instance.path('logs/deep/log')});
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		await instance.until('the warning to be gone', ({supervisor: {warnings}}) => warnings.length === 0);
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
	});
});

describe.concurrent('calls', () => {
	for (const [what, behaviour] of [
		['keeps the output open', 'setsid sleep 1000 & answer'],
		['has an output of its own', 'setsid sleep 1000 >/dev/null 2>&1 & answer'],
	] as const) {
		test(`that leave a child which ${what} are answered, and the child is ended`, async ({instance}) => {
			const alpha = await instance.sandbox('alpha');
			await alpha.always('list', behaviour);
			await alpha.ask(cliAsk('cli-1'));
			await instance.configure();
			await instance.start();
			await instance.untilSandbox('alpha', 'to approve', ({approved, failures}) => approved === 1 && failures === 0);
			await instance.untilPolled('alpha', 3);
			const sleeping = () => [...instance.processes().values()].filter(command => command.includes('sleep 1000'));
			await until('the children to be ended', () => sleeping().length <= 1);
		});
	}
});

describe.concurrent('a start', () => {
	test('that is told to reload before it is done starts each sandbox once', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const killed = await instance.start();
		await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');
		killed.kill('SIGKILL');
		await killed.ended;
		const run = instance.launch();
		// The log's first line comes before the clean-up after the killed one.
		await until('the first log line', async () => (await instance.log('pairkeeper starts')).length === 2);
		run.kill('SIGHUP');
		await instance.until('the reload', ({supervisor: {config, pid}}) => pid === run.pid && config.generation === 2);
		await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');
		await until('both to be told', async () => (await instance.log('worker started')).length >= 2);
		expect(await instance.log('worker started')).toHaveLength(2);
	});
});

describe.concurrent('the place of the status file', () => {
	test('is refused where another user could put a file, even under /tmp’s rules', async ({instance}) => {
		await instance.sandbox('alpha');
		await mkdir(instance.path('shared'));
		await chmod(instance.path('shared'), 0o1777);
		await writeFile(instance.path('victim'), 'precious');
		await symlink(instance.path('victim'), instance.path('shared/status.json'));
		await instance.configure();
		const run = await instance.command(['run', '--status-file', instance.path('shared/status.json')]);
		expect(run.exitCode).toBe(2);
		expect(run.stderr).toMatch(/shared is not a safe place for the status file/);
		expect(await readFile(instance.path('victim'), 'utf8')).toBe('precious');
	});
});

describe.concurrent('commands', () => {
	test('`status --watch` ends with its reader', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		await instance.start();
		const watch = spawn(process.execPath, [launcher, 'status', '--watch', '--config', instance.configFile], {
			stdio: ['ignore', 'pipe', 'ignore'],
		});
		const ended = new Promise(resolve => watch.once('exit', resolve));
		watch.stdout.once('data', () => watch.stdout.destroy());
		expect(await ended).toBe(0);
	});

	test('`approve --strict` fails for a request that stays open, with a supervisor as without one', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('approve', behaviours.exit7);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure();
		const alone = await instance.command(['approve', 'alpha', '--strict']);
		expect(alone).toMatchObject({exitCode: 1, stderr: expect.stringMatching(/not settled/)});
		await instance.start();
		const {warnings} = await instance.untilSandbox('alpha', 'to warn', sandbox => sandbox.warnings.length > 0);
		expect(warnings.join()).toMatch(/could not be settled in \d+ tries: openclaw devices approve exited with 7/);
		await untilHealth(instance, 'degraded', /alpha: .* could not be settled/);
	});
});
