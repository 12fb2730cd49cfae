// What one sandbox that floods costs the others: ten healthy ones on gateways with steady requests, and beside them one that floods with events, output,
// log lines, processes or memory. Each flood has a supervisor of its own, and is measured beside a quiet stretch before and after it. `npm run bench:flood`,
// fourteen minutes, or with `-- --quick` some six; exit 1 where the others' approvals take more than 1.25 times as long, or memory stays taken.
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {table} from '../supervisor/commands/table.ts';
import {Instance} from '../test/support/instance.ts';
import {ScriptedGateway, scriptedToken} from '../test/support/scripted-gateway.ts';
import {cliAsk, type ScriptedOpenclaw} from '../test/support/scripted-openclaw.ts';
import {judge, machine, milliseconds, percentile} from './support/figures.ts';
import {interruption} from './support/interruption.ts';
import {descendantsOf, residentOf} from './support/process-cost.ts';

const HEALTHY = 10;

/** Between two requests of one healthy sandbox, in milliseconds: all of them stay below what is approved for one sandbox in an hour. */
const GAP = 500;

/** How much longer the others' approvals may take, at their 99th percentile. */
const MOST = 1.25;

/** What may stay taken of memory after a flood, in bytes: heaps that have grown once do not shrink at once. */
const MOST_GROWTH = 64 * 2 ** 20;

/** Before anything is measured, in milliseconds: what is compiled at the first approvals, and heaps that grow with them, are no part of it. */
const WARM_UP = 20_000;

/** As the gateway that floods: what a sandbox does with its own share of the host's cores is not what is measured. */
const LOWLY = 'renice -n 19 $$ >/dev/null;';

/** What the sandbox floods with: by its gateway, or by the calls of its CLI. */
const FLOODS = [
	{name: 'events', by: 'gateway'},
	{name: 'log-lines', by: 'gateway'},
	{name: 'memory', by: 'gateway'},
	{name: 'output', by: 'calls', behaviour: `${LOWLY} yes "$(printf %1000s)" | head -c 1000000000`},
	{
		name: 'processes',
		by: 'calls',
		behaviour: `${LOWLY} for ((n = 0; n < 300; n++)); do BIG=$(printf %60000s) setsid sleep 1000 & done; answer`,
	},
] as const;
type Flood = (typeof FLOODS)[number];

const {values} = parseArgs({options: {quick: {type: 'boolean'}, only: {type: 'string'}}});
/** Of a flood, and of the quiet before and after it together, in milliseconds. */
const stretch = values.quick ? 15_000 : 60_000;
const signal = interruption();

/** A healthy sandbox: asks for something again and again, and notes how long each approval took. */
class Healthy {
	readonly name: string;
	readonly #gateway: ScriptedGateway;
	readonly #askedAt = new Map<string, number>();
	#latencies: number[] = [];
	#count = 0;

	private constructor(name: string, gateway: ScriptedGateway) {
		this.name = name;
		this.#gateway = gateway;
		gateway.script = {
			request: (connection, frame) => {
				const asked = this.#askedAt.get(String(frame.params.requestId));
				if (frame.method === 'device.pair.approve' && asked !== undefined)
					this.#latencies.push(performance.now() - asked);
				gateway.serve(connection, frame);
			},
		};
	}

	static async start(name: string): Promise<Healthy> {
		return new Healthy(name, await ScriptedGateway.start());
	}

	get url(): string {
		return this.#gateway.url;
	}

	ask(): void {
		const id = `${this.name}-${this.#count++}`;
		this.#askedAt.set(id, performance.now());
		// What was approved long ago is no part of what is measured: a list of thousands of devices would be.
		this.#gateway.paired = [];
		this.#gateway.ask(cliAsk(id, {ts: Date.now()}));
	}

	/** How long the approvals took that were made since it was asked last, in milliseconds. */
	takeLatencies(): number[] {
		const latencies = this.#latencies;
		this.#latencies = [];
		return latencies;
	}

	async end(): Promise<void> {
		await this.#gateway[Symbol.asyncDispose]();
	}
}

/** Asks in all of them, one after the other in even steps, for so long; gives back how long approvals took, in milliseconds. */
async function measure(healthy: readonly Healthy[], ms: number): Promise<number[]> {
	for (const each of healthy) each.takeLatencies();
	const end = performance.now() + ms;
	for (let index = 0; performance.now() < end; index++) {
		signal.throwIfAborted();
		healthy[index % healthy.length]?.ask();
		await sleep(GAP / healthy.length);
	}
	// The last ones have their time, too.
	await sleep(1000);
	const latencies = healthy.flatMap(each => each.takeLatencies());
	// A figure of few approvals would look as good as one of all.
	if (latencies.length < (0.9 * ms) / (GAP / healthy.length))
		throw new Error(`only ${latencies.length} approvals in ${ms / 1000} s: the healthy sandboxes were not served`);
	return latencies;
}

/** The sandbox that floods: its gateway is a process of its own, with the lowest priority, as a sandbox that has a share of the host's cores. */
class Flooder {
	readonly #gateway: ChildProcess;
	readonly #calls: ScriptedOpenclaw;
	readonly port: number;

	private constructor(gateway: ChildProcess, port: number, calls: ScriptedOpenclaw) {
		this.#gateway = gateway;
		this.port = port;
		this.#calls = calls;
	}

	static async start(calls: ScriptedOpenclaw): Promise<Flooder> {
		const program = join(import.meta.dirname, 'support/flooding-gateway.ts');
		const child = spawn('nice', ['-n', '19', process.execPath, program], {stdio: ['pipe', 'pipe', 'inherit']});
		const [port] = (await once(child.stdout, 'data')) as [Buffer];
		return new Flooder(child, Number(String(port)), calls);
	}

	async begin(flood: Flood): Promise<void> {
		if (flood.by === 'gateway') this.#gateway.stdin?.write(`start ${flood.name}\n`);
		else await this.#calls.always('list', flood.behaviour);
	}

	async stop(): Promise<void> {
		this.#gateway.stdin?.write('stop\n');
		await this.#calls.recover('list');
	}

	async end(): Promise<void> {
		this.#gateway.stdin?.end();
		if (this.#gateway.exitCode === null) await once(this.#gateway, 'exit');
	}
}

/** What the supervisor, the worker of the sandbox that floods, and all that this has started hold, in bytes. */
async function memoryOf(instance: Instance, sandbox: string): Promise<number> {
	const {pid} = await instance.untilSandbox(sandbox, 'to be watched', each => each.pid !== null);
	const its = pid === null ? [] : [pid, ...descendantsOf(pid)];
	return [instance.pid, ...its].reduce((sum, each) => sum + (residentIn(each) ?? 0), 0);
}

function residentIn(pid: number): number | null {
	try {
		return residentOf(pid);
	} catch {
		return null;
	}
}

interface Figures {
	readonly flood: string;
	readonly quiet: readonly number[];
	readonly flooded: readonly number[];
	/** In bytes. */
	readonly growth: number;
	/** What pairkeeper has to say of the sandbox that floods, while it does. */
	readonly said: string;
}

/** Half of the quiet, the flood, and the other half of the quiet. */
async function figuresOf(
	flood: Flood,
	healthy: readonly Healthy[],
	flooder: Flooder,
	instance: Instance,
): Promise<Figures> {
	const before = await measure(healthy, stretch / 2);
	const sandbox = `floods-by-${flood.by}`;
	const held = await memoryOf(instance, sandbox);
	const {restarts} = await instance.statusOf(sandbox);
	await flooder.begin(flood);
	const flooded = await measure(healthy, stretch);
	const {warnings, lastError, ...status} = await instance.statusOf(sandbox);
	const ends = `${status.restarts - restarts} ends of its worker`;
	const said = [ends, ...warnings, ...(lastError ? [lastError] : [])].join('; ');
	await flooder.stop();
	// What was flooded comes to rest: calls end, workers start again.
	await sleep(10_000);
	const after = await measure(healthy, stretch / 2);
	return {
		flood: flood.name,
		quiet: [...before, ...after],
		flooded,
		growth: (await memoryOf(instance, sandbox)) - held,
		said,
	};
}

function p99(latencies: readonly number[]): number {
	return percentile(
		latencies.toSorted((a, b) => a - b),
		0.99,
	);
}

/** One flood, under a supervisor and beside healthy sandboxes of its own. */
async function bench(flood: Flood): Promise<Figures> {
	const instance = await Instance.create();
	const healthy = await Promise.all(Array.from({length: HEALTHY}, (_, index) => Healthy.start(`healthy-${index}`)));
	const flooder = await Flooder.start(await instance.sandbox('floods-by-calls'));
	try {
		const tokenFile = instance.path('token');
		await writeFile(tokenFile, `${scriptedToken}\n`, {mode: 0o600});
		await instance.sandbox('floods-by-gateway');
		for (const {name} of healthy) await instance.sandbox(name);
		const by = (url: string) => ({transport: 'gateway', gateway: {url, tokenFile}});
		await instance.configure(
			// As it runs on a host, not as quickly as tests want it.
			{fastInterval: '1s', slowInterval: '30s', maxConcurrentCalls: 'auto', restart: {}},
			{
				...Object.fromEntries(healthy.map(({name, url}) => [name, by(url)])),
				'floods-by-gateway': by(`ws://127.0.0.1:${flooder.port}`),
			},
		);
		await instance.start();
		await instance.until('all to be healthy', ({totals}) => totals.healthy === totals.sandboxes);
		await measure(healthy, WARM_UP);
		return await figuresOf(flood, healthy, flooder, instance);
	} finally {
		await instance.end();
		await flooder.end();
		for (const each of healthy) await each.end();
	}
}

function show(all: readonly Figures[]): boolean {
	const rows = all.map(({flood, quiet, flooded, growth}) => [
		flood,
		`${quiet.length} / ${flooded.length}`,
		milliseconds(p99(quiet)),
		milliseconds(p99(flooded)),
		(p99(flooded) / p99(quiet)).toFixed(2),
		mebibytes(growth),
	]);
	const head = ['FLOOD', 'APPROVALS', 'P99 QUIET', 'P99 FLOODED', 'RATIO', 'MEMORY THAT STAYS'];
	console.log(`\n${table(head, rows)}\n`);
	const verdicts = all.flatMap(({flood, quiet, flooded, growth}) => [
		judge(`${flood}: p99 of the others, to the quiet run beside it`, p99(flooded) / p99(quiet), MOST, ratio =>
			ratio.toFixed(2),
		),
		judge(`${flood}: memory that stays`, growth, MOST_GROWTH, mebibytes),
	]);
	return verdicts.every(isMet => isMet);
}

function mebibytes(bytes: number): string {
	return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

console.log(machine());
console.log(
	`${HEALTHY} healthy sandboxes, a request every ${GAP} ms in each; each flood for ${stretch / 1000} s beside as much quiet\n`,
);
try {
	const all: Figures[] = [];
	for (const flood of FLOODS.filter(({name}) => values.only === undefined || values.only === name)) {
		const figures = await bench(flood);
		all.push(figures);
		console.log(`${flood.name}: ${figures.said}`);
	}
	if (!show(all)) process.exitCode = 1;
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
}
