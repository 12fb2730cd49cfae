import {execFileSync, spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {readFileSync, writeFileSync} from 'node:fs';
import {mkdtemp, open, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect, it, vi} from 'vitest';
import {CompiledCode} from '../../supervisor/sandbox/compiled-code.ts';

const script = Buffer.from('// A script');
const compiled = Buffer.from('compiled');
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest();
const given = {code: compiled.toString('base64'), source: sha256(script).toString('hex')};
/** The script, what is compiled, a digest of that, how long the script is. */
const content = Buffer.concat([script, compiled, sha256(compiled), Buffer.from([script.length, 0, 0, 0])]);
const [first, second] = [{}, {}];
const end = {wasTryingCode: false, code: 0, signal: null};

let folder: string;
let code: CompiledCode;

beforeEach(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'pairkeeper-test-'));
	vi.stubEnv('TMPDIR', folder);
	writeFileSync(path.join(folder, 'main.cjs'), script);
	code = new CompiledCode(path.join(folder, 'main.cjs'));
});

afterEach(async () => {
	vi.unstubAllEnvs();
	await rm(folder, {recursive: true, force: true});
});

it('is asked of one worker, and of the next where that has ended before it gave any', () => {
	expect(code.wants(first)).toBe(true);
	expect(code.wants(second)).toBe(false);
	code.ended(second, end);
	expect(code.wants(second)).toBe(false);
	code.ended(first, end);
	expect(code.wants(second)).toBe(true);
});

it('is what that worker gave, with the script, in a file that can be read as often as there are workers and has no name', async () => {
	code.wants(first);
	code.keep(first, given);
	const {descriptor} = code;
	expect(readFileSync(`/proc/self/fd/${descriptor}`)).toEqual(content);
	expect(readFileSync(`/proc/self/fd/${descriptor}`)).toEqual(content);
	expect(await readdir(folder)).toEqual(['main.cjs']);
	expect(code.wants(second)).toBe(false);
});

it('has no name while it is written either, so that a supervisor that is killed meanwhile leaves nothing', async () => {
	const fifo = path.join(folder, 'main.cjs');
	await rm(fifo);
	execFileSync('mkfifo', [fifo]);
	// It waits for whoever writes the script.
	const module = path.resolve(import.meta.dirname, '../../supervisor/sandbox/compiled-code.ts');
	const program = `const code = new CompiledCode(${JSON.stringify(fifo)}); code.wants(code); code.keep(code, {code: '', source: ''});`;
	const keeper = spawn(
		process.execPath,
		['--input-type=module', '-e', `import {CompiledCode} from ${JSON.stringify(module)}; ${program}`],
		{
			env: {...process.env, TMPDIR: folder},
			stdio: 'inherit',
		},
	);
	const end = once(keeper, 'exit');
	const writer = await Promise.race([open(fifo, 'w'), end]);
	if (Array.isArray(writer)) throw new Error(`It ended: ${writer}`);
	try {
		expect(await readdir(folder)).toEqual(['main.cjs']);
	} finally {
		keeper.kill('SIGKILL');
		await end;
		await writer.close();
	}
});

it('is taken of nobody else, nor in any length', () => {
	code.wants(first);
	code.keep(second, given);
	expect(code.descriptor).toBeNull();
	code.keep(first, {...given, code: 'A'.repeat(9 * 2 ** 20)});
	expect(code.descriptor).toBeNull();
});

it('is done without where another script is installed since, and asked for no more', () => {
	code.wants(first);
	writeFileSync(path.join(folder, 'main.cjs'), '// Another');
	code.keep(first, given);
	expect(code.descriptor).toBeNull();
	code.ended(first, end);
	expect(code.wants(second)).toBe(false);
});

it('is done without where there is no room for it, and asked for no more', () => {
	vi.stubEnv('TMPDIR', path.join(folder, 'none'));
	code.wants(first);
	code.keep(first, given);
	expect(code.descriptor).toBeNull();
	code.ended(first, end);
	expect(code.wants(second)).toBe(false);
});

it.each([
	['by a fault before it says anything', {wasTryingCode: true, code: null, signal: 'SIGTRAP'}, true],
	['by an error before it says anything', {wasTryingCode: true, code: 1, signal: null}, true],
	['by a fault later', {wasTryingCode: false, code: null, signal: 'SIGSEGV'}, false],
	['because somebody kills it', {wasTryingCode: true, code: null, signal: 'SIGKILL'}, false],
])('once a worker ends %s, it is dropped: %o, %s', (_, ending, isDropped) => {
	code.wants(first);
	code.keep(first, given);
	code.ended(second, ending);
	expect(code.descriptor === null).toBe(isDropped);
	expect(code.wants(second)).toBe(false);
});
