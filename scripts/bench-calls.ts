// What a host comes to that polls more sandboxes by calls of the CLI than fit: 64 of them, a call of 1.2 CPU seconds, with none, one and half of them
// hanging. How soon a request is approved, against the interval that the status states; `node scripts/bench-calls.ts`, after a build, takes about
// twenty minutes; exit code 1 where something that is to be reached is missed.
//   --n N               so many sandboxes, 64 unless told
//   --requests N        so many of them ask, 32 unless told
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {table} from '../supervisor/commands/table.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {Pairkeeper} from '../test/support/pairkeeper.ts';
import {until} from '../test/support/until.ts';
import {judge, machine, milliseconds, percentile} from './support/figures.ts';
import {interruption} from './support/interruption.ts';

const runTimeoutMs = 10_000;
/** Between two asks, in milliseconds: they come while others are still waiting. */
const askEveryMs = 2000;
const patience = {timeoutMs: 900_000, everyMs: 100};
const openclaw = resolve(import.meta.dirname, 'support/costly-openclaw.ts');

const {values: options} = parseArgs({
	options: {n: {type: 'string', default: '64'}, requests: {type: 'string', default: '32'}},
});
const count = wholeNumber('--n', options.n);
const requests = Math.min(wholeNumber('--requests', options.requests), Math.floor(count / 2));
const signal = interruption();

/** How many of the sandboxes hang, and how much later the others may be served for that, by the 99th percentile. */
const cases = [
	{hanging: 0, times: null},
	{hanging: 1, times: 1.25},
	{hanging: Math.floor(count / 2), times: 2},
] as const;

interface Sandbox {
	readonly name: string;
	readonly folder: string;
	readonly hangs: boolean;
}

/** What became of one request; milliseconds. */
interface Served {
	readonly latency: number;
	/** As the status stated when it was asked. */
	readonly interval: number;
}

interface Result {
	readonly served: readonly Served[];
	/** Of sandboxes that do not hang. */
	readonly timedOut: number;
	readonly calls: number;
}

console.log(`${machine()}; ${count} sandboxes, ${requests} requests`);
try {
	const results: {hanging: number; times: number | null; result: Result}[] = [];
	for (const {hanging, times} of cases) results.push({hanging, times, result: await measure(hanging)});
	report(results);
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
}

async function measure(hanging: number): Promise<Result> {
	signal.throwIfAborted();
	console.log(`${hanging} hang`);
	const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-bench-'));
	guardFolder(folder);
	let pairkeeper: Pairkeeper | undefined;
	try {
		const sandboxes = await makeSandboxes(folder, hanging);
		const healthy = sandboxes.filter(({hangs}) => !hangs);
		pairkeeper = await Pairkeeper.start(folder, configOf(sandboxes), {signal});
		// By the second list each knows how long it waits, and who hangs has been found out.
		for (const sandbox of healthy)
			await until(`two lists of ${sandbox.name}`, async () => (await callsOf(sandbox)).answered >= 2, {
				...patience,
				signal,
			});
		const asking = healthy.slice(0, requests).map(async (sandbox, index) => {
			await sleep(index * askEveryMs, undefined, {signal});
			return serve(pairkeeper as Pairkeeper, sandbox, index);
		});
		const served = await Promise.all(asking);
		const calls = await Promise.all(healthy.map(callsOf));
		const sum = (of: (each: Calls) => number) => calls.reduce((total, each) => total + of(each), 0);
		return {served, timedOut: sum(({late}) => late), calls: sum(({answered, late}) => answered + late)};
	} finally {
		await pairkeeper?.stop();
		await rm(folder, {recursive: true, force: true});
		unguard(folder);
	}
}

function configOf(sandboxes: readonly Sandbox[]): object {
	return {
		deadline: 'never',
		runTimeout: runTimeoutMs / 1000,
		openclaw,
		sandboxes: sandboxes.map(({name, folder}) => ({name, transport: 'cli', env: {OPENCLAW_STATE_DIR: folder}})),
	};
}

/** Asks in that sandbox, and waits until the request is gone. */
async function serve(pairkeeper: Pairkeeper, {name, folder}: Sandbox, index: number): Promise<Served> {
	const file = join(folder, 'request.json');
	const {interval} = await pairkeeper.statusOf(name);
	const deviceId = index.toString(16).padStart(64, '0');
	const client = {clientId: 'cli', clientMode: 'cli', role: 'operator', roles: ['operator']};
	const request = {requestId: `r-${index}`, deviceId, publicKey: deviceId, ...client, scopes: ['operator.read']};
	// In one step, since a call may be looking.
	await writeFile(`${file}.new`, JSON.stringify({...request, ts: Date.now()}));
	await rename(`${file}.new`, file);
	const began = performance.now();
	await until(`${name} to be approved`, () => !existsSync(file), {...patience, signal});
	return {latency: performance.now() - began, interval: interval * 1000};
}

/** The hanging ones stand between the others, as on a real host. */
async function makeSandboxes(folder: string, hanging: number): Promise<Sandbox[]> {
	return Promise.all(
		Array.from({length: count}, async (_, index) => {
			const name = `s${index}`;
			const sandbox = {name, folder: join(folder, name), hangs: index % 2 === 0 && index / 2 < hanging};
			await mkdir(sandbox.folder, {mode: 0o700});
			await writeFile(join(sandbox.folder, 'calls.log'), '');
			if (sandbox.hangs) await writeFile(join(sandbox.folder, 'hangs'), '');
			return sandbox;
		}),
	);
}

interface Calls {
	readonly answered: number;
	/** Without an answer, and over: by the bound on a call. */
	readonly late: number;
}

async function callsOf({folder}: Sandbox): Promise<Calls> {
	const lines = (await readFile(join(folder, 'calls.log'), 'utf8')).split('\n').map(line => line.split(' '));
	const begun = lines.filter(([, , what]) => what === 'begin');
	const ended = new Set(lines.flatMap(([pid, , what]) => (what === 'end' ? pid : [])));
	const now = Number(process.hrtime.bigint() / 1_000_000n);
	const late = begun.filter(([pid, , , at]) => !ended.has(pid) && now - Number(at) >= runTimeoutMs);
	return {answered: ended.size, late: late.length};
}

function report(results: readonly {hanging: number; times: number | null; result: Result}[]): void {
	const figures = results.map(({hanging, times, result}) => {
		const latencies = result.served.map(({latency}) => latency).sort((a, b) => a - b);
		const share = Math.max(...result.served.map(({latency, interval}) => latency / (2 * interval)));
		const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
		return {hanging, times, p50, p99, share, timedOut: result.timedOut, calls: result.calls};
	});
	const rows = figures.map(({hanging, p50, p99, share, timedOut, calls}) => [
		`${hanging} of ${count}`,
		String(calls),
		String(timedOut),
		milliseconds(p50),
		milliseconds(p99),
		share.toFixed(2),
	]);
	const head = ['HANG', 'CALLS OF THE OTHERS', 'TIMED OUT', 'P50', 'P99', 'OF TWICE THE STATED INTERVAL, AT MOST'];
	console.log(`\nFrom a request to its approval; ${machine()}\n${table(head, rows)}\n`);
	const alone = figures[0]?.p99 ?? Number.NaN;
	const plain = (value: number) => value.toFixed(2);
	const verdicts = figures.flatMap(({hanging, times, p99, share, timedOut}) => [
		judge(`${hanging} hang: calls of the others that timed out`, timedOut, 0, String),
		judge(`${hanging} hang: approved within twice the stretched interval`, share, 1, plain),
		...(times === null ? [] : [judge(`${hanging} hang: p99 against none`, p99 / alone, times, plain)]),
	]);
	if (!verdicts.every(Boolean)) process.exitCode = 1;
}

function wholeNumber(option: string, text: string): number {
	const value = Number(text);
	if (!Number.isInteger(value) || value < 2) throw new Error(`${option} ${text}: a whole number from 2 on`);
	return value;
}
