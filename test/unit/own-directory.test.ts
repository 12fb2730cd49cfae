import {chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {loadConfig} from '../../supervisor/config/load.ts';
import {findConfig} from '../../supervisor/config/locate.ts';
import {isOursToChange} from '../../supervisor/host/own-directory.ts';
import {defaultStatusFile, instancePaths, prepareDirectory} from '../../supervisor/instance/paths.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'own-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

const isRoot = process.getuid?.() === 0;
const prepare = (statusFile: string) => prepareDirectory(instancePaths(statusFile));

describe('a remedy touches no directory that is not ours to change:', () => {
	it('a status file right in a directory that all share belongs elsewhere', () => {
		expect(() => prepare('/tmp/x.json')).toThrow(
			/^\/tmp is not a safe place for the status file.*name a file in a directory that only you can change: statusFile: \/\S+\/status\.json$/,
		);
		expect(() => prepare('/tmp/x.json')).not.toThrow(/chmod|chown/);
	});

	it('so does one below a directory that somebody else can write', () => {
		mkdirSync(path.join(folder, 'run'), {mode: 0o700});
		expect(() => prepare(path.join(folder, 'run/status.json'))).not.toThrow();
		chmodSync(folder, 0o1777);
		if (isRoot) expect(() => prepare(path.join(folder, 'run/status.json'))).not.toThrow();
		chmodSync(path.join(folder, 'run'), 0o770);
		expect(() => prepare(path.join(folder, 'run/status.json'))).toThrow(`fix: chmod go-w ${folder}/run`);
	});

	it('and a configuration in one', () => {
		const file = path.join(folder, 'config.yaml');
		writeFileSync(file, '', {mode: 0o600});
		chmodSync(folder, 0o3777);
		// Ours and sticky, but not root's: that is no protection from whoever else may write there.
		if (!isRoot)
			expect(() => loadConfig({config: file, environment: {}})).toThrow(/keep it as a file of your own in a directory/);
		chmodSync(folder, 0o777);
		expect(() => loadConfig({config: file, environment: {}})).toThrow(`fix: chmod go-w ${folder}`);
	});

	it.each(['/', '/tmp', '/var/tmp', '/etc', '/usr/local/bin', '/var/log', '/run', '/home', '/run/lock'])('%s', name => {
		expect(isOursToChange(name)).toBe(false);
	});

	it('our own are', () => {
		expect(isOursToChange(folder)).toBe(true);
	});
});

describe('the default places', () => {
	it('of the status file follow the session, also where the environment does not say it', () => {
		const uid = process.getuid?.() ?? 0;
		expect(defaultStatusFile({XDG_RUNTIME_DIR: '/run/user/5'}, 5)).toBe('/run/user/5/pairkeeper/status.json');
		expect(defaultStatusFile({}, 0)).toBe('/run/pairkeeper/status.json');
		const without = path.join(os.tmpdir(), 'pairkeeper-5', 'status.json');
		expect(defaultStatusFile({}, 5, folder)).toBe(without);
		// Relative, so it counts as not set.
		expect(defaultStatusFile({XDG_RUNTIME_DIR: 'here'}, 5, folder)).toBe(without);
		// There, but somebody else's.
		mkdirSync(path.join(folder, String(uid + 5)));
		expect(defaultStatusFile({}, uid + 5, folder)).toContain(`pairkeeper-${uid + 5}`);
	});

	it.runIf(isRoot)('of a user without an environment are in its runtime directory', () => {
		mkdirSync(path.join(folder, '5'));
		chownSync(path.join(folder, '5'), 5, 5);
		expect(defaultStatusFile({}, 5, folder)).toBe(path.join(folder, '5', 'pairkeeper', 'status.json'));
	});

	it('of the configuration are never in the working directory', () => {
		const find = () => findConfig({environment: {XDG_CONFIG_HOME: 'here', HOME: '.'}});
		let places = '';
		try {
			places = find();
		} catch (error) {
			places = String(error);
		}
		expect(places).not.toContain(process.cwd());
		expect(places).not.toMatch(/ (here|\.config)/);
	});
});
