import {spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, describe, expect, it} from 'vitest';
import {plainEnvironment} from '../support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'pairkeeper-units-'));
afterAll(() => rmSync(folder, {recursive: true}));

/** The unit as it would be installed, with a program that there is, since systemd looks whether it can be run. */
function installed(file: string): {readonly text: string; readonly path: string} {
	const text = readFileSync(join(import.meta.dirname, '../../scripts/packaging/systemd', file), 'utf8');
	const path = join(folder, file);
	writeFileSync(path, text.replace('ExecStart=/usr/bin/pairkeeper ', `ExecStart=${process.execPath} `));
	return {text, path};
}

function analyze(...args: readonly string[]) {
	const {status, stdout, stderr} = spawnSync('systemd-analyze', args, {env: plainEnvironment(), encoding: 'utf8'});
	return {status, said: `${stdout}${stderr}`};
}

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

describe.skipIf(!hasSystemd)('the systemd unit', () => {
	it.each(['pairkeeper.service', 'pairkeeper-user.service'])('%s is one that systemd finds no fault with', file => {
		const {path, text} = installed(file);
		expect(readFileSync(path, 'utf8')).not.toBe(text);
		expect(analyze('verify', '--man=no', path)).toEqual({status: 0, said: ''});
	});

	it('of the host is exposed no more than 3.0 of 10', () => {
		const {path} = installed('pairkeeper.service');
		const {status, said} = analyze('security', '--no-pager', '--offline=true', '--threshold=30', path);
		expect(said).toMatch(/Overall exposure level/);
		expect(status).toBe(0);
	});
});
