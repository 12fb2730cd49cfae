// The main job on real OpenClaw, shown step by step: `node scripts/demo.ts [--keep]`, after a build.
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import type {Status} from '../supervisor/status/schema.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {canHaveNetworks, NetworkNamespace} from '../test/support/network-namespace.ts';
import {launcher, Pairkeeper} from '../test/support/pairkeeper.ts';
import {plainEnvironment} from '../test/support/processes.ts';
import {type GatewayPlace, RealGateway} from '../test/support/real-gateway.ts';
import {installOpenclaw} from './setup-openclaw.ts';
import {milliseconds} from './support/figures.ts';
import {interruption} from './support/interruption.ts';

const version = '2026.5.27';
const names = ['alpha', 'beta'] as const;
const keep = process.argv.includes('--keep');
const stillWaitingEveryMs = 5000;

const signal = interruption();

const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-demo-'));
guardFolder(folder);
const gateways: RealGateway[] = [];
const hasNetworks = canHaveNetworks();
const networks = new Map<string, NetworkNamespace>();
let pairkeeper: Pairkeeper | undefined;
let kept = false;
try {
	await show();
	kept = keep;
} catch (error) {
	process.exitCode ||= 1;
	console.error(`\nThe demo did not get through: ${error instanceof Error ? error.message : error}`);
	if (!signal.aborted) await showLogs();
} finally {
	if (kept) leaveRunning();
	else await endAll();
}

async function show(): Promise<void> {
	heading(`OpenClaw ${version}`);
	const openclaw = await installOpenclaw(version, {log: line => say(line), signal});

	heading(
		hasNetworks
			? 'Two sandboxes, each with a network of its own that this host cannot reach'
			: 'Two sandboxes on loopback (networks of their own need root, unshare and ip)',
	);
	const started = await waiting('the gateways', Promise.allSettled(names.map(startSandbox)));
	for (const each of started) if (each.status === 'rejected') throw each.reason;
	gateways.sort((one, other) => one.name.localeCompare(other.name));

	heading('pairkeeper run: alpha as it is by itself, beta by the command line alone, for comparison');
	const sandboxes = gateways.map(({name, environment}) => {
		// Sandboxes like these share the host's files: what is said is where OpenClaw keeps its own, and no port and no token.
		const env = {...environment, PATH: `${dirname(openclaw)}:${plainEnvironment().PATH}`};
		return {name, exec: execOf(name), env, ...(name === 'beta' ? {transport: 'cli'} : {})};
	});
	const config = {deadline: '1h', fastInterval: '1s', slowInterval: '5s', runTimeout: '30s', sandboxes};
	pairkeeper = await Pairkeeper.start(folder, config, {signal});
	say(`running (pid ${pairkeeper.pid}), configured by ${pairkeeper.configFile}`);
	await untilStatus('alpha to be connected from inside, and beta to answer', ({sandboxes: {alpha, beta}}) =>
		Boolean(alpha?.route === 'inside' && alpha.healthy && beta?.healthy),
	);

	heading('Each sandbox asks for more: openclaw cron list');
	const refused = gateways.map(async gateway => {
		const {exitCode, stdout, stderr} = await gateway.cli(['cron', 'list'], {signal});
		quote(gateway.name, stderr || stdout);
		if (exitCode === 0 || !stderr.includes('scope upgrade pending approval')) {
			throw new Error(`The command in ${gateway.name} should have been refused (exit ${exitCode})`);
		}
		say(`${gateway.name}: refused (exit ${exitCode})`);
		return [gateway.name, Date.now()] as const;
	});
	const refusedAt = new Map(await Promise.all(refused));

	heading('pairkeeper approves what the policy allows');
	const {sandboxes: approved} = await untilStatus('an approval in each sandbox', status =>
		names.every(name => status.sandboxes[name]?.lastApproval),
	);
	const waits = names.map(name => {
		const {route, lastApproval} = approved[name] ?? {};
		// By the command line the first try replaces the request, so it is counted from when the user was refused.
		const sinceRefusal = Date.parse(lastApproval?.at ?? '') - (refusedAt.get(name) ?? 0);
		const wait = milliseconds(Math.max(lastApproval?.latencyMs ?? 0, sinceRefusal));
		say(`${name}: approved after ${wait}, ${route ? `by the gateway (${route})` : 'by the command line'}`);
		return wait;
	});
	const table = await pairkeeper.command(['status'], {signal});
	console.log(`\n${table.stdout}`);
	if (table.exitCode !== 0) throw new Error(`pairkeeper status: exit ${table.exitCode}: ${table.stderr}`);

	heading('The same command again');
	const works = gateways.map(async gateway => {
		const {exitCode, stdout, stderr} = await gateway.cli(['cron', 'list'], {signal});
		quote(gateway.name, stdout || stderr);
		if (exitCode !== 0) throw new Error(`The command in ${gateway.name} still fails (exit ${exitCode}): ${stderr}`);
		say(`${gateway.name}: works`);
	});
	await Promise.all(works);
	const [fast, slow] = waits;
	console.log(
		`\nDone: refused, approved and working in both sandboxes, after ${fast} by the gateway and ${slow} by the command line.`,
	);
}

async function startSandbox(name: string): Promise<void> {
	const exec = async ({port}: GatewayPlace) => {
		if (hasNetworks) {
			const network = new NetworkNamespace(`pairkeeper-demo-${process.pid}-${name}`);
			networks.set(name, network);
			await network.openPassage(port);
		}
		return execOf(name);
	};
	const gateway = await RealGateway.start({version, name, exec, signal});
	gateways.push(gateway);
	// The first time that a CLI connects to its own host's gateway it is paired, with what it asks for then.
	await gateway.cli(['devices', 'list'], {signal});
	say(`${name}: ready, ${gateway.url}${hasNetworks ? ` behind \`${execOf(name).join(' ')}\`` : ''}`);
}

/** What is put before a command that is to run in a sandbox. */
function execOf(name: string): readonly string[] {
	return networks.get(name)?.exec ?? ['env'];
}

/** Waits for a condition on the status file, and shows what changes on the way. */
async function untilStatus(what: string, condition: (status: Status) => boolean): Promise<Status> {
	let shown = '';
	const look = (status: Status) => {
		const now = names.map(name => progressOf(status, name)).join('; ');
		if (now !== shown) say(now);
		shown = now;
		return condition(status);
	};
	if (!pairkeeper) throw new Error('pairkeeper is not running');
	return waiting(what, pairkeeper.until(what, look, {timeoutMs: 240_000, signal}));
}

function progressOf({sandboxes}: Status, name: string): string {
	const sandbox = sandboxes[name];
	if (!sandbox) return `${name}: starting`;
	const error = sandbox.lastError === null ? '' : `, ${sandbox.lastError}`;
	const {state, transport, route, pending, approved} = sandbox;
	const way = route === null ? transport : `${transport} (${route})`;
	return `${name}: ${state}, ${way}, ${pending} pending, ${approved} approved${error}`;
}

/** Says every few seconds that it is still waiting. */
async function waiting<T>(what: string, promise: Promise<T>): Promise<T> {
	const startedAt = performance.now();
	const timer = setInterval(() => {
		say(`waiting for ${what}, ${Math.round((performance.now() - startedAt) / 1000)} s so far`);
	}, stillWaitingEveryMs);
	try {
		return await promise;
	} finally {
		clearInterval(timer);
	}
}

async function endAll(): Promise<void> {
	console.log('\nEnding pairkeeper and the gateways…');
	await pairkeeper?.stop();
	// An install or a start that was broken off may still be adding to the list.
	await Promise.allSettled(gateways.map(gateway => gateway.stop()));
	await Promise.allSettled([...networks.values()].map(network => network[Symbol.asyncDispose]()));
	await rm(folder, {recursive: true, force: true});
	unguard(folder);
}

function leaveRunning(): void {
	if (!pairkeeper) return;
	pairkeeper.release();
	for (const gateway of gateways) gateway.release();
	for (const network of networks.values()) network.release();
	unguard(folder);
	const node = resolve(import.meta.dirname, '../node_modules/.bin/node');
	const {PATH} = plainEnvironment();
	heading('Left running (--keep)');
	console.log(`Look at it:
  ${node} ${launcher} status --watch --config ${pairkeeper.configFile}
  tail -f ${pairkeeper.logFile}`);
	for (const gateway of gateways) {
		const {HOME, OPENCLAW_STATE_DIR} = gateway.environment;
		console.log(`Be the user of ${gateway.name}:
  ${execOf(gateway.name).join(' ')} env PATH=${PATH} HOME=${HOME} OPENCLAW_STATE_DIR=${OPENCLAW_STATE_DIR} ${gateway.binary} agent --agent main -m hi`);
	}
	const groups = gateways.map(({pid}) => `-${pid}`).join(' ');
	const folders = [folder, ...gateways.map(gateway => gateway.folder)].join(' ');
	const removals = [...networks.values()].map(({name}) => `; ip netns del ${name}`).join('');
	console.log(`Stop it all:
  kill ${pairkeeper.pid}; kill -- ${groups}; sleep 5; rm -rf ${folders}${removals}`);
}

async function showLogs(): Promise<void> {
	const logs = [...(pairkeeper ? [pairkeeper.logFile] : []), ...gateways.map(({logFile}) => logFile)];
	for (const log of logs) {
		const tail = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-15);
		console.error(`\nThe end of ${log}:\n${tail.join('\n')}`);
	}
}

function heading(text: string): void {
	console.log(`\n== ${text}`);
}

function say(text: string): void {
	console.log(`   ${text}`);
}

function quote(name: string, text: string): void {
	const lines = text.trim().split('\n').slice(0, 2);
	console.log(`   ${name}$ openclaw cron list`);
	for (const line of lines) console.log(`     | ${line}`);
}
