import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import type {Inventory, InventorySource} from '../../supervisor/config/sources.ts';
import {inventoryTaker, type TakingBounds} from '../../supervisor/discovery/taking.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'taking-'));
	vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`);
});
afterEach(() => {
	vi.unstubAllEnvs();
	rmSync(folder, {recursive: true, force: true});
});

function program(name: string, body: string): string {
	const file = path.join(folder, name);
	writeFileSync(file, `#!/bin/bash\necho "$*" >>${folder}/calls\n${body}\n`);
	chmodSync(file, 0o755);
	return file;
}

const calls = () => readFileSync(`${folder}/calls`, 'utf8').trim().split('\n');
const source = (inventory: Inventory): InventorySource => ({
	key: 'k',
	label: 'l',
	index: 0,
	inventory,
	every: 60_000,
	template: {},
});
const command = (...words: readonly string[]) => source({kind: 'command', command: words});
const bounds = (change: Partial<TakingBounds> = {}): TakingBounds => ({
	timeout: 30_000,
	signal: new AbortController().signal,
	passEnv: [],
	openclaw: 'openclaw',
	...change,
});

describe('the program of an inventory', () => {
	const take = inventoryTaker('run');

	it('runs in the root directory, with no more of our environment than it needs', async () => {
		vi.stubEnv('MY_SECRET_THING', 'x');
		vi.stubEnv('GIVEN', 'yes');
		vi.stubEnv('KUBECONFIG', '/k');
		program('list', `env >${folder}/env; pwd >>${folder}/env; echo '[{"name": "alpha"}]'`);
		const entries = await take(command('list', '--json'), bounds({passEnv: ['GIVEN']}));
		expect(entries).toMatchObject([{kind: 'found', found: {name: 'alpha'}}]);
		const seen = readFileSync(`${folder}/env`, 'utf8').split('\n');
		expect(seen).toEqual(expect.arrayContaining(['/', 'GIVEN=yes']));
		expect(seen.join('\n')).not.toMatch(/MY_SECRET_THING|KUBECONFIG/);
	});

	it.each([
		['fails', 'echo "no: token=abcdef123456" >&2; exit 3', /^list ended with 3: no: token=\[redacted\]$/],
		['prints no list', 'echo sorry', /^its output is not a list of sandboxes in JSON/],
		['floods', 'exec yes', /^list: the output was larger than 16 MiB and was cut off$/],
	])('is told of in words where it %s', async (_, body, problem) => {
		program('list', body);
		await expect(take(command('list'), bounds())).rejects.toThrow(problem);
	});

	it('is ended when its time is up, with what it has started', async () => {
		program('list', `trap '' TERM; sleep 1000 & echo $! >${folder}/child; exec sleep 1000`);
		await expect(take(command('list'), bounds({timeout: 1000}))).rejects.toThrow(
			'list: no answer within 1 s; the call was ended',
		);
		const child = Number(readFileSync(`${folder}/child`, 'utf8'));
		await vi.waitUntil(() => {
			try {
				return !readFileSync(`/proc/${child}/stat`, 'utf8').includes(' S ');
			} catch {
				return true;
			}
		});
	});

	it('is not run where somebody else could exchange it, nor from a working directory', async () => {
		program('list', 'echo "[]"');
		chmodSync(path.join(folder, 'list'), 0o777);
		await expect(take(command('list'), bounds())).rejects.toThrow('can be written by other users');
		await expect(take(command('nowhere'), bounds())).rejects.toThrow('nowhere is not there');
		mkdirSync(path.join(folder, 'sub'));
		const relative = path.relative(process.cwd(), program('sub/own', 'echo "[]"'));
		await expect(take(command(relative), bounds())).rejects.toThrow('name its absolute path');
	});
});

describe("the fleet's cells", () => {
	const cells = (...tenants: string[]) =>
		`{"cells": [${tenants.map(tenant => `{"tenant": "${tenant}", "state": "running", "created": "1"}`).join()}]}`;
	const fleet = source({kind: 'openclaw-fleet'});

	it('are of the only runtime that is installed', async () => {
		program('podman', '');
		program('openclaw', `echo '${cells('a', 'b')}'`);
		vi.stubEnv('PATH', `${folder}:/nowhere`);
		// It is bash's own, so that no other directory of programs is needed.
		const entries = await inventoryTaker('run')(fleet, bounds());
		expect(entries).toMatchObject([
			{found: {layer: {exec: ['podman', 'exec', 'openclaw-cell-a']}}},
			{found: {layer: {exec: ['podman', 'exec', 'openclaw-cell-b']}}},
		]);
		expect(calls()).toEqual(['fleet list --json']);
	});

	it('are asked for it once where there are two, and one that cannot be asked holds up no other', async () => {
		program('podman', '');
		program('docker', '');
		program(
			'openclaw',
			`case "$*" in "fleet list --json") echo '${cells('a', 'b')}' ;; "fleet status a --json") echo '{"runtime": "docker"}' ;; *) exit 1 ;; esac`,
		);
		const take = inventoryTaker('run');
		for (const _ of [1, 2])
			expect(await take(fleet, bounds())).toMatchObject([
				{kind: 'found', found: {layer: {exec: ['docker', 'exec', 'openclaw-cell-a']}}},
				{kind: 'refused', name: 'b'},
			]);
		expect(calls().filter(call => call === 'fleet status a --json')).toHaveLength(1);
	});
});
