// What the host-wide bound on `openclaw` calls is worth: 16 sandboxes with one pending request each, calls that cost what the real ones cost,
// with the bound and without it; then again with half of the sandboxes hanging, and with some that answer each call just in time.
// `node scripts/bench-turns.ts`, after a build; about ten minutes.
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import {join, resolve} from 'node:path';
import {callLimit} from '../supervisor/calls/limit.ts';
import {table} from '../supervisor/commands/table.ts';
import {guardFolder, unguard} from '../test/support/guard.ts';
import {Pairkeeper} from '../test/support/pairkeeper.ts';
import {until} from '../test/support/until.ts';
import {machine} from './support/figures.ts';
import {interruption} from './support/interruption.ts';

const sandboxCount = 16;
/** What is wrong with how many of them. */
const cases = [
	{fault: 'hangs', faulty: 0, shown: 'all healthy'},
	{fault: 'hangs', faulty: 8, shown: '8 hang'},
	{fault: 'slow', faulty: 3, shown: '3 answer after 9.9 s'},
] as const;
type Case = (typeof cases)[number];
const runTimeoutMs = 10_000;
const giveUpAfterMs = 120_000;
const openclaw = resolve(import.meta.dirname, 'support/costly-openclaw.ts');

/** How the host's calls are kept within bounds. */
const ways = {
	/** As many calls at once as there are cores. */
	auto: {calls: 'auto', supervisors: 1, shown: `${callLimit('auto').limit} (auto)`},
	/** Any number of calls at once; but sandboxes whose last call timed out share one turn still. */
	many: {calls: 1000, supervisors: 1, shown: '1000'},
	/** A supervisor for each sandbox, so that nobody knows of the others: what it is without any bound. */
	alone: {calls: 1000, supervisors: sandboxCount, shown: 'no common bound'},
} as const;
type Way = (typeof ways)[keyof typeof ways];

/** What one case came to. */
interface Result {
	/** Milliseconds until the last healthy sandbox was approved, `null` where that did not happen in time. */
	readonly approvedAfter: number | null;
	/** The same for half of the healthy sandboxes. */
	readonly halfAfter: number | null;
	readonly approved: number;
	readonly healthy: number;
	readonly calls: number;
	/** Calls of sandboxes that hang are among them. */
	readonly timedOut: number;
	readonly timedOutHealthy: number;
}

interface Sandbox {
	readonly name: string;
	readonly state: string;
	readonly isFaulty: boolean;
}

interface CallRecord {
	readonly isFaulty: boolean;
	readonly kind: string;
	readonly begin: number;
	readonly end: number | null;
}

const signal = interruption();

console.log(machine());
console.log(
	`${sandboxCount} sandboxes, one request each; a call takes 1.2 s of CPU time and 250 MB; runTimeout ${runTimeoutMs / 1000} s\n`,
);
if (os.availableParallelism() !== 2) {
	console.log('The figures to compare with are of 2 cores: taskset -c 0,1 node scripts/bench-turns.ts\n');
}

try {
	const rows: string[][] = [];
	for (const each of cases) {
		const bounded = await measure(each, ways.auto);
		rows.push(rowOf(each, ways.auto, bounded, bounded));
		for (const way of [ways.many, ways.alone]) rows.push(rowOf(each, way, await measure(each, way), bounded));
	}
	const head = [
		'SANDBOXES',
		'CALLS AT ONCE',
		'CALLS',
		'TIMED OUT',
		'OF HEALTHY ONES',
		'APPROVED',
		'HALF AFTER',
		'ALL AFTER',
	];
	console.log(`\n${table([...head, 'RATIO'], rows)}`);
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
}

function rowOf({shown: sandboxes}: Case, way: Way, result: Result, bounded: Result): string[] {
	const {approvedAfter, halfAfter, approved, healthy, calls, timedOut, timedOutHealthy} = result;
	return [
		sandboxes,
		way.shown,
		String(calls),
		String(timedOut),
		String(timedOutHealthy),
		`${approved} of ${healthy}`,
		shown(halfAfter),
		shown(approvedAfter),
		ratio(result, bounded),
	];
}

/** How much longer than with the bound it took; at least so much where it was given up. */
function ratio({approvedAfter}: Result, bounded: Result): string {
	if (bounded.approvedAfter === null) return '-';
	const times = ((approvedAfter ?? giveUpAfterMs) / bounded.approvedAfter).toFixed(2);
	return approvedAfter === null ? `> ${times}` : times;
}

function shown(ms: number | null): string {
	return ms === null ? `not within ${giveUpAfterMs / 1000} s` : seconds(ms);
}

function seconds(ms: number): string {
	return `${(ms / 1000).toFixed(1)} s`;
}

/** Runs `pairkeeper run` until all healthy sandboxes are approved, or for {@link giveUpAfterMs}. */
async function measure(each: Case, way: Way): Promise<Result> {
	signal.throwIfAborted();
	const {faulty} = each;
	process.stdout.write(`${each.shown}, ${way.shown}… `);
	const folder = await mkdtemp(join(os.tmpdir(), 'pairkeeper-bench-'));
	guardFolder(folder);
	const supervisors: Pairkeeper[] = [];
	try {
		const sandboxes = await makeSandboxes(folder, each);
		const began = monotonicMs();
		const startups = await Promise.allSettled(
			Array.from({length: way.supervisors}, async (_, index) => {
				const own = sandboxes.filter((_, at) => at % way.supervisors === index);
				supervisors.push(await start(join(folder, `supervisor-${index}`), own, way));
			}),
		);
		for (const startup of startups) if (startup.status === 'rejected') throw startup.reason;
		const approvedAfter = await until(
			'all approvals',
			async () => (await approvedIn(supervisors, sandboxes)) === sandboxCount - faulty,
			{
				timeoutMs: giveUpAfterMs - (monotonicMs() - began),
				everyMs: 200,
				signal,
			},
		).then(
			() => monotonicMs() - began,
			() => null,
		);
		signal.throwIfAborted();
		const approved = await approvedIn(supervisors, sandboxes);
		const ended = monotonicMs();
		const calls = (await Promise.all(sandboxes.map(callsOf))).flat();
		// A call without an end that is younger than the bound is still under way, and judged by nobody.
		const timedOut = calls.filter(({begin, end}) => end === null && ended - begin >= runTimeoutMs);
		console.log(approvedAfter === null ? `given up after ${seconds(giveUpAfterMs)}` : seconds(approvedAfter));
		const approvals = calls
			.filter(({kind, end, isFaulty}) => kind === 'approve' && end !== null && !isFaulty)
			.map(({end}) => Number(end) - began);
		return {
			approvedAfter,
			halfAfter: approvals.sort((a, b) => a - b)[Math.floor((sandboxCount - faulty) / 2) - 1] ?? null,
			approved,
			healthy: sandboxCount - faulty,
			calls: calls.length,
			timedOut: timedOut.length,
			timedOutHealthy: timedOut.filter(({isFaulty}) => !isFaulty).length,
		};
	} finally {
		await Promise.all(supervisors.map(supervisor => supervisor.stop()));
		await rm(folder, {recursive: true, force: true});
		unguard(folder);
	}
}

async function start(folder: string, sandboxes: readonly Sandbox[], {calls}: Way): Promise<Pairkeeper> {
	await mkdir(folder, {mode: 0o700});
	const config = {
		deadline: '1h',
		runTimeout: runTimeoutMs / 1000,
		maxConcurrentCalls: calls,
		openclaw,
		sandboxes: sandboxes.map(({name, state}) => ({name, env: {OPENCLAW_STATE_DIR: state}})),
	};
	return Pairkeeper.start(folder, config, {signal});
}

/** How many healthy sandboxes have been approved. */
async function approvedIn(supervisors: readonly Pairkeeper[], sandboxes: readonly Sandbox[]): Promise<number> {
	const all = await Promise.all(supervisors.map(supervisor => supervisor.status()));
	const healthy = sandboxes.filter(({isFaulty}) => !isFaulty);
	return healthy.filter(({name}) => all.some(status => (status.sandboxes[name]?.approved ?? 0) > 0)).length;
}

/** The faulty ones stand between the others, as on a real host. */
async function makeSandboxes(folder: string, {fault, faulty}: Case): Promise<Sandbox[]> {
	const indexes = Array.from({length: sandboxCount}, (_, index) => index);
	return Promise.all(
		indexes.map(async index => {
			const name = `s${String(index).padStart(2, '0')}`;
			const state = join(folder, name);
			const isFaulty = index % 2 === 0 && index / 2 < faulty;
			await mkdir(state, {mode: 0o700});
			await writeFile(join(state, 'calls.log'), '');
			await writeFile(join(state, 'request.json'), JSON.stringify(requestOf(index)));
			if (isFaulty) await writeFile(join(state, fault), '');
			return {name, state, isFaulty};
		}),
	);
}

function requestOf(index: number): object {
	const deviceId = index.toString(16).padStart(64, '0');
	const client = {clientId: 'cli', clientMode: 'cli', role: 'operator', roles: ['operator']};
	return {requestId: `r-${index}`, deviceId, publicKey: deviceId, ...client, scopes: ['operator.read'], ts: Date.now()};
}

async function callsOf({state, isFaulty}: Sandbox): Promise<CallRecord[]> {
	const text = await readFile(join(state, 'calls.log'), 'utf8');
	const lines = text.split('\n').flatMap(line => {
		const [pid, kind, what, at] = line.split(' ');
		return pid && kind && what && at ? [{pid, kind, what, at: Number(at)}] : [];
	});
	return lines
		.filter(({what}) => what === 'begin')
		.map(({pid, kind, at}) => {
			const end = lines.find(other => other.pid === pid && other.what === 'end' && other.at >= at);
			return {isFaulty, kind, begin: at, end: end?.at ?? null};
		});
}

/** The clock of the calls' records. */
function monotonicMs(): number {
	return Number(process.hrtime.bigint() / 1_000_000n);
}
