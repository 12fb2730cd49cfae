import {existsSync, readFileSync} from 'node:fs';
import {chmod, mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import type {Instance} from '../support/instance.ts';
import {isAlive} from '../support/processes.ts';
import {behaviours, cliAsk, type ScriptedOpenclaw} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** As `answer`, and keeps the environment and working directory of the last call of each command; in one step, since a test may be reading. */
const recorded = `
	cp /proc/$$/environ "$folder/fresh.environ.$$"
	mv "$folder/fresh.environ.$$" "$folder/environ.$command"
	pwd >"$folder/fresh.cwd.$$"
	mv "$folder/fresh.cwd.$$" "$folder/cwd"
	answer
`;

function environmentOf(openclaw: ScriptedOpenclaw, command: string): Record<string, string> {
	const entries = readFileSync(join(openclaw.folder, `environ.${command}`), 'utf8')
		.split('\0')
		.filter(Boolean);
	return Object.fromEntries(
		entries.map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
	);
}

/** A way into a sandbox: notes its argument vector, and runs the command out of the host's reach, as `docker exec` does. */
async function wayIn(instance: Instance, name = 'enter'): Promise<readonly string[]> {
	const file = instance.path(`bin/${name}`);
	const script = `#!/bin/bash
printf '%s\\x1f' "$@" >>"${instance.path('entered')}"
printf '\\n' >>"${instance.path('entered')}"
shift 2
env -u PAIRKEEPER_OWNER setsid --wait "$@"
`;
	await writeFile(file, script, {mode: 0o755});
	return [file, name === 'enter' ? '--name' : 'exec', 'alpha'];
}

describe.concurrent('a call on the host', () => {
	test.for([
		['the state directory', (alpha: ScriptedOpenclaw) => alpha.folder],
		['openclaw.json', (alpha: ScriptedOpenclaw) => join(alpha.folder, 'openclaw.json')],
	] as const)(
		'is refused while others can write %s, with the remedy, and never run',
		async ([, fileOf], {instance}) => {
			const alpha = await instance.sandbox('alpha');
			await alpha.ask(cliAsk('cli-1'));
			const file = fileOf(alpha);
			if (!existsSync(file)) await writeFile(file, '{}');
			await chmod(file, 0o777);
			await instance.configure();
			await instance.start();
			const {lastError} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures > 3);
			expect(lastError).toContain(`chmod go-w ${file}`);
			const check = await instance.command(['check']);
			expect(check.exitCode).toBe(1);
			expect(check.stdout.replace(/\s+/g, ' ')).toContain('go-w');
			const approve = await instance.command(['approve', 'alpha', '--strict']);
			expect(approve).toMatchObject({exitCode: 1, stderr: expect.stringContaining('chmod go-w')});
			expect(await alpha.calls()).toEqual([]);

			await chmod(file, 0o700);
			await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		},
	);

	test('is refused while others can write its envFile', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const envFile = instance.path('env.sh');
		await writeFile(envFile, 'touch "$OPENCLAW_STATE_DIR/owned"');
		await chmod(envFile, 0o666);
		await instance.configure({}, {alpha: {envFile}});
		await instance.start();
		const {lastError} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures > 0);
		expect(lastError).toContain(`chmod go-w ${envFile}`);
		expect(await alpha.calls()).toEqual([]);
		expect(existsSync(join(alpha.folder, 'owned'))).toBe(false);
	});

	test('has its env, its envFile, and approveUnset for approve alone; it runs in /', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		for (const command of ['list', 'approve', 'reject'] as const) await alpha.always(command, recorded);
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(cliAsk('admin-1', {scopes: ['operator.admin']}));
		const envFile = instance.path('env.sh');
		await writeFile(
			envFile,
			'echo \'{"pending":[],"paired":[]}\'; export FROM_FILE=\'a b\' URL=ws://sandbox.invalid OVER=file\n',
		);
		await instance.configure(
			{policy: {onRefused: 'reject'}, passEnv: ['INHERITED']},
			{
				alpha: {
					env: {OPENCLAW_STATE_DIR: alpha.folder, PLAIN: 'it\'s $HOME; `id` "x"', OVER: 'env'},
					envFile,
					approveUnset: ['URL', 'INHERITED'],
				},
			},
		);
		const planted = {PLANTED_TOKEN: 'x', PLANTED: 'x', LD_BIND_NOW: '1', DOCKER_HOST: 'unix:///x'};
		await instance.start({
			env: {...planted, INHERITED: 'yes', NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS: '9', PAIRKEEPER_CONFIG: '/x'},
		});
		const isOver = async (command: 'list' | 'approve' | 'reject') => !!(await alpha.calls(command))[0]?.endedAt;
		await until('both to be settled', async () => (await isOver('approve')) && (await isOver('reject')));
		const usual = {
			FROM_FILE: 'a b',
			URL: 'ws://sandbox.invalid',
			INHERITED: 'yes',
			PLAIN: 'it\'s $HOME; `id` "x"',
			OVER: 'env',
		};
		expect(environmentOf(alpha, 'list')).toMatchObject(usual);
		expect(environmentOf(alpha, 'reject')).toMatchObject(usual);
		const {URL: _, INHERITED: __, ...rest} = usual;
		const approve = environmentOf(alpha, 'approve');
		expect(approve).toMatchObject(rest);
		expect(Object.keys(approve)).not.toEqual(expect.arrayContaining(['URL']));
		expect(Object.keys(approve)).not.toEqual(expect.arrayContaining(['INHERITED']));
		// Nothing of the supervisor's own.
		const names = Object.keys(environmentOf(alpha, 'list'));
		expect(names.filter(name => /^(NEMOCLAW_|PAIRKEEPER_CONFIG|NODE_CHANNEL)/.test(name))).toEqual([]);
		// Nor of what else it was started with; not even its workers have that.
		expect(names.filter(name => name in planted)).toEqual([]);
		const {pid} = await instance.untilSandbox('alpha', 'to have a worker', status => status.pid !== null);
		expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/PLANTED|LD_BIND|DOCKER_/);
		expect(readFileSync(join(alpha.folder, 'cwd'), 'utf8')).toBe('/\n');
	});

	test('finds an openclaw that was installed later', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await mkdir(instance.path('later'));
		const later = instance.path('later/openclaw');
		await instance.configure({openclaw: later});
		await instance.start();
		const {supervisor} = await instance.until('the warning', ({supervisor: {warnings}}) => warnings.length > 0);
		expect(supervisor.warnings[0]).toContain(`openclaw is not to be found as ${later}`);
		await writeFile(later, readFileSync(instance.path('bin/openclaw')), {mode: 0o755});
		await instance.until(
			'the approval',
			({totals, supervisor: {warnings}}) => totals.approved === 1 && warnings.length === 0,
		);
	});
});

describe.concurrent('a call behind an exec prefix', () => {
	test('is an argument vector with a constant script, and has env, envFile and approveUnset inside', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		for (const command of ['list', 'approve'] as const) await alpha.always(command, recorded);
		await alpha.ask(cliAsk('cli-1'));
		const exec = await wayIn(instance);
		const envFile = instance.path('env.sh');
		await writeFile(envFile, "echo noise; export FROM_FILE='a b' OPENCLAW_GATEWAY_URL=ws://sandbox.invalid\n");
		const PLAIN = '$(touch /tmp/owned) "x" \'y\'; z';
		const env = {OPENCLAW_STATE_DIR: alpha.folder, PLAIN};
		await instance.configure({runTimeout: '7s'}, {alpha: {exec, env, envFile, transport: 'cli'}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);

		const usual = {
			FROM_FILE: 'a b',
			OPENCLAW_GATEWAY_URL: 'ws://sandbox.invalid',
			PLAIN,
			OPENCLAW_STATE_DIR: alpha.folder,
		};
		expect(environmentOf(alpha, 'list')).toMatchObject(usual);
		const approve = environmentOf(alpha, 'approve');
		const {OPENCLAW_GATEWAY_URL: _, ...rest} = usual;
		expect(approve).toMatchObject(rest);
		expect(approve).not.toHaveProperty('OPENCLAW_GATEWAY_URL');

		const vectors = readFileSync(instance.path('entered'), 'utf8')
			.split('\u001f\n')
			// What stands behind the last line break is still being written.
			.slice(0, -1)
			.map(line => line.split('\u001f'));
		const tail = (length: number) => [...new Set(vectors.map(vector => vector.slice(-length).join(' ')))];
		expect(tail(3).sort()).toEqual(['approve cli-1 --json', 'devices list --json']);
		// `sh -c SCRIPT`: the same text every time, and nothing of ours in it.
		const scripts = new Set(vectors.map(vector => vector.slice(2, 5).join('\n')));
		expect(scripts.size).toBe(1);
		const [script = ''] = scripts;
		expect(script.startsWith('sh\n-c\n')).toBe(true);
		for (const word of ['cli-1', envFile, 'owned', alpha.folder, 'devices']) expect(script).not.toContain(word);
		for (const vector of vectors)
			expect(vector).toEqual(expect.arrayContaining([envFile, '7', `PLAIN=${PLAIN}`, 'openclaw']));
		expect(existsSync('/tmp/owned')).toBe(false);
	});

	test('works where there is no envFile', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({}, {alpha: {exec: await wayIn(instance), envFile: '/nowhere/env.sh'}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
	});

	test('is ended inside too, where the host cannot reach it', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('list', behaviours.hang);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '3s'}, {alpha: {exec: await wayIn(instance)}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		const [hung] = await alpha.calls('list');
		await until('the end of the call inside', () => !isAlive(hung?.pid ?? 0));
	});

	test.for(['worker', 'supervisor'] as const)(
		'is ended inside, where input gets there, when its %s is killed',
		async (who, {instance}) => {
			const alpha = await instance.sandbox('alpha');
			await alpha.once('list', behaviours.hang);
			// So long that it is not this bound that ends it.
			const keys = {alpha: {exec: await wayIn(instance, 'runc'), transport: 'cli'}};
			await instance.configure({runTimeout: '10m'}, keys);
			const run = await instance.start();
			const [hung] = await until('the call', async () => {
				const calls = await alpha.calls('list');
				return calls.length > 0 && calls;
			});
			const {pid} = await instance.statusOf('alpha');
			process.kill(who === 'worker' ? (pid ?? 0) : run.pid, 'SIGKILL');
			await until('the end of the call inside', () => !isAlive(hung?.pid ?? 0));
			if (who === 'worker') await instance.untilPolled('alpha');
			else await instance.untilNothingRuns();
		},
	);

	test('needs no trust in the files of the sandbox', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await chmod(alpha.folder, 0o777);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({}, {alpha: {exec: await wayIn(instance)}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
	});
});
