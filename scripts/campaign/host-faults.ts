// What goes wrong with the host under a supervisor: its files, its limits and its wall clock. Each resolves with what makes it good again.
import {execFile} from 'node:child_process';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {chmod, mkdir, open, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import type {FileFault} from './plan.ts';
import type {Undo} from './sandboxes.ts';

const run = promisify(execFile);

/** As much of a descriptor table as lets a supervisor go on, but start nothing. */
const FEW_DESCRIPTORS = 30;

/** Where Debian's libfaketime stands, for the architecture that we run on. */
const FAKETIME = ['x86_64', 'aarch64']
	.map(machine => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
	.find(existsSync);

/** Something is wrong with this directory, and what stands in it. */
export async function spoilFolder(folder: string, how: FileFault): Promise<Undo> {
	switch (how) {
		case 'full': {
			const filler = join(folder, 'filler');
			await fill(filler);
			return () => rm(filler, {force: true});
		}
		case 'read-only':
			await chmod(folder, 0o500);
			return () => chmod(folder, 0o700);
		case 'vanished':
			return vanish(folder);
	}
}

/** What is mounted there cannot be moved away, but all that stands in it. */
async function vanish(folder: string): Promise<Undo> {
	const aside = join(folder, 'aside');
	const names = readdirSync(folder).filter(name => name !== 'aside');
	await mkdir(aside, {recursive: true, mode: 0o700});
	for (const name of names) await rename(join(folder, name), join(aside, name)).catch(() => {});
	return async () => {
		// What was written anew meanwhile is newer; what was not comes back.
		for (const name of names)
			if (!existsSync(join(folder, name))) await rename(join(aside, name), join(folder, name)).catch(() => {});
		await rm(aside, {recursive: true, force: true});
	};
}

/** Moves the directory itself out of the way, with all that stands in it. */
export async function moveAside(folder: string): Promise<Undo> {
	const aside = `${folder}.aside`;
	await rename(folder, aside);
	return () => rename(aside, folder);
}

/** The process can start no other, or open no file. */
export async function tighten(pid: number, which: 'nproc' | 'nofile'): Promise<Undo> {
	const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
	const row = which === 'nproc' ? /^Max processes\s+(\S+)\s+(\S+)/m : /^Max open files\s+(\S+)\s+(\S+)/m;
	const [, soft = '', hard = ''] = row.exec(limits) ?? [];
	const tight = which === 'nproc' ? 1 : FEW_DESCRIPTORS;
	const set = async (to: string | number) => {
		await run('prlimit', ['--pid', String(pid), `--${which}=${to}:${hard}`]).catch((error: unknown) => {
			if (isThere(pid)) throw error;
		});
	};
	await set(tight);
	return () => set(soft);
}

/** A wall clock that can be set while somebody looks at it; the monotonic one goes on as it is. */
export class WallClock {
	readonly #file: string;
	/** What a process needs in its environment to go by this clock; `null` where the host has no libfaketime. */
	readonly environment: NodeJS.ProcessEnv | null;

	constructor(file: string) {
		this.#file = file;
		this.environment =
			FAKETIME === undefined
				? null
				: {
						LD_PRELOAD: FAKETIME,
						FAKETIME_TIMESTAMP_FILE: file,
						// Seconds until the file is looked at again.
						FAKETIME_CACHE_DURATION: '1',
						DONT_FAKE_MONOTONIC: '1',
						FAKETIME_DONT_FAKE_MONOTONIC: '1',
						FAKETIME_DISABLE_SHM: '1',
						NO_FAKE_STAT: '1',
					};
	}

	/** It is so many seconds ahead of the true one, or behind it. */
	async set(seconds: number): Promise<void> {
		await writeFile(`${this.#file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
		await rename(`${this.#file}.new`, this.#file);
	}
}

/** Writes until there is no room left. */
async function fill(path: string): Promise<void> {
	const file = await open(path, 'w');
	try {
		for (const size of [2 ** 16, 2 ** 12, 1]) {
			const chunk = Buffer.alloc(size);
			for (;;) await file.write(chunk);
		}
	} catch {
		// It is full.
	} finally {
		await file.close();
	}
}

/** Whether this process lives; a zombie does not. */
export function isThere(pid: number): boolean {
	return signalTo(pid, 0) && !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Whether there was a process to be signalled. */
export function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		return process.kill(pid, signal);
	} catch {
		return false;
	}
}

/** What a process holds. */
export interface Footprint {
	readonly descriptors: number;
	/** Resident, in bytes. */
	readonly memory: number;
}

/** What this process holds now. */
export function footprintOf(pid: number): Footprint {
	const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
	return {descriptors: readdirSync(`/proc/${pid}/fd`).length, memory: Number(kilobytes) * 1024};
}
