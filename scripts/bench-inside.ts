// What the relay is worth where no port leads to: from a request's creation to its approval by the gateway's own clock, and what an idle sandbox costs,
// with nothing configured but the way in: gateways in network namespaces, and in containers where runc is. Needs root.
// `node scripts/bench-inside.ts`, after a build, takes about ten minutes:
//   --requests N        so many in each sandbox, 200 unless told
//   --idle S            so many seconds of idleness, 120 unless told
//   --where W           only in `network` or `container`
//   --keep-devices      every device stays paired: what a gateway with hundreds of them takes longer for
//   --version V         only this version of OpenClaw
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {GatewayClient} from '@openclaw/gateway-client';
import {table} from '../supervisor/commands/table.ts';
import {Container, whyNoContainers} from '../test/support/container.ts';
import {Device} from '../test/support/device.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {canHaveNetworks, NetworkNamespace} from '../test/support/network-namespace.ts';
import {Pairkeeper} from '../test/support/pairkeeper.ts';
import {plainEnvironment} from '../test/support/processes.ts';
import {type GatewayPlace, RealGateway} from '../test/support/real-gateway.ts';
import {until} from '../test/support/until.ts';
import {installOpenclaw, openclawVersions} from './setup-openclaw.ts';
import {judge, machine, milliseconds, percentile} from './support/figures.ts';
import {interruption} from './support/interruption.ts';
import {cpuOf, descendantsOf, residentOf} from './support/process-cost.ts';

const places = ['network', 'container'] as const;
type Place = (typeof places)[number];

/** Of a request, or of what became of it; `ts` is the gateway's own clock in milliseconds. */
interface Announcement {
	readonly requestId: string;
	readonly deviceId: string;
	readonly ts: number;
	readonly decision?: string;
}

/** One version in one place. Milliseconds, sorted; shares of a core; bytes. */
interface Result {
	readonly latencies: readonly number[];
	readonly workerCpu: number;
	readonly relayCpu: number;
	readonly workerMemory: number;
	readonly relayMemory: number;
}

const targets = {p50: 30, p99: 150, cpu: 0.001};
const giveUpAfterMs = 180_000;
const scopes = ['operator.read', 'operator.write'];
const cli = {clientName: 'cli', mode: 'cli'} as const;
const percent = (share: number) => `${(share * 100).toFixed(3)} %`;
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

const {values: options} = parseArgs({
	options: {
		requests: {type: 'string', default: '200'},
		idle: {type: 'string', default: '120'},
		where: {type: 'string', multiple: true},
		'keep-devices': {type: 'boolean', default: false},
		version: {type: 'string', multiple: true},
	},
});
const requests = Number(options.requests);
const idleSeconds = Number(options.idle);
const versions = options.version ?? openclawVersions;
const reasons: Readonly<Record<Place, string | null>> = {
	network: canHaveNetworks() ? null : 'network namespaces need root, unshare and ip',
	container: whyNoContainers(),
};
const signal = interruption();
const rows: string[][] = [];
const verdicts: boolean[] = [];
console.log(machine());
try {
	for (const version of versions) {
		await installOpenclaw(version, {log: line => console.log(line), signal});
		for (const place of places) {
			if (options.where?.includes(place) === false) continue;
			const why = reasons[place];
			if (why === null) report(version, place, await measure(version, place));
			else console.log(`${version} in a ${place}: left out, ${why}`);
		}
	}
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
}
const head = ['OPENCLAW', 'IN A', 'REQUESTS', 'P50', 'P99', 'MAX'];
const costs = ['IDLE CPU: WORKER', 'RELAY', 'MEMORY: WORKER', 'RELAY'];
console.log(
	`\nFrom a request's creation to its approval, by the gateway's own clock; the idle CPU is of one core; ${machine()}\n${table([...head, ...costs], rows)}`,
);
if (verdicts.includes(false)) process.exitCode ||= 1;

async function measure(version: string, place: Place): Promise<Result> {
	const name = `${place}-${version.replaceAll('.', '-')}`;
	const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-bench-'));
	guardFolder(folder);
	let around: NetworkNamespace | Container | undefined;
	let gateway: RealGateway | undefined;
	let pairkeeper: Pairkeeper | undefined;
	let observer: GatewayClient | undefined;
	try {
		console.log(`${version} in a ${place}: starting the gateway`);
		const exec = async ({folder: its, port, environment}: GatewayPlace) => {
			const unique = `pairkeeper-bench-${process.pid}-${name}`;
			around =
				place === 'network'
					? new NetworkNamespace(unique)
					: await Container.start({name: unique, version, folders: [its], env: environment});
			await around.openPassage(port);
			return around.exec;
		};
		gateway = await RealGateway.start({version, name, exec, signal});
		// A network namespace shares the host's files, so it is said which are its own; a container needs nothing.
		const own = {...gateway.environment, PATH: `${dirname(gateway.binary)}:${plainEnvironment().PATH}`};
		const sandbox = {name, exec: around?.exec ?? [], ...(place === 'network' ? {env: own} : {})};
		const config = {deadline: 'never', fastDeadline: 0, fastReentryPolls: 0, sandboxes: [sandbox]};
		pairkeeper = await Pairkeeper.start(folder, config, {signal});
		await pairkeeper.untilSandbox(
			name,
			'to be reached from inside',
			({route, healthy}) => healthy && route === 'inside',
			{
				timeoutMs: giveUpAfterMs,
				signal,
			},
		);
		const heard = {created: new Map<string, Announcement>(), approved: new Map<string, number>()};
		observer = observe(gateway, heard);
		await until('the observer to be let in', () => observer?.request('device.pair.list', {}), {signal});
		const latencies: number[] = [];
		for (let count = 0; count < requests; count++) {
			const device = new Device();
			latencies.push(await latencyOf(device, gateway, heard));
			// A gateway with hundreds of devices answers more slowly than the sandboxes do that this is about.
			if (!options['keep-devices']) await observer.request('device.pair.remove', {deviceId: device.id});
			if (latencies.length % 50 === 0) console.log(`   ${latencies.length} of ${requests}`);
		}
		observer.stop();
		latencies.sort((a, b) => a - b);
		const shown = [0.5, 0.99, 1].map(share => milliseconds(percentile(latencies, share)));
		console.log(`   p50, p99 and maximum: ${shown.join(', ')}; now ${idleSeconds} s of idleness`);
		return {latencies, ...(await idleCost(pairkeeper, name))};
	} finally {
		observer?.stop();
		await pairkeeper?.stop();
		await gateway?.stop();
		await around?.[Symbol.asyncDispose]();
		await rm(folder, {recursive: true, force: true});
		unguard(folder);
	}
}

interface Heard {
	/** By device. */
	readonly created: Map<string, Announcement>;
	/** When, by request. */
	readonly approved: Map<string, number>;
}

/** Somebody who hears all that a gateway announces. */
function observe({url, token}: RealGateway, {created, approved}: Heard): GatewayClient {
	const observer = new GatewayClient({
		url,
		token,
		role: 'operator',
		scopes: ['operator.admin', 'operator.pairing'],
		minProtocol: 3,
		maxProtocol: 4,
		onEvent: ({event, payload}) => {
			const announcement = payload as Announcement;
			if (event === 'device.pair.requested') created.set(announcement.deviceId, announcement);
			if (event === 'device.pair.resolved' && announcement.decision === 'approved')
				approved.set(announcement.requestId, announcement.ts);
		},
	});
	observer.start();
	return observer;
}

async function latencyOf(device: Device, gateway: RealGateway, {created, approved}: Heard): Promise<number> {
	// 2026.5.27 lets a local device in with what it asks for first.
	if (gateway.version === '2026.5.27') await device.ask(gateway, {...cli, scopes: scopes.slice(0, 1)});
	await device.ask(gateway, {...cli, scopes});
	const patience = {timeoutMs: giveUpAfterMs, everyMs: 5, signal};
	const {requestId, ts} = await until('the request', () => created.get(device.id), patience);
	return (await until(`${requestId} to be approved`, () => approved.get(requestId), patience)) - ts;
}

/** What the worker, and all that it has started, costs while nothing is asked. */
async function idleCost(pairkeeper: Pairkeeper, name: string): Promise<Omit<Result, 'latencies'>> {
	const {pid} = await pairkeeper.statusOf(name);
	if (pid === null) throw new Error(`${name} has no worker`);
	const others = descendantsOf(pid);
	const cpu = () => ({
		at: performance.now(),
		worker: cpuOf(pid),
		relay: others.reduce((sum, each) => sum + cpuOf(each), 0),
	});
	const before = cpu();
	await sleep(idleSeconds * 1000, undefined, {signal});
	const after = cpu();
	const seconds = (after.at - before.at) / 1000;
	return {
		workerCpu: (after.worker - before.worker) / seconds,
		relayCpu: (after.relay - before.relay) / seconds,
		workerMemory: residentOf(pid),
		// The last of the line is what runs inside; what leads there stands before it.
		relayMemory: residentOf(others.at(-1) ?? pid),
	};
}

function report(version: string, place: Place, result: Result): void {
	const {latencies, workerCpu, relayCpu, workerMemory, relayMemory} = result;
	const [p50 = 0, p99 = 0, most = 0] = [0.5, 0.99, 1].map(share => percentile(latencies, share));
	rows.push([
		...[version, place, String(latencies.length), milliseconds(p50), milliseconds(p99), milliseconds(most)],
		...[percent(workerCpu), percent(relayCpu), mebibytes(workerMemory), mebibytes(relayMemory)],
	]);
	verdicts.push(
		judge('p50', p50, targets.p50, milliseconds),
		judge('p99', p99, targets.p99, milliseconds),
		judge('idle CPU of worker and relay, of a core', workerCpu + relayCpu, targets.cpu, percent),
	);
}
