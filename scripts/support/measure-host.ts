// How the figures of a full host are measured, on one that runs and is settled.
import {watch} from 'node:fs';
import {stat} from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {askSupervisor} from '../../supervisor/control/client.ts';
import {instancePaths} from '../../supervisor/instance/paths.ts';
import {percentile} from './figures.ts';
import {type FullHost, nameOf, numbersBelow} from './full-host.ts';
import type {HostFigures} from './host-rows.ts';
import {monotonic} from './monotonic.ts';
import {cpuOf, descendantsOf, proportionalOf} from './process-cost.ts';

/** How much is measured. */
export interface Effort {
	/** How long the host is left alone, in milliseconds. */
	readonly idle: number;
	/** Requests one at a time, moments with a request in each sandbox, and workers that are killed. */
	readonly requests: number;
	readonly bursts: number;
	readonly kills: number;
}

/** How long after its start a host is idle: workers are no longer young and no worker of it still says something new; milliseconds. */
const SETTLING = 20_000;

/** How long all gateways are away, in milliseconds. */
const HICCUP = 5000;

/** How old a worker is that is replaced at once, in milliseconds: `restart.stableAfter`, as it is unless told. */
const STABLE = 60_000;

/** Between two kills, in milliseconds: a worker that fails alone finds another one that stands by and has loaded. */
const KILL_GAP = 1000;

/** Before all ask at one moment, in milliseconds: what is still to be said of the last moment is no part of the next one. */
const REST = 1000;

/** Between two questions at the control socket, in milliseconds. */
const QUESTION_GAP = 20;

const settings = {timeoutMs: 120_000, everyMs: 250};

/** Starts the host, and measures it through idleness, requests and the loss of all gateways at once. */
export async function measureHost(host: FullHost, effort: Effort, signal: AbortSignal): Promise<HostFigures> {
	const {farm, pairkeeper, count} = host;
	const start = await host.start(count, signal);
	await pairkeeper.until('all to be healthy', ({totals}) => totals.healthy === count, {...settings, signal});
	await sleep(SETTLING, undefined, {signal});
	const idle = await measureIdle(host, effort.idle, signal);
	const memory = await measureMemory(host);
	const latencies = await measureRequests(host, effort, signal);
	const successor = await measureSuccessor(host, effort.kills, signal);
	await farm.shut();
	await sleep(HICCUP, undefined, {signal});
	const open = await farm.open();
	const back = (await farm.allListed()) - open;
	const attempts = Math.max(...(await farm.accepted()));
	const stop = await host.stop();
	const added = await measureAddition(host, signal);
	return {sandboxes: count, start, ...idle, ...memory, ...latencies, successor, back, attempts, added, stop};
}

/** The pids of the workers, by sandbox. */
async function workersOf({pairkeeper}: FullHost): Promise<readonly number[]> {
	const {sandboxes} = await pairkeeper.status();
	return Object.values(sandboxes).flatMap(({pid}) => pid ?? []);
}

async function measureIdle(
	host: FullHost,
	ms: number,
	signal: AbortSignal,
): Promise<Pick<HostFigures, 'supervisorIdle' | 'workerIdle' | 'allIdle' | 'statusWrites'>> {
	const {pairkeeper} = host;
	const workers = await workersOf(host);
	const others = descendantsOf(pairkeeper.pid);
	const cpu = () => ({
		supervisor: cpuOf(pairkeeper.pid),
		workers: sumOf(workers, cpuOf),
		all: cpuOf(pairkeeper.pid) + sumOf(others, cpuOf),
	});
	let writes = 0;
	const watcher = watch(pairkeeper.folder, (event, name) => {
		if (event === 'rename' && pairkeeper.statusFile.endsWith(`/${name}`)) writes++;
	});
	const began = monotonic();
	const before = cpu();
	await sleep(ms, undefined, {signal});
	const after = cpu();
	const seconds = (monotonic() - began) / 1000;
	watcher.close();
	return {
		supervisorIdle: (after.supervisor - before.supervisor) / seconds,
		workerIdle: (after.workers - before.workers) / seconds / workers.length,
		allIdle: (after.all - before.all) / seconds,
		statusWrites: (writes / seconds) * 60,
	};
}

async function measureMemory(
	host: FullHost,
): Promise<Pick<HostFigures, 'workerMemory' | 'relayMemory' | 'supervisorMemory' | 'statusBytes'>> {
	const {pairkeeper, count} = host;
	const workers = new Set(await workersOf(host));
	const all = descendantsOf(pairkeeper.pid);
	return {
		workerMemory: sumOf([...workers], proportionalOf) / workers.size,
		relayMemory:
			sumOf(
				all.filter(pid => !workers.has(pid)),
				proportionalOf,
			) / count,
		supervisorMemory: proportionalOf(pairkeeper.pid),
		statusBytes: (await stat(pairkeeper.statusFile)).size,
	};
}

async function measureRequests(
	{farm, pairkeeper, count}: FullHost,
	{requests, bursts}: Effort,
	signal: AbortSignal,
): Promise<Pick<HostFigures, 'oneP50' | 'oneP99' | 'burstP50' | 'burstP99' | 'loopP99'>> {
	const one: number[] = [];
	for (let at = 0; at < requests; at++) {
		signal.throwIfAborted();
		one.push(...(await farm.ask([at % count])));
	}
	const moments = async () => {
		const times: number[] = [];
		for (let at = 0; at < bursts; at++) {
			await sleep(REST, undefined, {signal});
			times.push(...(await farm.ask('all')));
		}
		return times;
	};
	const burst = await moments();
	// In moments of their own: fifty questions a second are a load, too.
	const loop: number[] = [];
	const over = new AbortController();
	const asking = askAgainAndAgain(pairkeeper.statusFile, loop, AbortSignal.any([signal, over.signal]));
	await moments();
	over.abort();
	await asking;
	for (const times of [one, burst, loop]) times.sort((a, b) => a - b);
	return {
		oneP50: percentile(one, 0.5),
		oneP99: percentile(one, 0.99),
		burstP50: percentile(burst, 0.5),
		burstP99: percentile(burst, 0.99),
		loopP99: percentile(loop, 0.99),
	};
}

/** The round trips at the control socket, in milliseconds, until the signal aborts. To ask what waits changes nothing. */
async function askAgainAndAgain(statusFile: string, times: number[], signal: AbortSignal): Promise<void> {
	while (!signal.aborted) {
		const began = monotonic();
		const reply = await askSupervisor(instancePaths(statusFile), {op: 'pending'}, 10_000);
		if (reply.kind !== 'answered') throw new Error(`The supervisor does not answer: ${JSON.stringify(reply)}`);
		times.push(monotonic() - began);
		await sleep(QUESTION_GAP, undefined, {signal}).catch(() => {});
	}
}

/** The median of the milliseconds from a stable worker's SIGKILL to its successor's list, one at a time. */
async function measureSuccessor(host: FullHost, kills: number, signal: AbortSignal): Promise<number> {
	const {farm, pairkeeper, count} = host;
	const isStable = ({startedAt}: {readonly startedAt: string | null}) =>
		startedAt !== null && Date.now() - Date.parse(startedAt) >= STABLE;
	await pairkeeper.until('the workers to be stable', ({sandboxes}) => Object.values(sandboxes).every(isStable), {
		...settings,
		signal,
	});
	const times: number[] = [];
	for (const index of numbersBelow(count).slice(0, kills)) {
		await sleep(KILL_GAP, undefined, {signal});
		const {pid} = await pairkeeper.statusOf(nameOf(index));
		if (pid === null) throw new Error(`${nameOf(index)} has no worker`);
		await farm.forget([index]);
		const began = monotonic();
		process.kill(pid, 'SIGKILL');
		times.push((await farm.allListed([index])) - began);
	}
	return percentile(
		times.sort((a, b) => a - b),
		0.5,
	);
}

/** Milliseconds from `pairkeeper reload` until all but one sandbox, which it adds, are watched. */
async function measureAddition(host: FullHost, signal: AbortSignal): Promise<number> {
	const {farm, pairkeeper} = host;
	await host.start(1, signal);
	await farm.forget();
	const began = monotonic();
	await pairkeeper.reload(host.config());
	const added = (await farm.allListed(numbersBelow(host.count).slice(1))) - began;
	await host.stop();
	return added;
}

/** Those that have ended meanwhile count for nothing. */
function sumOf(pids: readonly number[], cost: (pid: number) => number): number {
	return pids.reduce((sum, pid) => {
		try {
			return sum + cost(pid);
		} catch {
			return sum;
		}
	}, 0);
}
