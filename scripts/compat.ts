// What works with which release of OpenClaw, by each way to its gateway: `npm run compat -- [VERSION…]` builds, installs each version (some 600 MB, into
// `.openclaw/`, where it stays), and prints one table with the time from an ask to its approval, or why there was none. Takes about three minutes for
// each version. Exits 1 where something did not come out as it should.
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {table} from '../supervisor/commands/table.ts';
import type {SandboxStatus} from '../supervisor/status/schema.ts';
import {type Answer, Device} from '../test/support/device.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {canHaveNetworks, NetworkNamespace} from '../test/support/network-namespace.ts';
import {Pairkeeper} from '../test/support/pairkeeper.ts';
import {plainEnvironment} from '../test/support/processes.ts';
import {canAskLocals, type GatewayPlace, RealGateway} from '../test/support/real-gateway.ts';
import {until} from '../test/support/until.ts';
import {installOpenclaw} from './setup-openclaw.ts';
import {machine, milliseconds} from './support/figures.ts';
import {interruption} from './support/interruption.ts';
import {writeToken} from './support/measured-gateway.ts';

const ways = ['url', 'inside', 'host', 'cli'] as const;
type Way = (typeof ways)[number];

/** What one case came to. */
interface Cell {
	readonly text: string;
	readonly isFine: boolean;
}

/** One gateway that is watched in one way. */
interface Watched {
	readonly way: Way;
	readonly gateway: RealGateway;
	readonly pairkeeper: Pairkeeper;
}

/** How long anything is waited for; the CLI has polls every second, calls of up to 10 s, and more than one round. Milliseconds. */
const patience = 60_000;

const cli = {clientName: 'cli', mode: 'cli'} as const;
const read = ['operator.read'];
const readAndWrite = ['operator.read', 'operator.write'];
const repeatEvery = 2000;
const mostRepeats = 10;

const cases: readonly {readonly name: string; readonly run: (watched: Watched) => Promise<Cell>}[] = [
	{name: 'FIRST PAIRING', run: firstPairing},
	{name: 'LATE UPGRADE', run: lateUpgrade},
	{name: 'OWN CLI', run: ownCli},
	{name: 'ASKS EVERY 2 S', run: repeatedAsk},
	{name: 'OPERATOR.ADMIN', run: adminAsk},
];

const {values: options, positionals} = parseArgs({
	options: {way: {type: 'string', multiple: true}},
	allowPositionals: true,
});
const versions = positionals.length > 0 ? positionals : ['2026.5.27', '2026.6.11', '2026.7.1', '2026.8.2', '2026.9.6'];
const wanted = ways.filter(way => options.way?.includes(way) ?? true);
const signal = interruption();
const rows: string[][] = [];
try {
	for (const version of versions) {
		await installOpenclaw(version, {log: line => console.log(line), signal});
		for (const way of wanted) rows.push([version, way, ...(await rowOf(version, way))]);
	}
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
}
const head = ['OPENCLAW', 'BY', ...cases.map(({name}) => name)];
console.log(`\nFrom an ask to its approval, as pairkeeper reports it; ${machine()}\n${table(head, rows)}`);

/** All cases on one gateway of its own, which ends with the row. */
async function rowOf(version: string, way: Way): Promise<string[]> {
	const name = `v${version.replaceAll('.', '-')}-${way}`;
	const isApart = way === 'inside' && canHaveNetworks();
	const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-compat-'));
	guardFolder(folder);
	const network = isApart ? new NetworkNamespace(`pairkeeper-compat-${process.pid}-${name}`) : null;
	let gateway: RealGateway | undefined;
	let pairkeeper: Pairkeeper | undefined;
	try {
		console.log(`${name}: starting the gateway${isApart ? ' in a network of its own' : ''}`);
		const exec = async ({port}: GatewayPlace) => {
			await network?.openPassage(port);
			return network?.exec ?? [];
		};
		gateway = await RealGateway.start({version, name, exec, signal});
		const sandbox = {name, ...(await keysOf(way, gateway, folder, network?.exec ?? ['env']))};
		const config = {fastInterval: '1s', slowInterval: '5s', openclaw: gateway.binary, sandboxes: [sandbox]};
		pairkeeper = await Pairkeeper.start(folder, config, {signal});
		return await cellsOf({way, gateway, pairkeeper});
	} finally {
		await pairkeeper?.stop();
		await gateway?.stop();
		await network?.[Symbol.asyncDispose]();
		await rm(folder, {recursive: true, force: true});
		unguard(folder);
	}
}

async function cellsOf(watched: Watched): Promise<string[]> {
	const why = await whyNotBy(watched);
	if (why !== null) return cases.map(() => `n/a (${why})`);
	const cells: string[] = [];
	for (const {name, run} of cases) {
		const {text, isFine} = await run(watched).catch(
			(error: unknown): Cell => ({text: `failed: ${firstLine(error)}`, isFine: false}),
		);
		signal.throwIfAborted();
		console.log(`   ${name.toLowerCase()}: ${text}`);
		if (!isFine) process.exitCode = 1;
		cells.push(isFine ? text : `${text} (!)`);
	}
	return cells;
}

/** What a sandbox's configuration says for a way; the least that leads there. */
async function keysOf(way: Way, gateway: RealGateway, folder: string, inside: readonly string[]): Promise<object> {
	const env = gateway.environment;
	switch (way) {
		case 'url': {
			const tokenFile = join(folder, 'token');
			await writeToken(tokenFile, gateway.token);
			return {env, gateway: {url: gateway.url, tokenFile}};
		}
		case 'inside':
			// Sandboxes like these share the host's files, so it is said which are theirs.
			return {exec: inside, env: {...env, PATH: `${dirname(gateway.binary)}:${plainEnvironment().PATH}`}};
		case 'host':
			return {env};
		case 'cli':
			return {env, transport: 'cli'};
	}
}

/** Waits until the sandbox is watched in this way, and says why it is not. */
async function whyNotBy({way, gateway: {name}, pairkeeper}: Watched): Promise<string | null> {
	const isReached = ({route, healthy}: SandboxStatus) => healthy && route === (way === 'cli' ? null : way);
	// Something without a reason for the CLI has no other way to go.
	const isHopeless = ({route, healthy, transportReason}: SandboxStatus) =>
		healthy && route === null && transportReason === null;
	const seen = await pairkeeper
		.untilSandbox(name, `to be watched by ${way}`, each => isReached(each) || isHopeless(each), {
			timeoutMs: patience,
			signal,
		})
		.catch(() => pairkeeper.statusOf(name));
	return isReached(seen) ? null : (seen.transportReason ?? 'there is no such way');
}

/** A device that the gateway does not know. */
async function firstPairing(watched: Watched): Promise<Cell> {
	const device = new Device();
	return approvalOf(watched, device, read, !canAskLocals(watched.gateway.version));
}

/** A device that has read asks for write. */
async function lateUpgrade(watched: Watched): Promise<Cell> {
	const device = await paired(watched);
	return approvalOf(watched, device, readAndWrite, false);
}

/**
 * The CLI in the sandbox, as its user has it: paired by itself, refused what it was not paired for, and run again once its request is decided. By the CLI
 * a request of the approver's own device may be replaced by one for `operator.admin`, which pairkeeper rejects, so that the next ask is clean.
 */
async function ownCli({gateway, pairkeeper}: Watched): Promise<Cell> {
	const decisions = async () =>
		(await pairkeeper.log('"action"')).filter(({message}) => /^(approved|request rejected)/.test(String(message)));
	await gateway.cli(['devices', 'list'], {signal});
	for (let asks = 1; asks <= mostRepeats; asks++) {
		const before = (await decisions()).length;
		const {exitCode, stderr} = await gateway.cli(['cron', 'list'], {signal});
		if (exitCode === 0) {
			if (asks === 1) return {text: 'needs none', isFine: true};
			const {lastApproval} = await pairkeeper.statusOf(gateway.name);
			const latency = milliseconds(lastApproval?.latencyMs ?? Number.NaN);
			return {text: asks === 2 ? latency : `${latency}, in at ask ${asks}`, isFine: true};
		}
		if (!/pairing|approval/.test(stderr)) return {text: `fails: ${stderr.trim().split('\n')[0]}`, isFine: false};
		await until('a decision', async () => (await decisions()).length > before, {timeoutMs: patience, signal});
	}
	return {text: `never, in ${mostRepeats} asks`, isFine: false};
}

/** A device that does not wait: it asks again every 2 s, with another scope than the last time, so that each ask has an id of its own. */
async function repeatedAsk(watched: Watched): Promise<Cell> {
	const device = await paired(watched);
	const ids = new Set<string>();
	for (let asks = 1; asks <= mostRepeats; asks++) {
		const next = sleep(repeatEvery, undefined, {signal});
		const scopes = asks % 2 === 0 ? readAndWrite : ['operator.write'];
		const answer = await ask(watched, device, scopes);
		if (answer.kind === 'hello')
			return {
				text: `in at ask ${asks}, by ${ids.size} ${ids.size === 1 ? 'id' : 'ids'}`,
				isFine: asks <= 3 || watched.way === 'cli',
			};
		ids.add(answer.requestId);
		await next;
	}
	return {text: `never, in ${mostRepeats} asks by ${ids.size} ids`, isFine: watched.way === 'cli'};
}

/** A device that is paired asks for what it must not have. */
async function adminAsk(watched: Watched): Promise<Cell> {
	const {gateway, pairkeeper} = watched;
	const device = await paired(watched);
	const scopes = ['operator.read', 'operator.admin'];
	const answer = await ask(watched, device, scopes);
	if (answer.kind === 'hello') return {text: 'let in', isFine: false};
	const isRefused = async () => (await pairkeeper.log(device.id)).some(({message}) => message === 'refused');
	await until('a refusal', isRefused, {timeoutMs: patience, signal});
	const again = await ask(watched, device, scopes);
	if (again.kind === 'hello') return {text: 'refused, and let in', isFine: false};
	const {warnings} = await pairkeeper.statusOf(gateway.name);
	return {text: warnings.length === 0 ? 'refused' : `refused; ${warnings.join('; ')}`, isFine: true};
}

/** A device that has read, however it came by it. */
async function paired(watched: Watched): Promise<Device> {
	const device = new Device();
	await until('a device to be paired', async () => (await ask(watched, device, read)).kind === 'hello', {
		timeoutMs: patience,
		everyMs: 5000,
		signal,
	});
	return device;
}

/** When a request of the device was approved, after it was made, and whether that let it in. */
async function approvalOf(
	watched: Watched,
	device: Device,
	scopes: readonly string[],
	mayNeedNone: boolean,
): Promise<Cell> {
	const approvals = async () =>
		(await watched.pairkeeper.log(device.id, 'latencyMs')).filter(({message}) => message === 'approved');
	const before = (await approvals()).length;
	const asked = await ask(watched, device, scopes);
	if (asked.kind === 'hello') return {text: 'let in without being asked for', isFine: mayNeedNone};
	const approval = async () => (await approvals())[before];
	const {latencyMs} = await until('an approval', approval, {timeoutMs: patience, everyMs: 20, signal});
	const answer = await ask(watched, device, scopes);
	if (answer.kind !== 'hello') return {text: 'approved, and not let in', isFine: false};
	return {text: milliseconds(Number(latencyMs)), isFine: true};
}

function ask({gateway}: Watched, device: Device, scopes: readonly string[]): Promise<Answer> {
	return device.ask(gateway, {...cli, scopes});
}

function firstLine(error: unknown): string {
	return (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 120) ?? '';
}
