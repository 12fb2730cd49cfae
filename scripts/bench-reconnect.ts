// How soon a device gets more scopes once its gateway is back, by the gateway transport alone: the gateway was killed, or started with another token,
// or stood still until it was given up; real OpenClaw. `node scripts/bench-reconnect.ts`, after a build, takes about five minutes:
//   --rounds N          how often each happens to each version, 5 unless told
//   --version V         only this version of OpenClaw
import {randomBytes} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {table} from '../supervisor/commands/table.ts';
import {Device} from '../test/support/device.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {Pairkeeper} from '../test/support/pairkeeper.ts';
import type {RealGateway} from '../test/support/real-gateway.ts';
import {until} from '../test/support/until.ts';
import {LONGEST_REFUSED_DELAY} from '../worker/transport/gateway/reconnect.ts';
import {installOpenclaw, openclawVersions} from './setup-openclaw.ts';
import {judge, machine, milliseconds, percentile} from './support/figures.ts';
import {interruption} from './support/interruption.ts';
import {startMeasuredGateway, writeToken} from './support/measured-gateway.ts';

interface Sandbox {
	readonly gateway: RealGateway;
	readonly tokenFile: string;
}

/** Something that happens to a gateway; the promise resolves when the gateway is back. */
interface Fault {
	readonly name: string;
	happen(sandbox: Sandbox): Promise<void>;
}

const patience = {timeoutMs: 60_000};
const cli = {clientName: 'cli', mode: 'cli'} as const;

const {values: options} = parseArgs({
	options: {rounds: {type: 'string', default: '5'}, version: {type: 'string', multiple: true}},
});
const versions = options.version ?? openclawVersions;
const rounds = Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${options.rounds}: a whole number from 1 on`);
const signal = interruption();

const faults: readonly Fault[] = [
	{
		name: 'killed and started again',
		happen: async ({gateway}) => {
			gateway.kill('SIGKILL');
			await untilLost(gateway);
			await gateway.restart();
		},
	},
	{
		name: 'started with another token',
		happen: async ({gateway, tokenFile}) => {
			const token = randomBytes(16).toString('hex');
			await writeToken(tokenFile, token);
			await gateway.restart({token});
		},
	},
	{
		name: 'given up, and goes on',
		happen: async ({gateway}) => {
			gateway.kill('SIGSTOP');
			await untilLost(gateway);
			gateway.kill('SIGCONT');
		},
	},
];

console.log(`${machine()}; OpenClaw ${versions.join(' and ')}\n`);
const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-bench-'));
guardFolder(folder);
const sandboxes: Sandbox[] = [];
let pairkeeper: Pairkeeper | undefined;
try {
	for (const version of versions) {
		await installOpenclaw(version, {log: line => console.log(line), signal});
		sandboxes.push(await startMeasuredGateway(version, folder, signal));
	}
	pairkeeper = await supervise();
	const results = new Map<string, readonly number[]>();
	for (const fault of faults) {
		// One after the other: a gateway that starts takes a core for itself.
		for (const sandbox of sandboxes) results.set(keyOf(sandbox, fault), await measure(sandbox, fault));
	}
	await assertOnceEach(pairkeeper);
	report(results);
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
	if (pairkeeper && !signal.aborted) console.error(await pairkeeper.logTail());
} finally {
	await pairkeeper?.stop();
	await Promise.allSettled(sandboxes.map(({gateway}) => gateway.stop()));
	await rm(folder, {recursive: true, force: true});
	unguard(folder);
}

function supervise(): Promise<Pairkeeper> {
	const config = {
		deadline: 'never',
		// A gateway that stands still is found out by the list that it does not answer.
		slowInterval: '2s',
		runTimeout: '5s',
		sandboxes: sandboxes.map(({gateway: {name, url, environment}, tokenFile}) => ({
			name,
			transport: 'gateway',
			gateway: {url, tokenFile},
			env: environment,
		})),
	};
	return Pairkeeper.start(folder, config, {signal});
}

/** Milliseconds from the gateway's return, when it lets in a device that is paired already, until it lets that device in with more scopes; sorted. */
async function measure(sandbox: Sandbox, fault: Fault): Promise<readonly number[]> {
	const {gateway} = sandbox;
	const times: number[] = [];
	while (times.length < rounds) {
		const device = new Device();
		await untilLetIn(gateway, device, ['operator.read']);
		await fault.happen(sandbox);
		// /healthz answers some seconds before a gateway that has just started lets anybody in.
		await untilLetIn(gateway, device, ['operator.read']);
		const back = performance.now();
		await untilLetIn(gateway, device, ['operator.read', 'operator.write']);
		times.push(performance.now() - back);
	}
	times.sort((a, b) => a - b);
	console.log(`${gateway.name}, ${fault.name}: ${times.map(milliseconds).join(', ')}`);
	return times;
}

async function untilLetIn(gateway: RealGateway, device: Device, scopes: readonly string[]): Promise<void> {
	const isLetIn = async () => (await device.ask(gateway, {...cli, scopes})).kind === 'hello';
	await until('the device to be let in', isLetIn, {...patience, everyMs: 20, signal});
}

async function untilLost({name}: RealGateway): Promise<void> {
	const isLost = ({transportReason}: {transportReason: string | null}) => transportReason !== null;
	await pairkeeper?.untilSandbox(name, 'to lose its gateway', isLost, {...patience, signal});
}

/** No request was approved twice, and none by anybody else. */
async function assertOnceEach(keeper: Pairkeeper): Promise<void> {
	const lines = await keeper.logLines('"message":"approved"');
	const ids = lines.map(line => (JSON.parse(line) as {requestId: string}).requestId);
	if (new Set(ids).size !== ids.length) throw new Error('A request was approved twice');
	const expected = sandboxes.length * faults.length * rounds;
	if (ids.length < expected) throw new Error(`${ids.length} approvals, where ${expected} devices asked for more`);
}

function report(results: ReadonlyMap<string, readonly number[]>): void {
	const cells = sandboxes.flatMap(sandbox =>
		faults.map(fault => {
			const times = results.get(keyOf(sandbox, fault)) ?? [];
			const figures = [0.5, 1].map(share => milliseconds(percentile(times, share)));
			return [sandbox.gateway.version, fault.name, String(times.length), ...figures];
		}),
	);
	console.log(
		`\nFrom the gateway's return, when it lets in a device that is paired, until that device gets more scopes; the longest wait between two tries to connect is ${milliseconds(LONGEST_REFUSED_DELAY)}\n${table(
			['OPENCLAW', 'THE GATEWAY WAS', 'ROUNDS', 'P50', 'MAX'],
			cells,
		)}\n`,
	);
	const worst = Math.max(...[...results.values()].flat());
	if (!judge('the longest', worst, LONGEST_REFUSED_DELAY, milliseconds)) process.exitCode = 1;
	console.log('   no request was approved twice');
}

function keyOf({gateway}: Sandbox, fault: Fault): string {
	return `${gateway.name} ${fault.name}`;
}
