import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {instancePaths} from '../../supervisor/instance/paths.ts';
import {bootId} from '../../supervisor/instance/state-file.ts';
import {supervise} from '../../supervisor/supervisor.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'supervisor-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

/** What a supervisor left that was killed. */
function leaveState(stateFile: string): void {
	const shift = {startedAt: 0, deadline: null, deadlineAt: null, deadlineWall: null};
	const state = {schema: 2, bootId: bootId(), run: 'nobody-has-this-mark', shift, workers: [], sandboxes: []};
	writeFileSync(stateFile, JSON.stringify(state), {mode: 0o600});
}

it('a supervisor that is asked twice to end while it still ends what its predecessor left, ends in good order', async () => {
	const paths = instancePaths(path.join(folder, 'status.json'));
	const config = path.join(folder, 'config.yaml');
	const sandboxes = [{name: 'alpha', exec: ['false']}];
	const logFile = path.join(folder, 'log');
	writeFileSync(config, JSON.stringify({statusFile: paths.statusFile, logFile, sandboxes}), {mode: 0o600});
	leaveState(paths.stateFile);
	const before = process.listenerCount('SIGTERM');
	const life = supervise({config, environment: {}}, {logLevel: 'error'});
	while (process.listenerCount('SIGTERM') === before) await new Promise(resolve => setImmediate(resolve));
	process.listeners('SIGTERM').at(-1)?.('SIGTERM');
	process.listeners('SIGTERM').at(-1)?.('SIGTERM');
	expect(await life).toBe('stopped');
	expect(process.listenerCount('SIGTERM')).toBe(before);
});
