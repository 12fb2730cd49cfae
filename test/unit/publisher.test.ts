import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {Publisher} from '../../supervisor/status/publisher.ts';
import {systemClock} from '../../worker/clock.ts';
import {SECOND, SimulatedClock} from './fixtures.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'publisher-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

/** A publisher of one file, whose text is what `text` says then. */
function publishing(text: () => string, clock = systemClock) {
	const logged: string[] = [];
	const file = path.join(folder, 'status.json');
	const log = (_: string, message: string) => void logged.push(message);
	const publisher = new Publisher([{path: file, mode: 0o644, compose: text}], {clock, log});
	return {publisher, logged, read: () => readFileSync(file, 'utf8'), file};
}

describe('what is published', () => {
	it('is never written by two at once, and each write begins with what is true then', async () => {
		const clock = new SimulatedClock();
		let revision = 0;
		let writing = 0;
		const written: number[] = [];
		const replace = async (_: unknown, text: string) => {
			writing++;
			expect(writing).toBe(1);
			// A disk that is now fast, now slow.
			await clock.sleep((Number(text) * 7) % 50);
			written.push(Number(text));
			writing--;
		};
		const file = {path: 'status.json', mode: 0o644, compose: () => String(revision)};
		const publisher = new Publisher([file], {clock, log: () => {}, replace});
		const asked = Array.from({length: 200}, async (_, index) => {
			await clock.sleep(index * 3);
			const wanted = ++revision;
			await publisher.write();
			// Nobody is told that it is written while something older stands there than what was true when he asked.
			expect(written.at(-1)).toBeGreaterThanOrEqual(wanted);
		});
		await Promise.all(asked);
		await publisher.close();
		expect(written.at(-1)).toBe(200);
		expect(written).toEqual(written.toSorted((a, b) => a - b));
	});

	it('is the text of the moment at which writing begins, never one of before the asking', async () => {
		let revision = 0;
		const {publisher, read} = publishing(() => String(revision));
		for (let round = 0; round < 100; round++) {
			const asked = ++revision;
			const first = publisher.write();
			revision++;
			const second = publisher.write();
			await first;
			expect(Number(read())).toBeGreaterThanOrEqual(asked);
			await second;
			expect(Number(read())).toBe(revision);
		}
		await publisher.close();
	});

	it('is written no more once it is closed, so that a file that is removed then stays away', async () => {
		const {publisher, file} = publishing(() => 'text');
		const writes = Array.from({length: 20}, () => publisher.write());
		publisher.touch();
		await publisher.close();
		rmSync(file);
		await Promise.all(writes);
		publisher.touch();
		await systemClock.sleep(300);
		expect(existsSync(file)).toBe(false);
		expect(readdirSync(folder)).toEqual([]);
	});

	it('has its mode whatever the umask', async () => {
		const umask = process.umask(0o077);
		try {
			const {publisher, file} = publishing(() => 'text');
			await publisher.close();
			expect(statSync(file).mode & 0o777).toBe(0o644);
		} finally {
			process.umask(umask);
		}
	});

	it('that cannot be composed or written is a warning, told once, until it can be again', async () => {
		let fails = true;
		const {publisher, logged, read} = publishing(() => {
			if (fails) throw new Error('no descriptors');
			return 'after';
		});
		await publisher.write();
		await publisher.write();
		expect(publisher.warnings).toEqual([expect.stringMatching(/status\.json cannot be written: no descriptors$/)]);
		expect(logged).toHaveLength(1);
		fails = false;
		await publisher.write();
		expect(publisher.warnings).toEqual([]);
		expect(read()).toBe('after');
		await publisher.close();
	});
});

describe('a change', () => {
	it('is written at once, further ones together a quarter of a second later, and without any every few seconds', async () => {
		const clock = new SimulatedClock(0);
		const times: number[] = [];
		const replace = async () => void times.push(clock.now());
		const file = {path: 'status.json', mode: 0o644, compose: () => ''};
		const publisher = new Publisher([file], {clock, log: () => {}, replace});
		publisher.touch();
		await clock.sleep(1);
		for (let change = 0; change < 10; change++) publisher.touch();
		await clock.sleep(12 * SECOND);
		await publisher.close();
		expect(times).toEqual([0, 250, 4750, 9250, 12_001]);
	});

	it.each([
		['keeps others busy no more than a fifth of the time', 100, 500],
		['is written every few seconds all the same', 3000, 4500],
	])('whose text takes long %s', async (_, took, gap) => {
		const clock = new SimulatedClock(0);
		const times: number[] = [];
		const replace = async () => {
			times.push(clock.now());
			await clock.sleep(took);
		};
		const publisher = new Publisher([{path: 'status.json', mode: 0o644, compose: () => ''}], {
			clock,
			log: () => {},
			replace,
		});
		while (times.length < 6) {
			publisher.touch();
			await clock.sleep(10);
		}
		await publisher.close();
		// How long it takes is known by the second one.
		const gaps = times.slice(2, 6).map((at, index) => at - (times[index + 1] ?? 0));
		for (const each of gaps) expect(Math.abs(each - gap)).toBeLessThanOrEqual(20);
	});
});
