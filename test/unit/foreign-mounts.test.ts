import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {assertAlone, lookout} from '../../worker/host/foreign-mounts.ts';
import {isWritableThrough, locationOf, mountsIn} from '../../worker/host/mounts.ts';
import {assertObeyed} from '../../worker/transport/cli/obeyed.ts';
import {hostRoute} from '../../worker/transport/gateway/host-route.ts';

const canContain =
	process.getuid?.() === 0 && spawnSync('unshare', ['--user', '--pid', '--mount', '--fork', 'true']).status === 0;

/** More than most hosts have containers. */
const CROWD = 300;

describe.runIf(canContain)('a directory that a container has mounted', () => {
	let folder: string;
	let container: ChildProcess | null = null;
	let crowd: ChildProcess | null = null;
	/** One that has looked at nothing yet. */
	let sharedWith: ReturnType<typeof lookout>;
	beforeEach(() => {
		folder = mkdtempSync(path.join(os.tmpdir(), 'foreign-mounts-'));
		sharedWith = lookout();
		for (const name of ['state', 'inside']) mkdirSync(path.join(folder, name), {mode: 0o700});
	});
	afterEach(() => {
		container?.kill('SIGKILL');
		if (crowd?.pid) process.kill(-crowd.pid, 'SIGKILL');
		crowd = null;
		rmSync(folder, {recursive: true, force: true});
	});

	/** Something that has processes and mounts of its own, once it has made these. */
	async function contain(script: string, options: readonly string[] = []): Promise<void> {
		const words = [
			'--pid',
			'--mount',
			...options,
			'--fork',
			'--kill-child',
			'sh',
			'-c',
			`${script}; echo; exec sleep 600`,
		];
		container = spawn('unshare', words, {cwd: folder, stdio: ['ignore', 'pipe', 'inherit']});
		await new Promise(resolve => container?.stdout?.once('data', resolve));
	}

	/** So many that have mounts of their own, too. */
	async function gather(options: readonly string[]): Promise<void> {
		const one = `unshare --pid --mount ${options.join(' ')} --fork --kill-child sh -c 'echo; exec sleep 600'`;
		const script = `for each in $(seq ${CROWD}); do ${one} & done; wait`;
		crowd = spawn('sh', ['-c', script], {detached: true, stdio: ['ignore', 'pipe', 'inherit']});
		let ready = 0;
		await new Promise<void>(resolve =>
			crowd?.stdout?.on('data', (lines: Buffer) => {
				ready += lines.length;
				if (ready === CROWD) resolve();
			}),
		);
	}

	it('is known by it', async () => {
		await contain('mount --bind state inside');
		const state = path.join(folder, 'state');
		expect(sharedWith([folder, state])).toEqual({kind: 'shared', place: folder, pid: expect.any(Number)});
		expect(sharedWith([path.join(folder, 'inside'), state])).toMatchObject({place: state});
	});

	it.each([
		['that another user has made', ['--user']],
		['of containers of root', []],
	])('is known by it behind a crowd of namespaces %s', async (_, options) => {
		await gather(options);
		await contain('mount --bind state inside');
		expect(sharedWith([path.join(folder, 'state')])).toMatchObject({kind: 'shared'});
	});

	it('is known by it where it has a user namespace too, in which our root is somebody', async () => {
		await contain('mount --bind state inside', ['--user', '--map-root-user']);
		expect(sharedWith([path.join(folder, 'state')])).toMatchObject({kind: 'shared'});
	});

	it('is known by it when what is looked at does not exist yet', async () => {
		await contain('mount --bind state inside');
		expect(sharedWith([path.join(folder, 'state/none/none.json')])).toMatchObject({kind: 'shared'});
	});

	it('is known by it where the first of its processes has another root than the next', async () => {
		const chroot = `exec perl -e 'chroot "state"; $| = 1; print "\\n"; sleep 600'`;
		await contain(`mount --bind state inside; sleep 600 & ${chroot}`);
		expect(sharedWith([path.join(folder, 'state')])).toMatchObject({kind: 'shared'});
	});

	it('gives away a file that is sourced, and the token and port that are read from there, as it does the state of a call', async () => {
		for (const name of ['state/openclaw.json', 'inside/env.sh']) writeFileSync(path.join(folder, name), '{}');
		await contain('mkdir o; mount --bind inside o');
		const state = path.join(folder, 'state');
		const target = {exec: [], env: {HOME: folder, OPENCLAW_STATE_DIR: state}, approveUnset: [], openclaw: '/bin/true'};
		expect(() => assertObeyed({...target, envFile: null}, [])).not.toThrow();
		expect(() => assertObeyed({...target, envFile: path.join(folder, 'inside/env.sh')}, [])).toThrow(/mounted/);
		const elsewhere = {...target.env, OPENCLAW_STATE_DIR: path.join(folder, 'inside')};
		const route = hostRoute({...target, envFile: null, env: elsewhere}, []);
		const bounds = {timeout: 1000, signal: new AbortController().signal, onCommand: () => {}};
		writeFileSync(
			path.join(folder, 'inside/openclaw.json'),
			JSON.stringify({gateway: {port: 1, auth: {token: 'xxxx'}}}),
		);
		await expect(route.open(bounds)).rejects.toThrow(/mounted/);
	});

	it('is not where it has only a copy of our mounts, or cannot write there', async () => {
		await contain('mount --bind state inside; mount -o remount,ro,bind inside');
		expect(sharedWith([path.join(folder, 'state')])).toEqual({kind: 'alone'});
	});
});

describe.runIf(process.getuid?.() === 0)('what could not be looked at', () => {
	it('is not obeyed, nor remembered as ours alone, and is looked at again after a pause', () => {
		let now = 0;
		let isOver = true;
		const look = lookout({now: () => now}, () => () => isOver);
		const nowhere = path.join(os.tmpdir(), 'foreign-mounts-nowhere');
		const answer = () => look([nowhere]).kind;
		expect(() => assertAlone([nowhere], look)).toThrow(/may be mounted .* more runs on this host .*\(lsns/);
		isOver = false;
		expect(answer()).toBe('unknown');
		now += 10_000;
		expect(answer()).toBe('alone');
		isOver = true;
		now += 59_000;
		expect(answer()).toBe('alone');
		now += 1000;
		expect(answer()).toBe('unknown');
	});
});

describe('mounts', () => {
	const line = (device: string, root: string, point: string, options = 'rw,relatime') =>
		`44 43 ${device} ${root} ${point} ${options} - ext4 /dev/vda rw`;
	const ours = mountsIn([line('254:0', '/', '/'), line('254:1', '/', '/srv'), line('254:1', '/', '/srv')].join('\n'));
	const isWritable = (directory: string, ...theirs: string[]) => {
		const location = locationOf(directory, ours);
		return location !== null && isWritableThrough(mountsIn(theirs.join('\n')), location);
	};

	it.each([
		['the directory itself', line('254:1', '/alpha', '/sandbox/.openclaw')],
		['what holds it', line('254:1', '/', '/data')],
		['something in it', line('254:1', '/alpha/extensions', '/x')],
		['it, where we have it too', line('254:1', '/alpha', '/srv/alpha')],
	])('of %s give it away', (_, theirs) => {
		expect(isWritable('/srv/alpha', line('0:99', '/', '/'), theirs)).toBe(true);
	});

	it.each([
		['a copy of ours', line('254:1', '/', '/srv')],
		['what cannot be written', line('254:1', '/alpha', '/x', 'ro,relatime')],
		['a neighbour', line('254:1', '/alpha2', '/x')],
		['the same path of another filesystem', line('254:0', '/alpha', '/x')],
	])('of %s do not', (_, theirs) => {
		expect(isWritable('/srv/alpha', theirs)).toBe(false);
	});

	it('are read with blanks in their names, and what is no mount is passed over', () => {
		expect(mountsIn(`${line('1:2', '/a\\040b', '/c')}\nnonsense\n`)).toEqual([
			{device: '1:2', root: '/a b', point: '/c', isReadOnly: false},
		]);
	});
});
