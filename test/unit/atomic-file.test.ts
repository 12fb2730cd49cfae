import {mkdtempSync, readFileSync, rmSync, statSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {AtomicFile} from '../../supervisor/atomic-file.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'atomic-file-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

describe('a file that is replaced', () => {
	it('holds the newest text, with its mode whatever the umask', async () => {
		const errors: (Error | null)[] = [];
		const file = new AtomicFile(path.join(folder, 'a'), 0o644, error => errors.push(error));
		const umask = process.umask(0o077);
		try {
			await Promise.all(['1', '2', '3'].map(text => file.write(() => text)));
		} finally {
			process.umask(umask);
		}
		expect(readFileSync(path.join(folder, 'a'), 'utf8')).toBe('3');
		expect(statSync(path.join(folder, 'a')).mode & 0o777).toBe(0o644);
		expect(new Set(errors)).toEqual(new Set([null]));
	});

	it('whose text cannot be composed is a failure that is told, and the next write is made', async () => {
		const errors: (string | undefined)[] = [];
		const file = new AtomicFile(path.join(folder, 'a'), 0o644, error => errors.push(error?.message));
		await file.write(() => {
			throw new Error('no descriptors');
		});
		await file.write(() => 'after');
		expect(errors).toEqual(['no descriptors', undefined]);
		expect(readFileSync(path.join(folder, 'a'), 'utf8')).toBe('after');
	});
});
