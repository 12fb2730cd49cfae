import {spawnSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {mkdir, open, rm} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import {type AuditLine, auditLineSchema} from '../../supervisor/audit/line.ts';
import {statusSchema} from '../../supervisor/status/schema.ts';
import {untilHealth} from '../support/health.ts';
import type {Instance} from '../support/instance.ts';
import {cliAsk, type ScriptedOpenclaw} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test as instanceTest} from '../support/with-instance.ts';

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;

/** A test with a file system of its own that is soon full. */
const test = instanceTest.extend<{disk: string}>({
	disk: async ({instance}, use) => {
		const folder = instance.path('disk');
		await mkdir(folder, {mode: 0o700});
		const {status, stderr} = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', folder]);
		if (status !== 0) throw new Error(`no file system could be mounted: ${stderr}`);
		try {
			await use(folder);
		} finally {
			// What still runs ends with the instance.
			spawnSync('umount', ['--lazy', folder]);
		}
	},
});

/** Takes all the room that is left. */
async function fill(disk: string): Promise<void> {
	const file = await open(`${disk}/filler`, 'w');
	try {
		for (;;) await file.write(Buffer.alloc(512));
	} catch (error) {
		expect(String(error)).toMatch(/ENOSPC/);
	} finally {
		await file.close();
	}
}

const makeRoom = (disk: string) => rm(`${disk}/filler`);

/** Whole lines of JSON; throws at the first one that is not. */
function linesOf(file: string): unknown[] {
	const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
	if (text !== '') expect(text.at(-1)).toBe('\n');
	return text
		.split('\n')
		.slice(0, -1)
		.map(line => JSON.parse(line));
}

const auditOf = (disk: string): AuditLine[] => linesOf(`${disk}/audit.jsonl`).map(line => auditLineSchema.parse(line));
const brief = ({phase, result, requestId}: AuditLine) => `${phase} ${result} ${requestId}`;

/** More than there is room for in what a file has taken of the disk already, which is more than it has used. */
const MANY = 16;

async function askForMany(alpha: ScriptedOpenclaw): Promise<void> {
	for (let index = 2; index <= MANY; index++) await alpha.ask(cliAsk(`cli-${index}`));
}

/** The first request is approved, with all its lines in place. */
async function untilBegun(instance: Instance, disk: string): Promise<void> {
	const alpha = await instance.sandbox('alpha');
	await alpha.ask(cliAsk('cli-1'));
	await until('the first approval on record', () => auditOf(disk).length === 2, {seen: () => instance.logTail()});
}

describe.runIf(canMount).concurrent('a disk that is full', () => {
	test('under the log and the audit file: approving goes on, health says so, and what is on record comes', async ({
		instance,
		disk,
	}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure({logFile: `${disk}/log`, auditFile: `${disk}/audit.jsonl`});
		await instance.start();
		await untilBegun(instance, disk);
		await fill(disk);
		await askForMany(alpha);
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === MANY);
		const told = await instance.until('both warnings', ({supervisor}) =>
			['auditFile: approving goes on', 'the log cannot be written'].every(text =>
				supervisor.warnings.some(warning => warning.includes(text)),
			),
		);
		expect(told.supervisor.warnings.join()).toMatch(/ENOSPC|no space/i);
		await untilHealth(instance, 'degraded', /auditFile|the log/);

		await makeRoom(disk);
		await until('the lines', () => auditOf(disk).length === 2 * MANY);
		const ended = auditOf(disk).filter(({phase}) => phase === 'outcome');
		expect(new Set(ended.map(brief)).size).toBe(MANY);
		await alpha.ask(cliAsk('last'));
		await instance.until('the end of the warnings', ({supervisor}) => supervisor.warnings.length === 0);
		await untilHealth(instance, 'ok');
		await until('a line of the log', () => linesOf(`${disk}/log`).some(line => JSON.stringify(line).includes('last')));
	});

	test('under every file: with `stop` nothing is approved, health says so, and all goes on with room again', async ({
		instance,
		disk,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const statusFile = `${disk}/status.json`;
		const metricsFile = `${disk}/pairkeeper.prom`;
		const files = {statusFile, metricsFile, logFile: `${disk}/log`, auditFile: `${disk}/audit.jsonl`};
		await instance.configure({...files, auditFailure: 'stop'});
		const run = instance.launch();
		await untilBegun(instance, disk);
		await fill(disk);
		await askForMany(alpha);
		// Nobody can be told by a file that cannot be written, but that it is old.
		await until('health to be critical', async () => {
			const {exitCode} = await instance.command(['health', '--max-age', '1s']);
			return exitCode === 2;
		});
		expect(() => statusSchema.parse(JSON.parse(readFileSync(statusFile, 'utf8')))).not.toThrow();
		const metrics = readFileSync(metricsFile, 'utf8');
		expect(metrics).toMatch(/^pairkeeper_up 1$/m);
		expect(metrics.at(-1)).toBe('\n');

		expect((await alpha.settled('approved')).length).toBeLessThan(MANY);

		await makeRoom(disk);
		await until('all approvals', async () => (await alpha.settled('approved')).length === MANY);
		await untilHealth(instance, 'ok');
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect(linesOf(`${disk}/log`).length).toBeGreaterThan(3);
		expect(auditOf(disk).filter(({result}) => result === 'done')).toHaveLength(MANY);
		expect(statusSchema.parse(JSON.parse(readFileSync(statusFile, 'utf8'))).supervisor.state).toBe('stopped');
	});
});
