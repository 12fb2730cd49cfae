import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {SandboxConfig} from '../../supervisor/config/config.ts';
import {LogFile} from '../../supervisor/log/file.ts';
import {DecisionLog} from '../../supervisor/sandbox/decision-log.ts';
import {startText} from '../../supervisor/start-text.ts';
import type {Decision} from '../../worker/protocol.ts';
import {SimulatedClock} from './fixtures.ts';
import {workerConfigOf} from './sandbox-fixtures.ts';

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'pairkeeper-unit-'));
});
afterEach(() => rm(folder, {recursive: true, force: true}));

const shared = {
	requestId: 'r1',
	deviceId: 'device-1',
	clientId: 'cli',
	clientMode: 'cli',
	role: null,
	scopes: ['operator.read'],
	at: 0,
};
const decisions: Decision[] = [
	{kind: 'approved', action: 'approve', by: 'policy', transport: 'gateway', ...shared, latencyMs: 7},
	{kind: 'refused', ...shared, reason: 'disallowed-scope', remedy: null},
];

async function lines(format: 'json' | 'pretty'): Promise<string[]> {
	const file = join(folder, 'log');
	const logFile = new LogFile({level: 'info', file, format});
	const log = new DecisionLog(
		(level, message, fields) => logFile.log(level, message, {...fields, sandbox: 'alpha'}),
		new SimulatedClock(),
	);
	for (const decision of decisions) log.log(decision);
	await logFile.close();
	return (await readFile(file, 'utf8')).trim().split('\n');
}

describe('what was decided, in the log', () => {
	it('stands in JSON lines that begin with time, level, message and sandbox, and name the device', async () => {
		const [approved = '', refused = ''] = await lines('json');
		expect(Object.keys(JSON.parse(approved)).slice(0, 4)).toEqual(['time', 'level', 'message', 'sandbox']);
		expect(JSON.parse(approved)).toMatchObject({
			level: 'info',
			message: 'approved',
			sandbox: 'alpha',
			deviceId: 'device-1',
		});
		expect(JSON.parse(refused)).toMatchObject({level: 'warn', message: 'refused', deviceId: 'device-1'});
	});

	it('stands in pretty lines that name the device', async () => {
		const [approved, refused] = await lines('pretty');
		expect(approved).toMatch(/^\S+Z info {2}alpha: approved .*deviceId=device-1/);
		expect(refused).toMatch(/^\S+Z warn {2}alpha: refused .*deviceId=device-1/);
	});
});

describe('the first line', () => {
	const now = Date.parse('2026-11-22T12:00:00Z');
	const gateway = {url: 'ws://127.0.0.1:1', tokenFile: '/t', tokenCommand: [], fingerprint: null, allowInsecure: false};
	const sandboxOf = (change: Partial<SandboxConfig> = {}): SandboxConfig => ({
		...workerConfigOf(),
		enabled: true,
		...change,
	});
	const text = (sandboxes: readonly SandboxConfig[], deadlineAt: string | null = '2026-11-22T20:00:00.000Z') =>
		startText(
			{sandboxes, elsewhere: [], shard: {index: 1, count: 1}, discover: []},
			{version: '1.2.3', deadlineAt, now},
		);

	it('says the version, the sandboxes, by which ways they are reached, and when it ends', () => {
		expect(text([sandboxOf({gateway}), sandboxOf({gateway, transport: 'gateway'}), sandboxOf(), sandboxOf()])).toBe(
			'version 1.2.3, 4 sandboxes (1 by the gateway or else the CLI, 1 by the gateway, 2 by the CLI), ends in 8 h, at 2026-11-22T20:00:00.000Z (deadline)',
		);
	});

	it('says no more than there is', () => {
		expect(text([sandboxOf(), sandboxOf({enabled: false})], null)).toBe(
			'version 1.2.3, 1 sandbox (by the CLI) and 1 disabled, no deadline',
		);
		expect(text([], null)).toBe('version 1.2.3, 0 sandboxes, no deadline');
	});
});
