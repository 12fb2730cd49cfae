import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {FileLock, holderOf, LockError} from '../../supervisor/instance/lock.ts';

let folder: string;
let file: string;
const started: ChildProcess[] = [];
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'lock-'));
	file = path.join(folder, 'lock');
});
afterEach(() => {
	for (const child of started.splice(0)) child.kill('SIGKILL');
	rmSync(folder, {recursive: true, force: true});
});

/** Another process that holds the lock. */
async function holder(): Promise<ChildProcess> {
	const script = `
		import {FileLock} from ${JSON.stringify(path.resolve(import.meta.dirname, '../../supervisor/instance/lock.ts'))};
		const lock = await FileLock.acquire(${JSON.stringify(file)});
		process.stdout.write(lock ? 'held' : 'refused');
		setInterval(() => {}, 1 << 30);`;
	const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	started.push(child);
	const [said] = await once(child.stdout, 'data');
	expect(String(said)).toBe('held');
	return child;
}

describe('a lock', () => {
	it('is held by one process at a time, which it names', async () => {
		const child = await holder();
		expect(await FileLock.acquire(file)).toBeNull();
		expect(holderOf(file)).toBe(child.pid);
	});

	it('is asked for without what else our environment holds', async () => {
		const real = process.env.PATH ?? '';
		const seen = path.join(folder, 'environment');
		writeFileSync(path.join(folder, 'flock'), `#!/bin/sh\nenv >${seen}\nPATH='${real}' exec flock "$@"\n`, {
			mode: 0o755,
		});
		Object.assign(process.env, {PATH: `${folder}:${real}`, PLANTED_TOKEN: 'planted'});
		try {
			(await FileLock.acquire(file))?.release();
			expect(readFileSync(seen, 'utf8')).toContain(`PATH=${folder}:`);
			expect(readFileSync(seen, 'utf8')).not.toContain('planted');
		} finally {
			process.env.PATH = real;
			delete process.env.PLANTED_TOKEN;
		}
	});

	it('is asked for again where a signal to our process group has ended flock(1)', async () => {
		const real = process.env.PATH ?? '';
		const tried = path.join(folder, 'tried');
		const script = `#!/bin/sh\n[ -e ${tried} ] || { : >${tried}; kill -INT $$; }\nPATH='${real}' exec flock "$@"\n`;
		writeFileSync(path.join(folder, 'flock'), script, {mode: 0o755});
		process.env.PATH = `${folder}:${real}`;
		try {
			const lock = await FileLock.acquire(file);
			expect(lock).not.toBeNull();
			lock?.release();
		} finally {
			process.env.PATH = real;
		}
	});

	it('is free as soon as its holder is killed', async () => {
		const child = await holder();
		const waiting = FileLock.acquire(file, 20_000);
		child.kill('SIGKILL');
		const lock = await waiting;
		expect(lock).not.toBeNull();
		expect(holderOf(file)).toBe(process.pid);
		lock?.release();
	});

	it('is held within a process too, until it is released', async () => {
		const lock = await FileLock.acquire(file);
		expect(await FileLock.acquire(file)).toBeNull();
		expect(await FileLock.acquire(file, 10)).toBeNull();
		lock?.release();
		const next = await FileLock.acquire(file);
		expect(next).not.toBeNull();
		next?.release();
	});

	it('is not taken through a link, nor where there is no directory, nor on one', async () => {
		writeFileSync(path.join(folder, 'target'), 'precious');
		symlinkSync('target', file);
		await expect(FileLock.acquire(file)).rejects.toThrow(LockError);
		await expect(FileLock.acquire(path.join(folder, 'none/lock'))).rejects.toThrow(LockError);
		mkdirSync(path.join(folder, 'directory'));
		await expect(FileLock.acquire(path.join(folder, 'directory'))).rejects.toThrow(LockError);
	});

	it('names nobody where the file says nothing sensible', () => {
		expect(holderOf(file)).toBeNull();
		writeFileSync(file, 'no number');
		expect(holderOf(file)).toBeNull();
	});
});
