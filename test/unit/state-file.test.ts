import {chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {startTimeOf} from '../../supervisor/instance/leftovers.ts';
import {FileLock} from '../../supervisor/instance/lock.ts';
import {
	amendState,
	bootId,
	forgetState,
	readState,
	type SupervisorState,
} from '../../supervisor/instance/state-file.ts';

const state: SupervisorState = {
	schema: 2,
	bootId: bootId(),
	run: 'run',
	shift: {startedAt: 1, deadlineAt: 2, deadline: 1, deadlineWall: null},
	workers: [{pid: 7, startTime: '9'}],
	sandboxes: [],
};

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'state-file-'));
	file = path.join(folder, 'state.json');
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

function write(text: string, mode = 0o600): void {
	writeFileSync(file, text);
	chmodSync(file, mode);
}

describe('the state that a killed supervisor left', () => {
	it('is read as it was written', () => {
		write(JSON.stringify(state));
		expect(readState(file)).toEqual(state);
	});

	it.each<[string, () => void]>([
		['there is none', () => {}],
		['it is of another boot', () => write(JSON.stringify({...state, bootId: 'another'}))],
		['it is of another version', () => write(JSON.stringify({...state, schema: 1}))],
		['it is cut short', () => write(JSON.stringify(state).slice(0, -5))],
		['it is empty', () => write('')],
		['others may read or write it', () => write(JSON.stringify(state), 0o644)],
		[
			'it is a link',
			() => {
				writeFileSync(path.join(folder, 'target'), JSON.stringify(state), {mode: 0o600});
				symlinkSync('target', file);
			},
		],
	])('is not believed when %s', (_, prepare) => {
		prepare();
		expect(readState(file)).toBeNull();
	});

	it('is amended by whoever works without a supervisor, unless one has started, or there is none', async () => {
		const paths = {stateFile: file, lockFile: path.join(folder, 'lock')};
		const amended = () => amendState(paths, before => ({...before, workers: []}));
		expect(await amended()).toBe(true);
		expect(readState(file)).toBeNull();
		write(JSON.stringify(state));
		const supervisor = await FileLock.acquire(paths.lockFile);
		expect([await amended(), readState(file)]).toEqual([false, state]);
		supervisor?.release();
		expect([await amended(), readState(file)]).toEqual([true, {...state, workers: []}]);
	});

	it('is forgotten after a clean end, even twice', () => {
		write(JSON.stringify(state));
		forgetState(file);
		forgetState(file);
		expect(readState(file)).toBeNull();
	});
});

describe('the start time of a process', () => {
	it('names it for good', () => {
		expect(startTimeOf(process.pid)).toMatch(/^\d+$/);
		expect(startTimeOf(process.pid)).toBe(startTimeOf(process.pid));
	});

	it('is none when it is gone', () => {
		expect(startTimeOf(2 ** 22 + 1)).toBeNull();
		expect(startTimeOf(-1)).toBeNull();
	});
});
