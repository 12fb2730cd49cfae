import {spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {MARKER} from '../../worker/host/processes.ts';
import {runCommand} from '../../worker/host/run-command.ts';
import {cliClient} from '../../worker/transport/cli/client.ts';
import type {Turns} from '../../worker/turns.ts';
import {isAlive} from '../support/processes.ts';
import {until} from '../support/until.ts';

let folder: string;
beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-command-'));
});
afterAll(() => rmSync(folder, {recursive: true, force: true}));

const never = new AbortController().signal;

function pidIn(file: string): number {
	return Number(readFileSync(file, 'utf8'));
}

describe('a call', () => {
	it('gives its turn back before what it has left is looked for, and that is ended all the same', async () => {
		const pidFile = path.join(folder, 'left');
		// In a session of its own, and without the call's pipes.
		const script = `setsid sh -c 'echo $$ >${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 600' >/dev/null 2>&1 & while [ ! -e ${pidFile} ]; do sleep 0.05; done; echo '{"pending":[],"paired":[]}'`;
		const isLeft: boolean[] = [];
		const turns: Turns = {take: async () => ({id: 1, over: () => void isLeft.push(isAlive(pidIn(pidFile)))})};
		const target = {exec: ['sh', '-c', script, 'x'], env: {}, envFile: null, approveUnset: [], openclaw: null};
		const client = cliClient({target, timeout: () => 60_000, owner: `turn-test-${process.pid}`, turns, passEnv: []});
		expect((await client.list(never)).pending).toEqual([]);
		expect(isLeft).toEqual([true]);
		await until('what it left to be ended', () => !isAlive(pidIn(pidFile)));
	});

	const canHavePids = process.getuid?.() === 0 && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
	it.runIf(canHavePids)('that is ended takes with it what it has put into a pid namespace of its own', async () => {
		const pidFile = path.join(folder, 'contained');
		const inner = `read pid rest </proc/self/stat; echo $pid >${pidFile}.new; mv ${pidFile}.new ${pidFile}; trap '' TERM; while :; do sleep 600; done`;
		const owner = `namespace-test-${process.pid}`;
		const stopping = new AbortController();
		const running = runCommand(
			{
				file: 'unshare',
				args: ['--pid', '--fork', 'setsid', 'sh', '-c', inner],
				env: {PATH: process.env.PATH, [MARKER]: owner},
			},
			{timeout: 60_000, owner, signal: stopping.signal},
		);
		await until('it to run', () => spawnSync('test', ['-e', pidFile]).status === 0);
		stopping.abort(new Error('stopped'));
		await expect(running).rejects.toThrow('stopped');
		await until('it to be ended', () => !isAlive(pidIn(pidFile)));
	});
});
