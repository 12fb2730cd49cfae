import {type ChildProcess, spawn} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {afterEach, describe, expect, it} from 'vitest';
import {endMarked, findMarked, MARKER, signalGroup, signalPid} from '../../worker/host/processes.ts';

const started: ChildProcess[] = [];
afterEach(() => {
	for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A process with such a marker, once it has it. */
async function marked(owner: string): Promise<number> {
	const child = spawn('sleep', ['600'], {stdio: 'ignore', env: {...process.env, [MARKER]: owner}});
	started.push(child);
	await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
	return child.pid ?? 0;
}

const hasEnded = (pid: number) =>
	new Promise<void>(resolve => {
		const child = started.find(each => each.pid === pid);
		if (!child || child.exitCode !== null || child.signalCode !== null) resolve();
		else child.once('exit', () => resolve());
	});

describe('the processes of an owner', () => {
	it('are found by their marker, his calls and no namesakes', async () => {
		const run = randomUUID();
		const [worker, call] = [await marked(`${run}/w`), await marked(`${run}/w/7`)];
		const [longer, other] = [await marked(`${run}/w2`), await marked(`x${run}/w`)];
		expect((await findMarked(`${run}/w`)).toSorted()).toEqual([worker, call].toSorted());
		expect((await findMarked(run)).toSorted()).toEqual([worker, call, longer].toSorted());
		expect(await findMarked(`x${run}`)).toEqual([other]);
	});

	it('are ended, even one that is stopped, and nobody else is', async () => {
		const run = randomUUID();
		const [stopped, other] = [await marked(`${run}/w/1`), await marked(`${run}/x`)];
		signalPid(stopped, 'SIGSTOP');
		expect(await endMarked(`${run}/w`)).toBe(1);
		await hasEnded(stopped);
		expect(await findMarked(`${run}/w`)).toEqual([]);
		expect(await findMarked(`${run}/x`)).toEqual([other]);
	});

	it('are none where nothing was started', async () => {
		expect(await endMarked(randomUUID())).toBe(0);
	});
});

it('signalling what is gone is no error', async () => {
	const pid = await marked(randomUUID());
	signalPid(pid, 'SIGKILL');
	await hasEnded(pid);
	expect(() => signalPid(pid, 'SIGTERM')).not.toThrow();
	expect(() => signalGroup(pid, 'SIGTERM')).not.toThrow();
});
