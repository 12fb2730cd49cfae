import {spawnSync} from 'node:child_process';
import {expect, test} from 'vitest';
import {launcher} from '../support/pairkeeper.ts';

/** The machine's own Node where that is too old for pairkeeper, or `null`. */
const oldNode =
	['/usr/bin/node', '/usr/local/bin/node', '/usr/bin/nodejs'].find(file => {
		const [major = 99] = /\d+/.exec(spawnSync(file, ['--version'], {encoding: 'utf8'}).stdout ?? '')?.map(Number) ?? [];
		return major < 22;
	}) ?? null;

test.skipIf(oldNode === null)('a Node that is too old is told so clearly, with what to do', () => {
	const {status, stdout, stderr} = spawnSync(oldNode ?? '', [launcher, 'status'], {encoding: 'utf8'});
	expect({status, stdout}).toEqual({status: 1, stdout: ''});
	expect(stderr).toMatch(/^pairkeeper needs Node 22\.19 or newer, and this is Node \d+\.\d+\.\d+ \(\/.*\)\.\n/);
	expect(stderr).toMatch(/npm install --global node@/);
	expect(stderr).not.toMatch(/SyntaxError|at .*:\d+:\d+/);
});
