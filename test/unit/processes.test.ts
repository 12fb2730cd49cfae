import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {afterEach, describe, expect, it} from 'vitest';
import {type ProcessTable, procTable, startTimeOf} from '../../worker/host/process-table.ts';
import {endMarked, endProcess, MARKER, signalGroup, signalPid, treeBelow} from '../../worker/host/processes.ts';
import {findMarked} from '../support/marked.ts';
import {isAlive} from '../support/processes.ts';
import {until} from '../support/until.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;
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
		expect(await endMarked(`${run}/w`)).toEqual({ended: 1, isWhole: true});
		await hasEnded(stopped);
		expect(await findMarked(`${run}/w`)).toEqual([]);
		expect(await findMarked(`${run}/x`)).toEqual([other]);
	});

	it('are none where nothing was started', async () => {
		expect(await endMarked(randomUUID())).toEqual({ended: 0, isWhole: true});
	});
});

/** A table that says nothing but what a test has it say, and counts how many environments were read of it. */
function tableOf(
	entries: Readonly<
		Record<
			number,
			{
				startTime?: string;
				isKernelThread?: boolean;
				isZombie?: boolean;
				namespace?: string | null;
				environment?: string;
			}
		>
	>,
): ProcessTable & {readonly read: number[]} {
	const read: number[] = [];
	return {
		read,
		pids: async () => Object.keys(entries).map(Number),
		stat: pid => {
			const {startTime = '100', isKernelThread = false, isZombie = false} = entries[pid] ?? {};
			return {startTime, isKernelThread, isZombie};
		},
		namespaceOf: pid => (pid === process.pid ? 'ours' : (entries[pid]?.namespace ?? 'ours')),
		isOurs: () => true,
		environmentOf: async pid => {
			read.push(pid);
			return entries[pid]?.environment ?? '';
		},
		childrenOf: () => [],
	};
}

describe('what the kernel says of a process', () => {
	const zombieOf = (pid: number) =>
		until('its child to end', () => procTable.childrenOf(pid).find(child => procTable.stat(child)?.isZombie));

	it('is that it is over, where nobody has asked for its end yet', async () => {
		const child = spawn('sh', ['-c', 'true & exec sleep 600'], {stdio: 'ignore'});
		started.push(child);
		expect(await zombieOf(child.pid ?? 0)).toBeGreaterThan(0);
	});

	it.skipIf(!hasPython)('is not that it is over, where one thread still runs and the first does not', async () => {
		const script = `import ctypes, threading, time
threading.Thread(target=lambda: time.sleep(600)).start()
ctypes.CDLL(None).pthread_exit(None)`;
		const child = spawn('python3', ['-c', script], {stdio: 'ignore'});
		started.push(child);
		const pid = child.pid ?? 0;
		await until('its first thread to end', () => /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
		expect(procTable.stat(pid)).toMatchObject({isZombie: false});
	});
});

describe('a search among the processes of a host', () => {
	const environment = `A=1\0${MARKER}=run/w/1\0`;
	// Above any pid there is (proc(5): pid_max).
	const [ours, older, contained, kernels, same, over] = [1, 2, 3, 4, 5, 6].map(each => 2 ** 22 + each) as [
		number,
		number,
		number,
		number,
		number,
		number,
	];

	it('looks only into those that can be ours: no older, in our pid namespace, no threads of the kernel, and none that are over', async () => {
		const table = tableOf({
			[ours]: {startTime: '101', environment},
			[same]: {startTime: '100', environment},
			[older]: {startTime: '99', environment},
			[contained]: {startTime: '101', namespace: 'another', environment},
			[kernels]: {startTime: '101', isKernelThread: true, environment},
			[over]: {startTime: '101', isZombie: true, environment},
		});
		expect(await findMarked('run', {since: '100', table})).toEqual([ours, same]);
		expect(table.read).toEqual([ours, same]);
		expect(await findMarked('run/w/1', {table})).toEqual([ours, older, same]);
	});

	it('does not look into those that are known to be somebody else’s', async () => {
		const table = tableOf({[ours]: {environment}, [older]: {environment: `${MARKER}=run/w/2`}});
		expect(await findMarked('run', {table, others: new Set([older])})).toEqual([ours]);
		expect(table.read).toEqual([ours]);
	});

	it('reads no more of each than what we have given to any', async () => {
		const bytes: number[] = [];
		const table: ProcessTable = {...tableOf({[ours]: {}}), environmentOf: async (_, most) => String(bytes.push(most))};
		await findMarked('run', {table});
		expect(bytes).toEqual([2 ** 16]);
	});

	it('goes on past a process whose environment does not come, and does not wait for it again', async () => {
		const reads: number[] = [];
		const come = Promise.withResolvers<string>();
		const table: ProcessTable = {
			...tableOf({[older]: {}, [ours]: {environment}}),
			environmentOf: pid => {
				reads.push(pid);
				return pid === ours ? come.promise : Promise.resolve(environment);
			},
		};
		expect(await findMarked('run', {table})).toEqual([older]);
		expect(await findMarked('run', {table})).toEqual([older]);
		expect(reads).toEqual([ours, older, older]);
		come.resolve(environment);
		await until('it to be asked again', async () => (await findMarked('run', {table})).length === 2);
	});

	it('finds those of our own user whatever other users do to keep it from reading', async () => {
		const {promise: never, resolve} = Promise.withResolvers<null>();
		const entries = {[ours]: {}, [older]: {}, [contained]: {}, [same]: {environment}};
		const table: ProcessTable = {
			...tableOf(entries),
			isOurs: pid => pid === same,
			environmentOf: async pid => (pid === same ? environment : never),
		};
		expect(await findMarked('run', {table})).toEqual([same]);
		expect(procTable.isOurs(process.pid)).toBe(true);
		resolve(null);
		await never;
	});

	it('that is to end all asks again for an environment that came late', async () => {
		const pid = await marked(randomUUID());
		const late = Promise.withResolvers<string>();
		let asked = 0;
		const table: ProcessTable = {
			...procTable,
			pids: async () => [pid],
			environmentOf: () => {
				// Later than it is waited for.
				if (++asked === 1) setTimeout(() => late.resolve(environment), 400);
				return asked === 1 ? late.promise : Promise.resolve(isAlive(pid) ? environment : '');
			},
		};
		expect(await endMarked('run', {table})).toEqual({ended: 1, isWhole: true});
		await hasEnded(pid);
	});

	it('waits for what it has ended, and does not look into it again', async () => {
		let lives = 3;
		const all = tableOf({[ours]: {environment}, [same]: {environment: 'A=1'}});
		const table: ProcessTable = {...all, stat: pid => (pid === ours && lives-- <= 0 ? null : all.stat(pid))};
		expect(await endMarked('run', {table})).toEqual({ended: 1, isWhole: true});
		expect(lives).toBeLessThan(0);
		expect(all.read.filter(pid => pid === ours)).toEqual([ours]);
	});

	it('gives up on what does not go although it has been ended, and says so', async () => {
		const table = tableOf({[ours]: {environment}});
		expect(await endMarked('run', {within: 100, table})).toEqual({ended: 1, isWhole: false});
		expect(table.read).toEqual([ours]);
	});

	it('finds a marker wherever in an environment it stands, and no text that looks like one', async () => {
		const table = tableOf({
			[ours]: {environment: `A=1\0${environment}`},
			[same]: {environment: `A=${MARKER}=run/w/1\0B=1`},
			[older]: {environment: `${MARKER}=runs\0${environment}`},
			[over]: {environment: `${MARKER}=run`},
		});
		expect(await findMarked('run', {table})).toEqual([ours, older, over]);
	});

	it('ends when its time is up, and says so', async () => {
		const table = tableOf({[ours]: {environment}});
		expect(await endMarked('run', {within: -1, table})).toEqual({ended: 0, isWhole: false});
		expect(table.read).toEqual([]);
	});

	it('does not end what has been given the pid of one that is gone', async () => {
		const pid = await marked(randomUUID());
		endProcess({pid, startTime: '1'});
		expect(isAlive(pid)).toBe(true);
		endProcess({pid, startTime: startTimeOf(pid) ?? ''});
		await hasEnded(pid);
	});

	it('reads nothing of sleepers with large environments that were there before', async () => {
		const large = {A: 'x'.repeat(120_000), B: 'x'.repeat(120_000)};
		const crowd = spawn('sh', ['-c', 'for i in $(seq 300); do sleep 600 & done; echo; wait'], {
			stdio: ['ignore', 'pipe', 'ignore'],
			env: {PATH: process.env.PATH, ...large},
			detached: true,
		});
		try {
			await new Promise(resolve => crowd.stdout.once('data', resolve));
			const sleepers = treeBelow(crowd.pid ?? 0);
			expect(sleepers.length).toBeGreaterThan(300);
			// The kernel's clock ticks a hundred times a second.
			const last = Math.max(...sleepers.map(({startTime}) => Number(startTime)));
			const run = randomUUID();
			let pid = await marked(run);
			while (Number(startTimeOf(pid)) <= last) {
				signalPid(pid, 'SIGKILL');
				pid = await marked(run);
			}
			const read: number[] = [];
			const table: ProcessTable = {
				...procTable,
				environmentOf: (each, bytes) => {
					read.push(each);
					return procTable.environmentOf(each, bytes);
				},
			};
			expect(await findMarked(run, {since: startTimeOf(pid), table})).toEqual([pid]);
			expect(sleepers.filter(sleeper => read.includes(sleeper.pid))).toEqual([]);
		} finally {
			signalGroup(crowd.pid ?? 0, 'SIGKILL');
		}
	});
});

it('a tree of processes is found by its parents, whatever session they are in', async () => {
	const child = spawn('sh', ['-c', 'setsid sleep 600 & sleep 600 & echo; wait'], {stdio: ['ignore', 'pipe', 'ignore']});
	started.push(child);
	await new Promise(resolve => child.stdout.once('data', resolve));
	const pid = child.pid ?? 0;
	// setsid(1) takes its time to become sleep(1), and forks where it leads a group.
	await until('both children', () => treeBelow(pid).length >= 3);
	const tree = treeBelow(pid);
	expect(tree[0]).toEqual({pid, startTime: startTimeOf(pid)});
	for (const each of tree) endProcess(each);
	await until('all to be ended', () => tree.every(each => !isAlive(each.pid)));
});

it('signalling what is gone is no error', async () => {
	const pid = await marked(randomUUID());
	signalPid(pid, 'SIGKILL');
	await hasEnded(pid);
	expect(() => signalPid(pid, 'SIGTERM')).not.toThrow();
	expect(() => signalGroup(pid, 'SIGTERM')).not.toThrow();
});
