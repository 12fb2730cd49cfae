import {spawnSync} from 'node:child_process';
import {existsSync, readFileSync, statSync} from 'node:fs';
import {appendFile, chmod, mkdir, rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import {type AuditLine, auditLineSchema} from '../../supervisor/audit/line.ts';
import {untilHealth} from '../support/health.ts';
import type {Instance} from '../support/instance.ts';
import {behaviours, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** The audit file of an instance, in a directory of its own. */
const fileOf = (instance: Instance) => instance.path('audit/audit.jsonl');

/** Its lines so far. */
function linesOf(instance: Instance, file = fileOf(instance)): AuditLine[] {
	const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
	return text
		.split('\n')
		.slice(0, -1)
		.map(line => auditLineSchema.parse(JSON.parse(line)));
}

const brief = ({phase, action, result, requestId}: AuditLine) => `${phase} ${action} ${result} ${requestId}`;

async function withAudit(instance: Instance, keys: object = {}, {exists = true} = {}): Promise<void> {
	if (exists) await mkdir(instance.path('audit'), {mode: 0o700});
	await instance.configure({auditFile: fileOf(instance), ...keys});
}

describe.concurrent('with an auditFile', () => {
	test('every decision is on record, an intent before anything is done, and `audit` shows them', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('approve', `cp ${fileOf(instance)} "$folder/seen"; answer`);
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(strangerAsk('odd-1'));
		await withAudit(instance);
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to decide', ({approved, refused}) => approved === 1 && refused === 1);
		expect(linesOf(instance, `${alpha.folder}/seen`).map(brief)).toContain('intent approve null cli-1');
		await until('all lines', () => linesOf(instance).length === 3);
		expect(linesOf(instance).map(brief).sort()).toEqual([
			'intent approve null cli-1',
			'outcome approve done cli-1',
			'outcome refuse null odd-1',
		]);
		expect(linesOf(instance).find(({result}) => result === 'done')).toMatchObject({
			sandbox: 'alpha',
			by: 'policy',
			reason: 'allowed',
			clientId: 'cli',
			clientMode: 'cli',
			role: 'operator',
			scopes: ['operator.read', 'operator.write'],
			transport: 'cli',
			latencyMs: expect.any(Number),
		});
		expect(statSync(fileOf(instance)).mode & 0o777).toBe(0o600);

		await rename(fileOf(instance), `${fileOf(instance)}.1`);
		run.kill('SIGHUP');
		await until('the new file', () => existsSync(fileOf(instance)));
		await alpha.ask(cliAsk('cli-2'));
		await until('both lines', () => linesOf(instance).length === 2);
		expect(linesOf(instance).map(brief)).toEqual(['intent approve null cli-2', 'outcome approve done cli-2']);
		expect(linesOf(instance, `${fileOf(instance)}.1`)).toHaveLength(3);

		const expected = linesOf(instance).map(brief);
		await appendFile(fileOf(instance), '\u001b[2J not ours\n{"half');
		const shown = await instance.command(['audit']);
		expect(shown).toMatchObject({exitCode: 0, stderr: expect.stringMatching(/^1 lines/)});
		expect(shown.stdout).toMatch(/^\S+ {2}alpha {2}approve done {2}cli-2 .*by policy \(allowed\)/);
		const json = await instance.command(['audit', '--json', '--since', '1h', '--sandbox', 'alpha']);
		expect(
			json.stdout
				.trim()
				.split('\n')
				.map(line => brief(JSON.parse(line))),
		).toEqual(expected);
		expect(await instance.command(['audit', '--sandbox', 'beta'])).toMatchObject({exitCode: 0, stdout: ''});
	});

	test('a worker that is killed between intent and outcome leaves one outcome, as does a supervisor', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		for (const name of ['first', 'second']) await alpha.once('approve', `: >$folder/${name}; ${behaviours.hang}`);
		await alpha.ask(cliAsk('cli-1'));
		await withAudit(instance, {runTimeout: '1h', restart: {minDelay: '50ms', maxDelay: '100ms', stableAfter: '60s'}});
		const run = await instance.start();
		await until('the first approve', () => existsSync(`${alpha.folder}/first`));
		process.kill((await instance.statusOf('alpha')).pid ?? 0, 'SIGKILL');
		await until('the second approve', () => existsSync(`${alpha.folder}/second`));
		expect(linesOf(instance).map(brief)).toEqual([
			'intent approve null cli-1',
			'outcome approve failed cli-1',
			'intent approve null cli-1',
		]);
		run.kill('SIGKILL');
		await run.ended;
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		await until('the outcome', () => linesOf(instance).at(-1)?.result === 'done');
		expect(linesOf(instance).map(brief).slice(2)).toEqual([
			'intent approve null cli-1',
			'outcome approve failed cli-1',
			'intent approve null cli-1',
			'outcome approve done cli-1',
		]);
	});

	test('that cannot be written, nothing is approved with `stop`, until it can; health says so', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await withAudit(instance, {auditFailure: 'stop'}, {exists: false});
		await instance.start();
		await instance.untilLogged('not done, since it cannot be recorded');
		expect(await alpha.calls('approve')).toEqual([]);
		await untilHealth(instance, 'degraded', /auditFile: .*nothing is approved/);
		await mkdir(instance.path('audit'), {mode: 0o700});
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		await until('the outcome', () => linesOf(instance).length === 2);
		expect(linesOf(instance).map(brief)).toEqual(['intent approve null cli-1', 'outcome approve done cli-1']);
		await instance.until('the end of the warning', ({supervisor}) => supervisor.warnings.length === 0);
	});

	test('that cannot be written, approving goes on with `continue`, and the lines come when they can', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await withAudit(instance, {}, {exists: false});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		await instance.until('the warning', ({supervisor}) =>
			supervisor.warnings.some(text => /approving goes on/.test(text)),
		);
		await mkdir(instance.path('audit'), {mode: 0o700});
		await until('the lines', () => linesOf(instance).length === 2);
		expect(linesOf(instance).map(brief)).toEqual(['intent approve null cli-1', 'outcome approve done cli-1']);
	});

	test('a pass without a supervisor writes too', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await withAudit(instance);
		expect(await instance.command(['approve', 'alpha', '--timeout', '60s'])).toMatchObject({exitCode: 0});
		expect(linesOf(instance).map(brief)).toEqual(['intent approve null cli-1', 'outcome approve done cli-1']);
	});
});

const hasLogrotate = spawnSync('logrotate', ['--version']).status === 0;

test.skipIf(!hasLogrotate)('the logrotate example has log and audit file opened anew', async ({instance}) => {
	const alpha = await instance.sandbox('alpha');
	await alpha.ask(cliAsk('cli-1'));
	await withAudit(instance, {logFile: instance.path('audit/pairkeeper.log')});
	await instance.start();
	await until('both lines', () => linesOf(instance).length === 2);
	const example = readFileSync(join(import.meta.dirname, '../../scripts/packaging/logrotate.conf'), 'utf8');
	const adapted = example
		.replaceAll('/var/log/pairkeeper/', instance.path('audit/'))
		.replaceAll('/run/pairkeeper/', instance.path('/'));
	await writeFile(instance.path('logrotate.conf'), adapted, {mode: 0o600});
	const args = ['--force', '--state', instance.path('logrotate.state'), instance.path('logrotate.conf')];
	const {status, stderr} = spawnSync('logrotate', args, {encoding: 'utf8'});
	expect({status, stderr}).toEqual({status: 0, stderr: ''});
	await until('both files', () => existsSync(fileOf(instance)) && existsSync(instance.path('audit/pairkeeper.log')));
	await alpha.ask(cliAsk('cli-2'));
	await until('both lines', () => linesOf(instance).length === 2);
	expect(linesOf(instance).map(brief)).toEqual(['intent approve null cli-2', 'outcome approve done cli-2']);
	expect(linesOf(instance, `${fileOf(instance)}.1`).map(brief)).toEqual([
		'intent approve null cli-1',
		'outcome approve done cli-1',
	]);
});

describe.concurrent('`audit`', () => {
	test('exits 3 where there is no audit file', async ({instance}) => {
		await instance.configure();
		expect(await instance.command(['audit'])).toMatchObject({
			exitCode: 3,
			stderr: expect.stringMatching(/no auditFile/),
		});
		await withAudit(instance);
		expect(await instance.command(['audit'])).toMatchObject({
			exitCode: 3,
			stderr: expect.stringMatching(/no audit file/),
		});
	});

	test('a configuration whose audit file others could put there is refused', async ({instance}) => {
		await mkdir(instance.path('audit'));
		await writeFile(fileOf(instance), '', {mode: 0o622});
		await chmod(instance.path('audit'), 0o777);
		await withAudit(instance, {}, {exists: false});
		expect(await instance.command(['run'])).toMatchObject({
			exitCode: 2,
			stderr: expect.stringMatching(/auditFile: .*chmod go-w .*audit/),
		});
	});
});
