import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {PassThrough} from 'node:stream';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {watchScreen} from '../../supervisor/commands/watch-screen.ts';
import {isoTime} from '../../worker/clock.ts';
import {until} from '../support/until.ts';
import {composedStatus} from './composed-status.ts';

const ENTER = '\u001b[?1049h';
const LEAVE = '\u001b[?1049l';

let folder: string;
let file: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'pairkeeper-unit-'));
	file = join(folder, 'status.json');
	await writeFile(file, statusBy(process.pid));
});
afterEach(() => rm(folder, {recursive: true, force: true}));

function statusBy(pid: number): string {
	const now = Date.now();
	return JSON.stringify(composedStatus(now, 3, false, {pid, updatedAt: isoTime(now)}));
}

/** A terminal whose keys are typed by the test, and whose screen it reads. */
function fakeTerminal(columns = 80, rows = 24) {
	let shown = '';
	const modes: boolean[] = [];
	const input = Object.assign(new PassThrough(), {setRawMode: (isRaw: boolean) => modes.push(isRaw)});
	const output = Object.assign(new PassThrough(), {columns, rows});
	output.setEncoding('utf8');
	output.on('data', (text: string) => {
		shown += text;
	});
	return {input, output, modes, shown: () => shown};
}

describe('the live screen on a terminal', () => {
	it('takes the alternate screen, and gives it back when it is quit', async () => {
		const terminal = fakeTerminal();
		const ended = watchScreen(() => file, terminal);
		await until('the first screen', () => terminal.shown().includes('team-a-001'));
		expect(terminal.shown().startsWith(ENTER)).toBe(true);
		terminal.input.write('q');
		expect(await ended).toBe(0);
		await until('the old screen', () => terminal.shown().endsWith(LEAVE));
		expect(terminal.modes).toEqual([true, false]);
	});

	it('is drawn anew when the terminal gets another size', async () => {
		const terminal = fakeTerminal();
		const ended = watchScreen(() => file, terminal);
		await until('the first screen', () => terminal.shown().includes('team-a-001'));
		expect(terminal.shown()).not.toContain('RESTARTS');
		terminal.output.columns = 200;
		terminal.output.emit('resize');
		await until('the wider screen', () => terminal.shown().includes('RESTARTS'));
		terminal.input.write('q');
		await ended;
	});

	it('gives the screen back when something fails', async () => {
		const terminal = fakeTerminal();
		let looks = 0;
		// A supervisor that is gone is looked for again.
		await writeFile(file, statusBy(2 ** 22 + 1));
		const find = () => {
			if (looks++ > 0) throw new Error('odd');
			return file;
		};
		await expect(watchScreen(find, terminal)).rejects.toThrow('odd');
		await until('the old screen', () => terminal.shown().endsWith(LEAVE));
		expect(terminal.modes).toEqual([true, false]);
	});

	it('ends with 3 where nobody supervises', async () => {
		const terminal = fakeTerminal();
		await writeFile(file, statusBy(2 ** 22 + 1));
		const ended = watchScreen(() => file, terminal);
		await until('the banner', () => terminal.shown().includes('STALE since'));
		terminal.input.write('q');
		expect(await ended).toBe(3);
	});
});
