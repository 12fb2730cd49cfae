import {setTimeout as sleep} from 'node:timers/promises';
import {table} from '../../supervisor/commands/table.ts';
import {judge, percentile} from './figures.ts';
import {FullHost} from './full-host.ts';
import {monotonic} from './monotonic.ts';
import {descendantsOf, descriptorsOf, proportionalOf} from './process-cost.ts';

const SANDBOXES = 10;
const REQUESTS_A_SECOND = 30;
/** One in so many is refused. */
const REFUSED_IN = 5;
/** Between two rows, in milliseconds. */
const ROW = 180_000;
/** What was seen later may be so many times what the first row shows: flat, with what garbage and noise make of it. */
const FLAT = 1.25;
/** The worst hundredth of a row are 54 requests, so that one moment of the machine's makes a row's p99: latencies are judged by the median of so many last rows. */
const LAST_ROWS = 3;

interface SteadyRow {
	readonly minutes: number;
	readonly supervisorMemory: number;
	readonly workerMemory: number;
	readonly descriptors: number;
	readonly p50: number;
	readonly p99: number;
}

/** Ten sandboxes under steady work for so many minutes; says how memory, descriptors and latency went, and whether they stayed flat. */
export async function steadyWork(minutes: number, signal: AbortSignal): Promise<boolean> {
	await using host = await FullHost.prepare(SANDBOXES);
	await host.start(SANDBOXES, signal);
	const rows: SteadyRow[] = [];
	const began = monotonic();
	while (monotonic() - began < minutes * 60_000) {
		const latencies = await work(host, Math.min(ROW, minutes * 60_000), signal);
		const row = rowOf(host, (monotonic() - began) / 60_000, latencies);
		rows.push(row);
		console.log(cellsOf(row).join('  '));
		await lookAtAlarms(host, signal);
	}
	console.log(`\n${table(['MINUTE', 'SUPERVISOR', 'A WORKER', 'DESCRIPTORS', 'P50', 'P99'], rows.map(cellsOf))}\n`);
	await host.stop();
	return isFlat(rows);
}

/** Requests at a constant pace for so many milliseconds; the sorted milliseconds that those that are allowed took. */
async function work(host: FullHost, ms: number, signal: AbortSignal): Promise<readonly number[]> {
	const latencies: number[] = [];
	const open = new Set<Promise<void>>();
	const began = monotonic();
	for (let at = 0; at < (ms / 1000) * REQUESTS_A_SECOND; at++) {
		const due = began + (at / REQUESTS_A_SECOND) * 1000;
		await sleep(Math.max(due - monotonic(), 0), undefined, {signal});
		// The refused ones are spread over all sandboxes too.
		const index = (at + Math.floor(at / SANDBOXES)) % SANDBOXES;
		const isAllowed = at % REFUSED_IN !== 0;
		const asked: Promise<void> = host.farm.ask([index], {isAllowed}).then(times => {
			if (isAllowed) latencies.push(...times);
			open.delete(asked);
		});
		open.add(asked);
	}
	await Promise.all(open);
	return latencies.sort((a, b) => a - b);
}

/**
 * So many approvals an hour are an alarm, and a row comes to most of them: it is raised now, by requests that nobody measures, and somebody looks at it, so
 * that the next row's are counted from none.
 */
async function lookAtAlarms(host: FullHost, signal: AbortSignal): Promise<void> {
	const asked: Promise<unknown>[] = [];
	await host.pairkeeper.until(
		'all to have raised the alarm',
		({sandboxes}) => {
			const all = Object.values(sandboxes);
			if (all.every(({warnings}) => warnings.some(text => text.startsWith('alarm: ')))) return true;
			for (let times = 0; times < 5; times++) asked.push(host.farm.ask('all'));
			return false;
		},
		{timeoutMs: 120_000, everyMs: 250, signal},
	);
	await host.pairkeeper.reload(host.config());
	await Promise.all(asked);
}

function rowOf({pairkeeper}: FullHost, minutes: number, latencies: readonly number[]): SteadyRow {
	const workers = descendantsOf(pairkeeper.pid);
	const sum = (cost: (pid: number) => number) => workers.reduce((total, pid) => total + cost(pid), 0);
	return {
		minutes,
		supervisorMemory: proportionalOf(pairkeeper.pid),
		workerMemory: sum(proportionalOf) / workers.length,
		descriptors: descriptorsOf(pairkeeper.pid) + sum(descriptorsOf),
		p50: percentile(latencies, 0.5),
		p99: percentile(latencies, 0.99),
	};
}

function cellsOf({minutes, supervisorMemory, workerMemory, descriptors, p50, p99}: SteadyRow): string[] {
	const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
	return [
		minutes.toFixed(1),
		mebibytes(supervisorMemory),
		mebibytes(workerMemory),
		String(descriptors),
		`${p50.toFixed(1)} ms`,
		`${p99.toFixed(1)} ms`,
	];
}

/** What came later against the first row, which is of minutes of work already: of what is kept the most, of latencies how they are at the end. */
function isFlat([first, ...others]: readonly SteadyRow[]): boolean {
	if (!first || others.length === 0) return false;
	const times = (value: number) => `${value.toFixed(2)} times`;
	const kept = (['supervisorMemory', 'workerMemory', 'descriptors'] as const).map(key => {
		const most = Math.max(...others.map(row => row[key]));
		return judge(`${key}, the most of any row, against the first row`, most / first[key], FLAT, times);
	});
	const lasted = (['p50', 'p99'] as const).map(key => {
		const last = others.slice(-LAST_ROWS).map(row => row[key]);
		const median = percentile(
			last.sort((a, b) => a - b),
			0.5,
		);
		return judge(
			`${key}, median of the last ${last.length} rows, against the first row`,
			median / first[key],
			FLAT,
			times,
		);
	});
	return [...kept, ...lasted].every(isMet => isMet);
}
