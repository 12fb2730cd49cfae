import {type ChildProcess, fork} from 'node:child_process';
import {once} from 'node:events';
import {
	closeSync,
	copyFileSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {CompiledCode} from '../../supervisor/sandbox/compiled-code.ts';
import {browserAsk, cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test as instanceTest} from '../support/with-instance.ts';
import {workerConfigOf} from '../unit/sandbox-fixtures.ts';

const launcher = path.resolve(import.meta.dirname, '../../dist/worker/launcher.cjs');
const script = path.resolve(import.meta.dirname, '../../dist/worker/main.cjs');

let folder: string;

beforeEach(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'pairkeeper-test-'));
});

afterEach(async () => {
	await rm(folder, {recursive: true, force: true});
});

/** What a worker's process gives, as the supervisor keeps it: one that gets that for compiled code, if anything, and does so much. */
async function compiledBy(given: Buffer | null, work: (worker: ChildProcess) => Promise<void>): Promise<Buffer> {
	const worker = forkWith(given);
	try {
		await work(worker);
		return await codeOf(worker);
	} finally {
		worker.kill('SIGKILL');
		await once(worker, 'exit');
	}
}

function forkWith(given: Buffer | null, program = launcher): ChildProcess {
	if (given === null) return fork(program, ['test'], {stdio: ['ignore', 'inherit', 'inherit', 'ipc']});
	const file = path.join(folder, 'code');
	writeFileSync(file, given);
	const descriptor = openSync(file, 'r');
	const worker = fork(program, ['test', '--compiled'], {stdio: ['ignore', 'inherit', 'inherit', 'ipc', descriptor]});
	closeSync(descriptor);
	return worker;
}

async function codeOf(worker: ChildProcess): Promise<Buffer> {
	const answer = new Promise<{readonly code: string; readonly source: string}>(resolve => {
		worker.on('message', (message: {readonly kind: string; readonly code: string; readonly source: string}) => {
			if (message.kind === 'compiled') resolve(message);
		});
	});
	worker.send({kind: 'compile'});
	const code = new CompiledCode(script);
	code.wants(worker);
	code.keep(worker, await answer);
	if (code.descriptor === null) throw new Error('It was not kept');
	const content = readFileSync(`/proc/self/fd/${code.descriptor}`);
	closeSync(code.descriptor);
	return content;
}

/** How much of it is compiled code, in bytes. */
const lengthOf = (content: Buffer) => content.length - statSync(script).size;

const nothing = async () => {};

/** Has it fail to find its gateway, for which it compiles much more than to be there. */
async function failOnce(worker: ChildProcess): Promise<void> {
	const gateway = {
		url: 'ws://127.0.0.1:1',
		tokenFile: '/none',
		tokenCommand: [],
		fingerprint: null,
		allowInsecure: false,
	};
	const config = workerConfigOf({transport: 'gateway', gateway});
	const failed = new Promise<void>(resolve => {
		worker.on('message', ({kind}: {readonly kind: string}) => kind === 'checkpoint' && resolve());
	});
	worker.send({
		kind: 'start',
		config,
		owner: 'test/test',
		task: {kind: 'watch'},
		checkpoint: null,
		avoidGatewayUntil: null,
	});
	await failed;
}

it('a worker starts with what another one has compiled', async () => {
	const bare = await compiledBy(null, nothing);
	const rich = await compiledBy(null, failOnce);
	expect(lengthOf(rich)).toBeGreaterThan(lengthOf(bare) * 1.2);
	// It has done nothing, and has compiled as much as if it had.
	const handedOn = await compiledBy(rich, nothing);
	expect(lengthOf(handedOn)).toBeGreaterThan(lengthOf(bare) * 1.2);
});

it.each([
	[
		'of another digest',
		(content: Buffer) =>
			Buffer.concat([content.subarray(0, -5), Buffer.from([(content.at(-5) ?? 0) ^ 1]), content.subarray(-4)]),
	],
	[
		'that is damaged where V8 does not look',
		(content: Buffer) => {
			const at = content.length - lengthOf(content) + 40_000;
			return Buffer.concat([content.subarray(0, at), Buffer.alloc(4096), content.subarray(at + 4096)]);
		},
	],
	['that is cut off', (content: Buffer) => content.subarray(0, content.length / 2)],
	['that is none', () => Buffer.from('no code')],
	['that is empty', () => Buffer.alloc(0)],
])('a worker compiles for itself where it gets code %s', async (_, change) => {
	const rich = await compiledBy(null, failOnce);
	const bare = await compiledBy(null, nothing);
	const own = await compiledBy(change(rich), nothing);
	expect(Math.abs(lengthOf(own) - lengthOf(bare))).toBeLessThan(lengthOf(bare) * 0.1);
});

it('a worker with code runs the script that came with it, whatever is installed by then', async () => {
	const rich = await compiledBy(null, failOnce);
	const other = Buffer.from('console.log("other")');
	const file = path.join(folder, 'launcher.cjs');
	copyFileSync(launcher, file);
	writeFileSync(path.join(folder, 'main.cjs'), other);
	const worker = forkWith(rich, file);
	try {
		await failOnce(worker);
	} finally {
		worker.kill('SIGKILL');
		await once(worker, 'exit');
	}
});

it.each([
	['without code', () => null],
	['with code that it cannot use', () => Buffer.from('no code')],
])('a worker %s ends as any when its supervisor is gone', async (_, given) => {
	const worker = forkWith(given());
	const end = once(worker, 'exit');
	await codeOf(worker);
	worker.disconnect();
	expect(await end).toEqual([1, null]);
});

it('a worker whose supervisor goes while it compiles ends as any', async () => {
	const worker = forkWith(null);
	const end = once(worker, 'exit');
	await codeOf(worker);
	worker.send({kind: 'compile'}, () => worker.disconnect());
	expect(await end).toEqual([1, null]);
});

it('no program that a worker starts gets the file that the code came by', async () => {
	const open: string[] = [];
	await compiledBy(Buffer.from('no code'), async worker => {
		await codeOf(worker);
		open.push(...filesOf(worker.pid));
	});
	expect(open.length).toBeGreaterThan(3);
	expect(open).not.toContain(path.join(folder, 'code'));
});

instanceTest('a supervisor keeps what its workers have compiled in a file without a name', async ({instance}) => {
	const alpha = await instance.sandbox('alpha');
	await alpha.pair(browserAsk('paired'));
	await instance.configure();
	await instance.start({env: {TMPDIR: folder}});
	const {pid} = await instance.untilSandbox('alpha', 'to be healthy', ({healthy}) => healthy);
	const named = () => filesOf(instance.pid).filter(file => file.startsWith(folder));
	await until('the code to be kept', () => named().length > 0);
	expect(named()).toEqual([expect.stringMatching(/\/code \(deleted\)$/)]);
	expect(readdirSync(folder)).toEqual([]);
	expect(await instance.statusOf('alpha')).toMatchObject({pid, restarts: 0});

	// The next but one, at the latest, is forked with it.
	const seen = new Set([pid]);
	for (let replaced = 0; replaced < 2; replaced++) {
		const {pid: worker} = await instance.statusOf('alpha');
		process.kill(worker ?? 0, 'SIGKILL');
		await instance.untilSandbox(
			'alpha',
			'to have another worker',
			({healthy, pid: next}) => healthy && !seen.has(next),
		);
		seen.add((await instance.statusOf('alpha')).pid);
	}
	await alpha.ask(cliAsk('cli-1'));
	await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
});

/** What a process has open. */
function filesOf(pid: number | undefined): string[] {
	const folder = `/proc/${pid}/fd`;
	return readdirSync(folder).flatMap(each => {
		try {
			return readlinkSync(path.join(folder, each));
		} catch {
			return [];
		}
	});
}
