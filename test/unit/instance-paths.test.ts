import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {assertUsable, InstancePathError, instancePaths, prepareDirectory} from '../../supervisor/instance/paths.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-unit-'));
});
afterEach(() => rmSync(folder, {recursive: true, force: true}));

it.each([
	['/tmp/x.json', 'can be written by other users'],
	['/proc/x.json', "no file can be kept in /proc, which is the kernel's"],
	['/sys/none/x.json', "no file can be kept in /sys/none, which is the kernel's"],
	['/usr', '/usr is a directory; name a file in it: /usr/status.json'],
	[`/var/${'long/'.repeat(20)}status.json`, 'is too long for a socket'],
])('a status file at %s is refused before anything is made, by run and by check', (statusFile, message) => {
	const paths = instancePaths(statusFile);
	for (const act of [assertUsable, prepareDirectory]) {
		expect(() => act(paths)).toThrow(InstancePathError);
		expect(() => act(paths)).toThrow(message);
	}
});

it('a status file whose directory is missing is fine, and checking it makes none', () => {
	assertUsable(instancePaths(path.join(folder, 'a', 'b', 'status.json')));
	expect(readdirSync(folder)).toEqual([]);
});
