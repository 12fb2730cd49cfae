import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	existsSync,
	linkSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {LogFile} from '../../supervisor/log/file.ts';
import {logFileProblem, openLog} from '../../supervisor/log/path.ts';
import {problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'log-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

const at = (name: string) => path.join(folder, name);
const isRoot = process.getuid?.() === 0;

describe('a log cannot be kept', () => {
	it('where its directory is missing, and none is created', () => {
		const problem = `its directory ${at('a/b')} does not exist; create it, or name a file elsewhere`;
		expect(problemsIn(`\nlogFile: ${at('a/b/log')}`)).toEqual([`FILE:2: logFile: ${problem}`]);
		expect(() => openLog(at('a/b/log'))).toThrow(problem);
		expect(existsSync(at('a'))).toBe(false);
	});

	it.each([
		['/proc/nope/x.log', /no log can be kept in \/proc\/nope, which is the kernel's/],
		['/proc/self/x.log', /no log can be kept in \/proc\/self/],
		['/sys/x.log', /no log can be kept in \/sys/],
		['/dev/null', /is not a regular file/],
		['/tmp', /is a directory/],
		['/etc/passwd/x.log', /is not a directory|cannot be looked at/],
	])('in %s, and nobody waits', (file, problem) => {
		expect(logFileProblem(file)).toMatch(problem);
		expect(() => openLog(file)).toThrow(problem);
	});

	it('in a pipe that nobody reads', () => {
		execFileSync('mkfifo', [at('pipe')]);
		expect(logFileProblem(at('pipe'))).toMatch(/is not a regular file/);
	});

	it('in a directory where others could plant a link', () => {
		mkdirSync(at('open'));
		chmodSync(at('open'), 0o777);
		expect(logFileProblem(at('open/log'))).toMatch(/others could replace files in .*open.*name a file elsewhere/);
		expect(logFileProblem(at('open/log'))).not.toMatch(/chmod|chown/);
	});

	it('under a second name of some file where a group may write', () => {
		mkdirSync(at('shared'));
		writeFileSync(at('precious'), '');
		linkSync(at('precious'), at('shared/log'));
		expect(logFileProblem(at('shared/log'))).toBeNull();
		chmodSync(at('shared'), 0o775);
		expect(logFileProblem(at('shared/log'))).toMatch(/with another name too.*remove it/);
		expect(() => openLog(at('shared/log'))).toThrow(/another name/);
	});

	it.runIf(isRoot)('behind a link of somebody else, nor in a file of theirs', () => {
		writeFileSync(at('target'), 'precious');
		symlinkSync(at('target'), at('link'));
		execFileSync('chown', ['-h', '65534', at('link')]);
		expect(logFileProblem(at('link'))).toMatch(/is a link that others could have made/);
		expect(() => openLog(at('link'))).toThrow(/logFile: is a link/);
		execFileSync('chown', ['65534', at('target')]);
		expect(logFileProblem(at('target'))).toMatch(/belongs to user 65534/);
	});
});

describe('a log', () => {
	it('may be where its daemon’s group may write too, and behind a link of ours', () => {
		mkdirSync(at('shared'));
		chmodSync(at('shared'), 0o775);
		expect(logFileProblem(at('shared/log'))).toBeNull();
		writeFileSync(at('real'), '');
		symlinkSync(at('real'), at('link'));
		expect(logFileProblem(at('link'))).toBeNull();
	});

	it('may be right in a directory that all share, such as /tmp, once it is ours', () => {
		expect(logFileProblem(path.join('/tmp', path.basename(folder), 'log'))).toBeNull();
		expect(logFileProblem(`/tmp/${path.basename(folder)}.log`)).toBeNull();
	});

	it('is only looked at by a check', () => {
		expect(logFileProblem(at('log'))).toBeNull();
		expect(existsSync(at('log'))).toBe(false);
	});

	it('has all that was said when it is closed, over a rotation too', async () => {
		const log = new LogFile({level: 'info', file: at('log'), format: 'json'});
		log.log('info', 'one');
		execFileSync('mv', [at('log'), at('log.1')]);
		log.reopen();
		log.log('info', 'two');
		await log.close();
		expect(readFileSync(at('log'), 'utf8')).toMatch(/^\{.*"two".*\}\n$/);
		expect(readFileSync(at('log.1'), 'utf8')).toMatch(/^\{.*"one".*\}\n$/);
		expect(log.warnings).toEqual([]);
	});
});
