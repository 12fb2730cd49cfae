// The main job on real OpenClaw, shown step by step: `node scripts/demo.ts [--keep]`, after a build.
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import type {Status} from '../supervisor/status/schema.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {launcher, Pairkeeper} from '../test/support/pairkeeper.ts';
import {plainEnvironment} from '../test/support/processes.ts';
import {RealGateway} from '../test/support/real-gateway.ts';
import {installOpenclaw} from './setup-openclaw.ts';
import {interruption} from './support/interruption.ts';

const version = '2026.5.27';
const names = ['alpha', 'beta'] as const;
const keep = process.argv.includes('--keep');
const stillWaitingEveryMs = 5000;

const signal = interruption();

const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-demo-'));
guardFolder(folder);
const gateways: RealGateway[] = [];
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

	heading('Two sandboxes, each with a gateway of its own on loopback');
	const starting = names.map(async name => {
		const gateway = await RealGateway.start({version, name, signal});
		say(`${name}: ready, ${gateway.url}`);
		gateways.push(gateway);
	});
	const started = await waiting('the gateways', Promise.allSettled(starting));
	for (const each of started) if (each.status === 'rejected') throw each.reason;
	gateways.sort((one, other) => one.name.localeCompare(other.name));

	heading('pairkeeper run');
	const sandboxes = gateways.map(({name, environment}) => ({name, env: environment}));
	const config = {deadline: '1h', fastInterval: '1s', slowInterval: '5s', openclaw, sandboxes};
	pairkeeper = await Pairkeeper.start(folder, config, {signal});
	say(`running (pid ${pairkeeper.pid}), configured by ${pairkeeper.configFile}`);
	say('it polls fast until pairing has converged: four polls with nothing left to decide');
	await untilStatus('both sandboxes to be in slow mode', allSlow);

	heading('Each sandbox asks for more: openclaw cron list');
	for (const gateway of gateways) {
		const {exitCode, stdout, stderr} = await gateway.cli(['cron', 'list'], {signal});
		quote(gateway.name, stderr || stdout);
		if (exitCode === 0 || !stderr.includes('scope upgrade pending approval')) {
			throw new Error(`The command in ${gateway.name} should have been refused (exit ${exitCode})`);
		}
		say(`${gateway.name}: refused (exit ${exitCode})`);
	}

	heading('pairkeeper approves what the policy allows');
	await untilStatus('an approval in each sandbox', ({sandboxes}) => names.every(name => sandboxes[name]?.lastApproval));
	const table = await pairkeeper.command(['status'], {signal});
	console.log(table.stdout);
	if (table.exitCode !== 0) throw new Error(`pairkeeper status: exit ${table.exitCode}: ${table.stderr}`);

	heading('The same command again');
	for (const gateway of gateways) {
		const {exitCode, stdout, stderr} = await gateway.cli(['cron', 'list'], {signal});
		quote(gateway.name, stdout || stderr);
		if (exitCode !== 0) throw new Error(`The command in ${gateway.name} still fails (exit ${exitCode}): ${stderr}`);
		say(`${gateway.name}: works`);
	}
	console.log('\nDone: refused, approved by pairkeeper in slow mode, and working, in both sandboxes.');
}

function allSlow({sandboxes}: Status): boolean {
	return names.every(name => sandboxes[name]?.mode === 'slow');
}

/** Waits for a condition on the status file, and shows what changes on the way. */
async function untilStatus(what: string, condition: (status: Status) => boolean): Promise<void> {
	let shown = '';
	const look = (status: Status) => {
		const now = names.map(name => progressOf(status, name)).join('; ');
		if (now !== shown) say(now);
		shown = now;
		return condition(status);
	};
	if (!pairkeeper) throw new Error('pairkeeper is not running');
	await waiting(what, pairkeeper.until(what, look, {timeoutMs: 120_000, signal}));
}

function progressOf({sandboxes}: Status, name: string): string {
	const sandbox = sandboxes[name];
	if (!sandbox) return `${name}: starting`;
	const error = sandbox.lastError === null ? '' : `, ${sandbox.lastError}`;
	const {state, mode, pending, approved} = sandbox;
	return `${name}: ${state}, ${mode} mode, ${pending} pending, ${approved} approved${error}`;
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
	await rm(folder, {recursive: true, force: true});
	unguard(folder);
}

function leaveRunning(): void {
	if (!pairkeeper) return;
	pairkeeper.release();
	for (const gateway of gateways) gateway.release();
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
  env PATH=${PATH} HOME=${HOME} OPENCLAW_STATE_DIR=${OPENCLAW_STATE_DIR} ${gateway.binary} agent --agent main -m hi`);
	}
	const groups = gateways.map(({pid}) => `-${pid}`).join(' ');
	const folders = [folder, ...gateways.map(gateway => gateway.folder)].join(' ');
	console.log(`Stop it all:
  kill ${pairkeeper.pid}; kill -- ${groups}; sleep 5; rm -rf ${folders}`);
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
