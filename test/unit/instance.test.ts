import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmod, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {findInstance} from '../../supervisor/commands/instance.ts';
import {isSupervisorAlive} from '../../supervisor/status/reading.ts';
import {type Status, statusSchema, totalsOf} from '../../supervisor/status/schema.ts';
import {isoTime} from '../../worker/clock.ts';
import {MINUTE} from './fixtures.ts';

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'pairkeeper-unit-'));
	await chmod(folder, 0o700);
});
afterEach(() => rm(folder, {recursive: true, force: true}));

function statusBy(pid: number, change: Partial<Status['supervisor']> = {}): Status {
	const at = isoTime(Date.now());
	return statusSchema.parse({
		schema: 1,
		supervisor: {
			pid,
			version: '1.0.0',
			host: 'h',
			state: 'running',
			startedAt: at,
			updatedAt: at,
			deadlineAt: null,
			config: {path: '/c', generation: 1, loadedAt: at, error: null},
			calls: {running: 0, waiting: 0, limit: 2},
			warnings: [],
			...change,
		},
		totals: totalsOf({}),
		sandboxes: {},
	});
}

/** The pid of a process that has ended. */
async function goneProcess(): Promise<number> {
	const child = spawn('true');
	await once(child, 'exit');
	return child.pid ?? 0;
}

describe('a client without a named instance', () => {
	const places = () => ({own: join(folder, 'own/status.json'), system: join(folder, 'system/status.json')});
	const find = (statusFile?: string) => {
		const environment = {XDG_CONFIG_HOME: folder, PAIRKEEPER_CONFIG: join(folder, 'none.yaml')};
		return findInstance({statusFile, environment}, places());
	};
	const write = async (place: 'own' | 'system', status: Status | string) => {
		const file = places()[place];
		await mkdir(dirname(file), {recursive: true});
		await writeFile(file, typeof status === 'string' ? status : JSON.stringify(status));
	};
	// The default place depends on who runs the tests, so the own one is named by the configuration.
	beforeEach(() => writeFile(join(folder, 'none.yaml'), `statusFile: ${places().own}`));

	it('takes its own, where somebody supervises', async () => {
		await write('own', statusBy(process.pid));
		await write('system', statusBy(process.pid));
		expect(find()).toMatchObject({paths: {statusFile: places().own}, isLive: true});
	});

	it("takes the host's where nobody supervises at its own place, whatever was left there", async () => {
		await write('system', statusBy(process.pid));
		expect(find()).toMatchObject({paths: {statusFile: places().system}, own: {statusFile: places().own}, isLive: true});
		await write('own', statusBy(process.pid, {state: 'stopped'}));
		expect(find().paths.statusFile).toBe(places().system);
		await write('own', statusBy(await goneProcess()));
		expect(find().paths.statusFile).toBe(places().system);
	});

	it('takes for alive what it cannot read', async () => {
		await write('system', 'a status of another version');
		expect(find()).toMatchObject({paths: {statusFile: places().system}, isLive: true});
	});

	it('is told of its own place where nobody supervises anywhere, unless only the host has something to show', async () => {
		expect(find()).toMatchObject({paths: {statusFile: places().own}, isLive: false});
		await write('system', statusBy(process.pid, {state: 'stopped'}));
		expect(find()).toMatchObject({paths: {statusFile: places().system}, isLive: false});
		await write('own', statusBy(process.pid, {state: 'stopped'}));
		expect(find().paths.statusFile).toBe(places().own);
	});

	it('takes the one that is named, whoever supervises elsewhere', async () => {
		await write('system', statusBy(process.pid));
		expect(find(places().own).paths.statusFile).toBe(places().own);
		expect(find(join(folder, 'x.json')).paths.statusFile).toBe(join(folder, 'x.json'));
	});
});

describe('the supervisor that wrote a status', () => {
	it('lives as long as its process', async () => {
		expect(isSupervisorAlive(statusBy(process.pid), Date.now())).toBe(true);
		expect(isSupervisorAlive(statusBy(await goneProcess()), Date.now())).toBe(false);
	});

	it('is not a process that has got its pid since', () => {
		const old = isoTime(Date.now() - process.uptime() * 1000 - MINUTE);
		expect(isSupervisorAlive(statusBy(process.pid, {updatedAt: old}), Date.now())).toBe(false);
	});
});
