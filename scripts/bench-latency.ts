// What the gateway transport is worth: from a request's creation to its approval, and what watching an idle sandbox costs, by the gateway and by
// the CLI at three cadences; real OpenClaw, one `pairkeeper run`, the same gateways throughout. `node scripts/bench-latency.ts`, after a build, takes
// about 75 minutes, as 200 requests have to wait for a poll every 30 s:
//   --quick             a rehearsal with few requests by the CLI, about six minutes
//   --version V         only this version of OpenClaw
//   --own               only what the gateways take themselves, with nobody between: a list and an approval, by a client that waits for nothing else
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {GatewayClient} from '@openclaw/gateway-client';
import {table} from '../supervisor/commands/table.ts';
import {Device} from '../test/support/device.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {Pairkeeper} from '../test/support/pairkeeper.ts';
import type {PairedDevice, PendingRequest, RealGateway} from '../test/support/real-gateway.ts';
import {until} from '../test/support/until.ts';
import {installOpenclaw, openclawVersions} from './setup-openclaw.ts';
import {judge, machine, milliseconds, percentile} from './support/figures.ts';
import {interruption} from './support/interruption.ts';
import {startMeasuredGateway} from './support/measured-gateway.ts';
import {cpuOf, residentOf} from './support/process-cost.ts';

/** Of a request, or of what became of it. */
interface Announcement {
	readonly requestId: string;
	readonly deviceId: string;
	readonly ts: number;
	readonly decision?: string;
}

interface Listing {
	readonly pending: readonly PendingRequest[];
	readonly paired: readonly PairedDevice[];
}

/** What a worker is to do, and how much of it is measured. */
interface Row {
	readonly transport: 'gateway' | 'cli';
	/** Seconds. */
	readonly slowInterval: number;
	readonly requests: number;
	/** So many devices ask independently of each other; more do not fit into an interval, as each approval by the CLI takes its second. */
	readonly devices: number;
	/** The idle time that is measured, in whole polls. */
	readonly idlePolls: number;
}

/** One version under one row. */
interface Result {
	/** Milliseconds, sorted. */
	readonly latencies: readonly number[];
	/** The most by which `latencyMs` of pairkeeper's own log differs from ours. */
	readonly difference: number;
	/** Seconds of CPU time per second. */
	readonly cpu: number;
	/** Bytes. */
	readonly memory: number;
}

const targets = {p50: 25, p99: 150, cpu: 0.001, cpuRatio: 100};
const giveUpAfterMs = 180_000;
/** So many approvals say what a gateway takes for one itself. */
const OWN_REQUESTS = 100;
/** What a device asks for in the end. */
const scopes = ['operator.read', 'operator.write'];
const cliName = {clientName: 'cli', mode: 'cli'} as const;

const {values: options} = parseArgs({
	options: {
		quick: {type: 'boolean', default: false},
		own: {type: 'boolean', default: false},
		version: {type: 'string', multiple: true},
	},
});
const versions = options.version ?? openclawVersions;
const byCli = options.quick ? 4 : 200;
const idle = options.quick ? 1 : 5;
const rows: readonly Row[] = [
	{transport: 'gateway', slowInterval: 30, requests: 200, devices: 1, idlePolls: 2 * idle},
	{transport: 'cli', slowInterval: 1, requests: byCli, devices: 1, idlePolls: 5 * idle},
	{transport: 'cli', slowInterval: 5, requests: byCli, devices: 2, idlePolls: 3 * idle},
	{transport: 'cli', slowInterval: 30, requests: byCli, devices: 4, idlePolls: idle},
];

const signal = interruption();

/** A gateway, seen by somebody who hears all that it announces. */
class Sandbox {
	readonly name: string;
	readonly gateway: RealGateway;
	readonly tokenFile: string;
	readonly #observer: GatewayClient;
	/** Each device's request, created at the gateway's `ts`, and when approvals were announced, by our clock; milliseconds. */
	readonly #requests = new Map<string, {readonly requestId: string; readonly created: number}>();
	readonly #approved = new Map<string, number>();
	#isWarm = false;

	private constructor(gateway: RealGateway, tokenFile: string) {
		this.name = gateway.name;
		this.gateway = gateway;
		this.tokenFile = tokenFile;
		this.#observer = new GatewayClient({
			url: gateway.url,
			token: gateway.token,
			role: 'operator',
			scopes: ['operator.admin', 'operator.pairing'],
			minProtocol: 3,
			maxProtocol: 4,
			onEvent: ({event, payload}) => this.#onEvent(event, payload),
		});
	}

	static async start(version: string, folder: string): Promise<Sandbox> {
		const {gateway, tokenFile} = await startMeasuredGateway(version, folder, signal);
		const sandbox = new Sandbox(gateway, tokenFile);
		sandbox.#observer.start();
		await until('the observer to be let in', () => sandbox.#observer.request('device.pair.list', {}), {signal});
		return sandbox;
	}

	/** A device asks; its latency in milliseconds once it is approved. */
	async measure(): Promise<{requestId: string; latency: number}> {
		const began = Date.now();
		const {device, requestId, created} = await this.#ask();
		const approved = await until(`${requestId} to be approved`, () => this.#approvalOf(requestId, device.id), {
			timeoutMs: giveUpAfterMs,
			everyMs: 20,
			signal,
		});
		if (created < began - 1 || created > approved) throw new Error(`${this.name}: its clock differs from ours`);
		await this.#forget(device);
		return {requestId, latency: approved - created};
	}

	/** A device asks, and nobody else is there; the milliseconds that the gateway takes for a list and for the approval. */
	async measureOwn(): Promise<{list: number; approve: number}> {
		const {device, requestId} = await this.#ask();
		const began = performance.now();
		await this.#observer.request('device.pair.list', {});
		const listed = performance.now();
		await this.#observer.request('device.pair.approve', {requestId});
		const approved = performance.now();
		await this.#forget(device);
		return {list: listed - began, approve: approved - listed};
	}

	async #ask(): Promise<{device: Device; requestId: string; created: number}> {
		const device = new Device();
		// 2026.5.27 lets a local device in with what it asks for first, and 2026.9.6 one whose request is approved while it connects.
		if (this.gateway.version === '2026.5.27') await device.ask(this.gateway, {...cliName, scopes: scopes.slice(0, 1)});
		await device.ask(this.gateway, {...cliName, scopes});
		const request = await until('the request', () => this.#requests.get(device.id), {everyMs: 1, signal});
		return {device, ...request};
	}

	/** A gateway with hundreds of devices would answer more slowly than the sandboxes do that this is about. */
	async #forget(device: Device): Promise<void> {
		await this.#observer.request('device.pair.remove', {deviceId: device.id});
		this.#requests.delete(device.id);
	}

	/** One request that does not count, the first time. */
	async warmUp(): Promise<void> {
		if (!this.#isWarm) await this.measure();
		this.#isWarm = true;
	}

	/** When a request was approved, `undefined` while it is not. The CLI of 2026.5.27 may do it behind the gateway's back, which then announces nothing. */
	async #approvalOf(requestId: string, deviceId: string): Promise<number | undefined> {
		const announced = this.#approved.get(requestId);
		if (announced !== undefined) return announced;
		const {pending, paired} = await this.#observer.request<Listing>('device.pair.list', {});
		const now = Date.now();
		const isPaired = paired.some(
			device => device.deviceId === deviceId && device.scopes?.includes(scopes.at(-1) ?? ''),
		);
		return isPaired && !pending.some(request => request.requestId === requestId) ? now : undefined;
	}

	async stop(): Promise<void> {
		this.#observer.stop();
		await this.gateway.stop();
	}

	#onEvent(event: string, payload: unknown): void {
		const now = Date.now();
		const {requestId, deviceId, ts, decision} = payload as Announcement;
		if (event === 'device.pair.requested') this.#requests.set(deviceId, {requestId, created: ts});
		if (event !== 'device.pair.resolved' || decision !== 'approved') return;
		this.#approved.set(requestId, now);
	}
}

const memory = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
console.log(`${machine()}; OpenClaw ${versions.join(' and ')}\n`);
const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-bench-'));
guardFolder(folder);
// Each sandbox's own version, where the configuration has one program for all.
await writeFile(join(folder, 'openclaw'), '#!/bin/sh\nexec "$BENCH_OPENCLAW" "$@"\n', {mode: 0o700});
const sandboxes: Sandbox[] = [];
let pairkeeper: Pairkeeper | undefined;
try {
	for (const version of versions) {
		await installOpenclaw(version, {log: line => console.log(line), signal});
		sandboxes.push(await Sandbox.start(version, folder));
	}
	for (const sandbox of sandboxes) await reportOwn(sandbox);
	const results = new Map<string, Result>();
	for (const row of options.own ? [] : rows) {
		for (const [sandbox, result] of await measureRow(row)) {
			results.set(keyOf(sandbox, row), result);
			console.log(
				`   ${sandbox.name}: ${percentiles(result).join(', ')}; ${(result.cpu * 100).toFixed(3)} % of a core while idle`,
			);
		}
	}
	if (!options.own) report(results);
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
	if (pairkeeper && !signal.aborted) console.error(await pairkeeper.logTail());
} finally {
	await pairkeeper?.stop();
	await Promise.allSettled(sandboxes.map(sandbox => sandbox.stop()));
	await rm(folder, {recursive: true, force: true});
	unguard(folder);
}

/** Says how much of an approval's latency is the gateway's own. */
async function reportOwn(sandbox: Sandbox): Promise<void> {
	const measured: {list: number; approve: number}[] = [];
	for (let times = 0; times < OWN_REQUESTS; times++) measured.push(await sandbox.measureOwn());
	const said = (['list', 'approve'] as const).map(key => {
		const sorted = measured.map(each => each[key]).sort((a, b) => a - b);
		return `device.pair.${key} ${[0.5, 0.99].map(share => milliseconds(percentile(sorted, share))).join(', ')}`;
	});
	console.log(`   ${sandbox.name} itself, p50 and p99 of ${OWN_REQUESTS}: ${said.join('; ')}`);
}

async function measureRow(row: Row): Promise<Map<Sandbox, Result>> {
	console.log(`${nameOf(row)}: ${row.requests} requests in each sandbox, then ${row.idlePolls} idle polls`);
	const keeper = await configure(row);
	// The CLI's first approval is slower: it is a device too, and has to be granted the right to approve.
	if (row.transport === 'cli') await Promise.all(sandboxes.map(sandbox => sandbox.warmUp()));
	const latencies = new Map<Sandbox, {requestId: string; latency: number}[]>();
	const drive = async (sandbox: Sandbox) => {
		const approvals = async () => (await keeper.statusOf(sandbox.name)).approved;
		const before = await approvals();
		latencies.set(sandbox, await ask(sandbox, row));
		// The CLI asks for itself too, at times.
		if (row.transport === 'cli') return;
		await until('all approvals to be counted', async () => (await approvals()) >= before + row.requests, {signal});
		if ((await approvals()) > before + row.requests)
			throw new Error(`${sandbox.name}: approved more than was asked for`);
	};
	// The machine's two cores are one for each sandbox's CLI; by the gateway, one after the other.
	if (row.transport === 'cli') await Promise.all(sandboxes.map(drive));
	else for (const sandbox of sandboxes) await drive(sandbox);
	const results = await Promise.all(
		sandboxes.map(async (sandbox): Promise<[Sandbox, Result]> => {
			const measured = latencies.get(sandbox) ?? [];
			const idle = await idleCost(keeper, sandbox, row);
			const reported = await reportedLatencies(keeper);
			// The log leaves out what comes too fast.
			const differences = measured.flatMap(({requestId, latency}) => {
				const other = reported.get(requestId);
				return other === undefined ? [] : Math.abs(other - latency);
			});
			const sorted = measured.map(({latency}) => latency).sort((a, b) => a - b);
			return [sandbox, {latencies: sorted, difference: Math.max(...differences), ...idle}];
		}),
	);
	return new Map(results);
}

/** Has `pairkeeper run` watch all sandboxes in this way, and waits until it does. */
async function configure({transport, slowInterval}: Row): Promise<Pairkeeper> {
	const config = {
		deadline: 'never',
		slowInterval,
		// Polls at the cadence that is measured, and no other.
		fastDeadline: 0,
		fastReentryPolls: 0,
		openclaw: join(folder, 'openclaw'),
		sandboxes: sandboxes.map(({name, gateway, tokenFile}) => ({
			name,
			transport,
			gateway: {url: gateway.url, tokenFile},
			env: {...gateway.environment, BENCH_OPENCLAW: gateway.binary},
		})),
	};
	if (pairkeeper) await pairkeeper.reload(config);
	else pairkeeper = await Pairkeeper.start(folder, config, {signal});
	const isSettled = ({name}: Sandbox, status: Awaited<ReturnType<Pairkeeper['status']>>) => {
		const sandbox = status.sandboxes[name];
		return sandbox?.transport === transport && sandbox.mode === 'slow' && sandbox.lastListAt !== null;
	};
	await pairkeeper.until('all sandboxes to be watched', status => sandboxes.every(each => isSettled(each, status)), {
		timeoutMs: giveUpAfterMs,
		signal,
	});
	return pairkeeper;
}

/** Devices ask, each again at a random moment within the interval after its last approval, so that requests fall anywhere between two polls. */
async function ask(
	sandbox: Sandbox,
	{transport, slowInterval, requests, devices}: Row,
): Promise<{requestId: string; latency: number}[]> {
	const measured: {requestId: string; latency: number}[] = [];
	let asked = 0;
	const keepAsking = async () => {
		while (asked++ < requests) {
			if (transport === 'cli') await sleep(Math.random() * slowInterval * 1000, undefined, {signal});
			measured.push(await sandbox.measure());
			if (measured.length % 20 === 0) console.log(`   ${sandbox.name}: ${measured.length} of ${requests}`);
		}
	};
	await Promise.all(Array.from({length: devices}, keepAsking));
	return measured;
}

/** `latencyMs` of all approvals in pairkeeper's log. */
async function reportedLatencies(keeper: Pairkeeper): Promise<Map<string, number>> {
	const lines = await keeper.logLines('"approved"', '"latencyMs"');
	const approvals = lines.map(line => JSON.parse(line) as {requestId: string; latencyMs: number});
	return new Map(approvals.map(({requestId, latencyMs}) => [requestId, latencyMs]));
}

/** What a worker costs over some polls that find nothing, its calls included. */
async function idleCost(
	keeper: Pairkeeper,
	{name}: Sandbox,
	{idlePolls}: Row,
): Promise<Pick<Result, 'cpu' | 'memory'>> {
	const nextPoll = async () => {
		const before = (await keeper.statusOf(name)).lastListAt;
		const {pid} = await keeper.untilSandbox(name, 'to poll', ({lastListAt}) => lastListAt !== before, {
			timeoutMs: giveUpAfterMs,
			everyMs: 20,
			signal,
		});
		if (pid === null) throw new Error(`${name} has no worker`);
		return {pid, at: performance.now()};
	};
	const from = await nextPoll();
	const before = cpuOf(from.pid);
	let to = from;
	for (let poll = 0; poll < idlePolls; poll++) to = await nextPoll();
	return {cpu: (cpuOf(to.pid) - before) / ((to.at - from.at) / 1000), memory: residentOf(to.pid)};
}

function report(results: ReadonlyMap<string, Result>): void {
	const head = ['OPENCLAW', 'WATCHED BY', 'REQUESTS', 'P50', 'P99', 'MAX', 'P50 RATIO'];
	const cells = sandboxes.flatMap(sandbox =>
		rows.map(row => {
			const result = results.get(keyOf(sandbox, row)) as Result;
			const base = results.get(keyOf(sandbox, rows[0] as Row)) as Result;
			return [
				sandbox.gateway.version,
				nameOf(row),
				`${result.latencies.length}${row.devices > 1 ? `, by ${row.devices} devices` : ''}`,
				...percentiles(result),
				times(percentile(result.latencies, 0.5) / percentile(base.latencies, 0.5)),
				`${(result.cpu * 3600).toFixed(1)} s`,
				`${(result.cpu * 100).toFixed(3)} %`,
				times(result.cpu / base.cpu),
				memory(result.memory),
				times(result.memory / base.memory),
			];
		}),
	);
	console.log(
		`\nFrom a request's creation to its approval; CPU time of an idle sandbox's worker and its calls; resident memory of a worker, without its calls\n${table(
			[...head, 'IDLE CPU / HOUR', 'OF A CORE', 'CPU RATIO', 'MEMORY', 'RATIO'],
			cells,
		)}`,
	);
	for (const sandbox of sandboxes) {
		const all = rows.map(row => results.get(keyOf(sandbox, row)) as Result);
		const [gateway, , cli5] = all as [Result, Result, Result];
		const byCli = Math.max(...all.slice(1).map(({difference}) => difference));
		console.log(
			`\n${sandbox.gateway.version}: latencyMs, as pairkeeper reports it, is at most ${gateway.difference} ms from these by the gateway, and ${byCli} ms by the CLI, which says so only at its end`,
		);
		const percent = (share: number) => `${(share * 100).toFixed(3)} % of a core`;
		const verdicts = [
			judge('p50 by the gateway', percentile(gateway.latencies, 0.5), targets.p50, milliseconds),
			judge('p99 by the gateway', percentile(gateway.latencies, 0.99), targets.p99, milliseconds),
			judge('idle CPU by the gateway', gateway.cpu, targets.cpu, percent),
			judge('idle CPU, against the CLI at 5 s', gateway.cpu, cli5.cpu / targets.cpuRatio, percent),
		];
		// A rehearsal's minute of idleness proves nothing.
		if (!options.quick && verdicts.includes(false)) process.exitCode = 1;
	}
}

function keyOf({name}: Sandbox, row: Row): string {
	return `${name} ${nameOf(row)}`;
}

function nameOf({transport, slowInterval}: Row): string {
	return transport === 'gateway' ? 'gateway' : `cli every ${slowInterval} s`;
}

/** p50, p99 and the maximum. */
function percentiles({latencies}: Result): string[] {
	return [0.5, 0.99, 1].map(share => milliseconds(percentile(latencies, share)));
}

function times(ratio: number): string {
	return ratio < 10 ? ratio.toFixed(2) : String(Math.round(ratio));
}
