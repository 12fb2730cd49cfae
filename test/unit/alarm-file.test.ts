import {chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {forgetAlarms, readAlarms, rememberAlarm, retainAlarms} from '../../supervisor/instance/alarm-file.ts';

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'alarm-file-'));
	file = path.join(folder, 'alarms.json');
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

const alarm = (sandbox: string, reason = 'odd') => ({sandbox, configuration: 'c', reason});

it('alarms are remembered, one a sandbox, in a file of ours alone, until they are forgotten', () => {
	expect(readAlarms(file)).toEqual([]);
	for (const each of [alarm('a'), alarm('b'), alarm('a', 'odder')]) rememberAlarm(file, each);
	expect(readAlarms(file)).toEqual([alarm('b'), alarm('a', 'odder')]);
	expect(statSync(file).mode & 0o777).toBe(0o600);
	expect(readdirSync(folder)).toEqual(['alarms.json']);
	forgetAlarms(file);
	forgetAlarms(file);
	expect(readAlarms(file)).toEqual([]);
});

it('alarms that stand no more are forgotten, and those that cannot be written are complained of', () => {
	for (const each of [alarm('a'), alarm('b')]) expect(rememberAlarm(file, each)).toBeNull();
	retainAlarms(file, ({sandbox}) => sandbox === 'b');
	expect(readAlarms(file)).toEqual([alarm('b')]);
	const nowhere = path.join(folder, 'none', 'alarms.json');
	expect(rememberAlarm(nowhere, alarm('a'))).toMatch(`the alarm is not remembered, since ${nowhere} cannot be written`);
});

it('a file that cannot be written keeps what it has', () => {
	// There is room for its name, and none for that of the file that would take its place.
	const long = path.join(folder, 'a'.repeat(250));
	writeFileSync(long, JSON.stringify({schema: 1, alarms: [alarm('a')]}), {mode: 0o600});
	retainAlarms(long, () => false);
	expect(readAlarms(long)).toEqual([alarm('a')]);
});

it.each<[string, () => void]>([
	['can be read by others', () => chmodSync(file, 0o644)],
	['is a link', () => symlinkSync(file, `${file}.link`)],
])('a file that %s is not believed', (_, change) => {
	rememberAlarm(file, alarm('a'));
	change();
	expect(readAlarms(readdirSync(folder).includes('alarms.json.link') ? `${file}.link` : file)).toEqual([]);
});
