import {chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {readTokenFile} from '../../worker/host/token-file.ts';
import {readToken} from '../../worker/transport/gateway/token.ts';
import type {Turns} from '../../worker/turns.ts';
import {freeTurns} from '../support/free-turns.ts';
import {isAlive} from '../support/processes.ts';
import {until} from '../support/until.ts';

const secret = 'a-secret-of-the-tests-42';
const isRoot = process.getuid?.() === 0;
let folder: string;

beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-token-'));
});
afterAll(() => rmSync(folder, {recursive: true, force: true}));

function fileWith(text: string, mode = 0o600): string {
	const file = path.join(folder, `token-${Math.random()}`);
	writeFileSync(file, text);
	chmodSync(file, mode);
	return file;
}

function errorOf(act: () => unknown): Error {
	try {
		act();
	} catch (error) {
		if (error instanceof Error) return error;
	}
	throw new Error('no error');
}

describe('a token file', () => {
	it('is read without the line break at its end', () => {
		expect(readTokenFile(fileWith(`${secret}\n`))).toBe(secret);
	});

	it('is found through links, and it is the file that counts, not the link', () => {
		const link = path.join(folder, 'link');
		symlinkSync(fileWith(secret), link);
		expect(readTokenFile(link)).toBe(secret);
		const open = path.join(folder, 'link-to-open');
		symlinkSync(fileWith(secret, 0o644), open);
		expect(() => readTokenFile(open)).toThrow(/can be read by other users.*chmod o-rwx/);
	});

	it.each([0o604, 0o602, 0o601, 0o644])('of mode %o is refused, with the remedy', mode => {
		expect(() => readTokenFile(fileWith(secret, mode))).toThrow(/can be read by other users.*chmod o-rwx/);
	});

	it.runIf(isRoot)('that its group can read is allowed where root owns it, and nowhere else', () => {
		const file = fileWith(secret, 0o640);
		expect(readTokenFile(file)).toBe(secret);
		chownSync(file, 65534, 65534);
		expect(() => readTokenFile(file)).toThrow(/can be read by its group.*chmod go-rwx/);
	});

	it.runIf(!isRoot)('that its group can read is refused where root does not own it', () => {
		expect(() => readTokenFile(fileWith(secret, 0o640))).toThrow(/can be read by its group.*chmod go-rwx/);
	});

	it('where somebody else could put another is refused: it would be sent to the gateway', () => {
		const shared = path.join(folder, 'shared');
		mkdirSync(shared);
		const file = path.join(shared, 'token');
		writeFileSync(file, secret, {mode: 0o600});
		expect(readTokenFile(file)).toBe(secret);
		chmodSync(shared, 0o777);
		expect(() => readTokenFile(file)).toThrow(/shared can be written by other users.*chmod go-w/);
	});

	it.runIf(isRoot)('of another user is refused: it could be exchanged for a link to any secret of ours', () => {
		const file = fileWith(secret);
		chownSync(file, 65534, 65534);
		expect(() => readTokenFile(file)).toThrow(/belongs to user 65534.*chown 0/);
	});

	it.each([
		['is empty', ''],
		['holds white space alone', ' \n\t\n'],
		['holds two lines', `${secret}\n${secret}\n`],
		['holds a control character', `${secret}\u0007`],
		['holds a NUL', `${secret}\0${secret}`],
		['is longer than any token', secret.repeat(500)],
	])('that %s is refused, without showing it', (_, text) => {
		const {message} = errorOf(() => readTokenFile(fileWith(text)));
		expect(message).toMatch(/holds no token|holds something that is not a token/);
		expect(message).not.toContain(secret);
	});

	it('that is missing is named, and its error goes no further than the connection', async () => {
		const file = path.join(folder, 'missing');
		const bounds = {timeout: 1000, owner: 'test', turns: freeTurns, signal: new AbortController().signal};
		await expect(readToken({kind: 'file', file}, bounds)).rejects.toThrow(file);
	});
});

describe('a token command', () => {
	const never = new AbortController().signal;
	const run = (command: readonly string[], {timeout = 30_000, signal = never, turns = freeTurns} = {}) =>
		readToken({kind: 'command', command}, {timeout, owner: `token-test-${process.pid}`, turns, signal});

	it('gives the token on its output', async () => {
		expect(await run(['/bin/echo', secret])).toBe(secret);
	});

	it('runs without a shell', async () => {
		expect(await run(['/bin/echo', '$(id)`id`;id|id'])).toBe('$(id)`id`;id|id');
		await expect(run([`echo ${secret}`])).rejects.toThrow(/could not be started/);
	});

	it.each([
		['fails', `echo ${secret}; echo ${secret} >&2; exit 3`, /exited with 3/],
		['ends by a signal', `echo ${secret}; kill -KILL $$`, /exited with a signal/],
		['prints nothing', `echo ${secret} >&2`, /holds no token/],
		['prints more than a token', `echo ${secret} ${secret}`, /holds something that is not a token/],
		['prints without end', `yes ${secret}`, /larger than/],
	])('that %s is refused, without showing what it printed', async (_, script, problem) => {
		const error = await run(['/bin/sh', '-c', script]).catch((reason: unknown) => reason);
		expect(error).toBeInstanceOf(Error);
		expect((error as Error).message).toMatch(problem);
		expect((error as Error).message).not.toContain(secret);
	});

	it('that takes too long is ended, and its children with it', async () => {
		const pidFile = path.join(folder, 'pid');
		const script = `sleep 1000 & echo $! >${pidFile}; trap '' TERM; wait; sleep 1000`;
		await expect(run(['/bin/sh', '-c', script], {timeout: 500})).rejects.toThrow(
			/tokenCommand.*no answer within 0\.5 s/,
		);
		const pid = Number(readFileSync(pidFile, 'utf8'));
		await until('the child to be ended', () => !isAlive(pid));
	});

	it.each([
		['printf a-token-of-the-tests', 'answered'],
		['exit 1', 'failed'],
		['exec sleep 1000', 'timeout'],
	])('takes a turn among the calls of the host: `%s` has %s', async (script, outcome) => {
		const log: string[] = [];
		const turns: Turns = {
			take: async kind => {
				log.push(kind);
				return {id: 1, over: how => void log.push(how)};
			},
		};
		await run(['/bin/sh', '-c', script], {timeout: 500, turns}).catch(() => {});
		expect(log).toEqual(['token', outcome]);
	});

	it('is ended when the worker stops', async () => {
		const stopping = new AbortController();
		const running = run(['/bin/sleep', '1000'], {signal: stopping.signal});
		stopping.abort(new Error('stopped'));
		await expect(running).rejects.toThrow('stopped');
	});
});
