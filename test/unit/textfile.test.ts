import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {replaceTextfile} from '../../supervisor/monitoring/metrics-file.ts';
import {Textfile} from '../../supervisor/monitoring/textfile.ts';
import {SECOND, SimulatedClock} from './fixtures.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'textfile-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

describe('the metrics file', () => {
	it('is readable by everybody whatever the umask, and nothing is left beside it', async () => {
		const file = path.join(folder, 'a.prom');
		const umask = process.umask(0o077);
		try {
			await replaceTextfile(file, 'one\n');
			await replaceTextfile(file, 'two\n');
		} finally {
			process.umask(umask);
		}
		expect(readFileSync(file, 'utf8')).toBe('two\n');
		expect(statSync(file).mode & 0o777).toBe(0o644);
		expect(readdirSync(folder)).toEqual(['a.prom']);
	});

	it('is never written through a link that somebody has planted', async () => {
		const [file, precious] = [path.join(folder, 'a.prom'), path.join(folder, 'precious')];
		writeFileSync(precious, 'precious');
		for (const planted of ['.a.prom.new', 'a.prom']) symlinkSync(precious, path.join(folder, planted));
		await replaceTextfile(file, 'one\n');
		expect(readFileSync(precious, 'utf8')).toBe('precious');
		expect(readFileSync(file, 'utf8')).toBe('one\n');
	});

	it('that cannot be written is said in words, and leaves nothing behind', async () => {
		mkdirSync(path.join(folder, 'a.prom'));
		await expect(replaceTextfile(path.join(folder, 'a.prom'), 'x')).rejects.toThrow('it is a directory (EISDIR)');
		expect(readdirSync(folder)).toEqual(['a.prom']);
		await expect(replaceTextfile(path.join(folder, 'gone/a.prom'), 'x')).rejects.toThrow('it does not exist (ENOENT)');
	});
});

describe('keeping it', () => {
	/** A file on a disk that is full or not, and what became of it. */
	function keeping() {
		const clock = new SimulatedClock();
		const written: string[] = [];
		const logged: string[] = [];
		const disk = {isFull: false, figure: 0};
		const textfile = new Textfile({
			clock,
			log: (_, message) => void logged.push(message),
			compose: async () => String(disk.figure),
			replace: async (_, text) => {
				if (disk.isFull) throw new Error('ENOSPC');
				written.push(text);
			},
		});
		return {clock, written, logged, disk, textfile};
	}

	it('writes it at once, every ten seconds, and a last time', async () => {
		const {clock, written, disk, textfile} = keeping();
		await textfile.keepAt('/x.prom');
		expect(written).toEqual(['0']);
		disk.figure = 1;
		await clock.sleep(21 * SECOND);
		expect(written).toEqual(['0', '1', '1']);
		disk.figure = 2;
		await textfile.close();
		expect(written).toEqual(['0', '1', '1', '2']);
		await clock.sleep(60 * SECOND);
		expect(written).toHaveLength(4);
	});

	it('warns while it cannot be written, and logs that once', async () => {
		const {clock, logged, disk, textfile} = keeping();
		disk.isFull = true;
		await textfile.keepAt('/x.prom');
		await clock.sleep(60 * SECOND);
		expect(textfile.warnings).toEqual(['metricsFile: /x.prom cannot be written: ENOSPC']);
		expect(logged).toEqual(['the metrics cannot be written']);
		disk.isFull = false;
		await clock.sleep(10 * SECOND);
		expect(textfile.warnings).toEqual([]);
	});

	it('leaves no file with old figures where it is kept no more', async () => {
		const {textfile} = keeping();
		const file = path.join(folder, 'a.prom');
		writeFileSync(file, 'old');
		await textfile.keepAt(file);
		await textfile.keepAt(null);
		expect(existsSync(file)).toBe(false);
		expect(textfile.warnings).toEqual([]);
	});
});
