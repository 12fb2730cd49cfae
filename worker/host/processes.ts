import {systemClock} from '../clock.ts';
import {type ProcessTable, procTable} from './process-table.ts';

/**
 * The environment variable that every process started for a worker inherits, so that it is found again even where it has left
 * the worker's process groups. Its value is `<run>/<worker>`, and for an `openclaw` call `<run>/<worker>/<call>`.
 */
export const MARKER = 'PAIRKEEPER_OWNER';

/**
 * The most that is read of one process's environment, in bytes. What we start ourselves has its marker first of all; a program that puts its variables
 * into another order has what we gave it, which is less than this. One that makes its environment large to hide the marker was not started by a
 * sandbox: those are on the other side of what we start.
 */
const MAX_ENVIRONMENT = 2 ** 16;

/** How often the process table is searched before we give up on something that forks faster than we kill. */
const MAX_SWEEPS = 20;

/** How many processes are looked at before the event loop has its turn. */
const LOOKS_AT_ONCE = 100;

/** How long one process's environment is waited for, in milliseconds: the kernel may make a reader wait for the process's memory. */
const ENVIRONMENT_PATIENCE = 250;

/** For how long, in milliseconds, what was found before is waited for: environments that did not come, and processes that are ended and have yet to go. */
const LAGGARD_PATIENCE = 2000;
const LAGGARD_GAP = 50;

/** The most of what a command has started that is followed down. */
const MAX_TREE = 4096;

/** A process for good: a pid alone may be given to another one. */
export interface ProcessId {
	readonly pid: number;
	readonly startTime: string;
}

/** What bounds a search: how many processes there are, and how large, other users decide. */
export interface SweepBounds {
	/** The start time of the oldest process that it can be about, in the kernel's ticks; `null`: any. */
	readonly since?: string | null;
	/** Processes that are known to carry another marker, by their pids: on a host of many workers they are most of what there is to look at. */
	readonly others?: ReadonlySet<number>;
	/** Milliseconds it may take altogether. */
	readonly within?: number;
	readonly table?: ProcessTable;
}

/** What came of a search. */
export interface Sweep {
	readonly ended: number;
	/** Nothing is left that could be found; else its time was up, or something forks faster than we kill. */
	readonly isWhole: boolean;
}

/** Signals a whole process group; one that is gone is not an error. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
	signalPid(-leader, signal);
}

/** Signals a process. One that is gone is not an error, nor one that we may not signal: its pid has been given to somebody else's process. */
export function signalPid(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch (error) {
		if (!isGone(error)) throw error;
	}
}

/**
 * Ends with SIGKILL all processes whose marker is one of `owners` or below it, this one excepted, and those they fork meanwhile: each as soon as it is
 * found. Rejects where the process table cannot be read.
 */
export async function endMarked(owners: string | readonly string[], bounds: SweepBounds = {}): Promise<Sweep> {
	const {within = 10_000} = bounds;
	const began = systemClock.now();
	const ended = new Set<string>();
	let lastFound = began;
	for (let sweeps = 0; sweeps < MAX_SWEEPS; ) {
		let found = 0;
		let waiting = 0;
		for await (const look of marked(owners, {...bounds, ended}, began + within)) {
			if (look === 'over') return {ended: ended.size, isWhole: false};
			if (look === 'unread' || look === 'ended') {
				waiting++;
				continue;
			}
			found++;
			ended.add(nameOf(look));
			endProcess(look);
		}
		const now = systemClock.now();
		if (found > 0) {
			sweeps++;
			lastFound = now;
		} else if (waiting === 0) return {ended: ended.size, isWhole: true};
		// On a crowded host an environment may merely be late, and its process be ours; and who has little of the processor takes his time to go.
		else if (now - lastFound < Math.min(LAGGARD_PATIENCE, within)) await systemClock.sleep(LAGGARD_GAP);
		else break;
	}
	return {ended: ended.size, isWhole: false};
}

/** A process and all that it has started and that still hangs on it, in whatever namespace: found by their parents, at the cost of what there is of them. */
export function treeBelow(pid: number, table: ProcessTable = procTable): readonly ProcessId[] {
	const tree: ProcessId[] = [];
	const pending = [pid];
	while (pending.length > 0 && tree.length < MAX_TREE) {
		const next = pending.shift() ?? 0;
		const startTime = table.stat(next)?.startTime;
		if (startTime === undefined) continue;
		tree.push({pid: next, startTime});
		pending.push(...table.childrenOf(next));
	}
	return tree;
}

/** SIGKILL, unless the pid is another process's by now. */
export function endProcess({pid, startTime}: ProcessId, table: ProcessTable = procTable): void {
	if (table.stat(pid)?.startTime === startTime) signalPid(pid, 'SIGKILL');
}

/** Where a search is one of several. */
export interface SearchBounds extends SweepBounds {
	/** Those that have been ended already, as {@link nameOf} names them: they start nothing any more, so that nothing of them needs to be read again. */
	readonly ended?: ReadonlySet<string>;
}

/** What a look at one process comes to: it has the marker, or is ended already and not gone yet, or its environment has not come in time; or all time is up. */
export type Look = ProcessId | 'ended' | 'unread' | 'over';

/**
 * The processes whose marker is one of `owners` or below it, this one excepted, in no order, until the monotonic millisecond `until`; those whose environment
 * we may not read are passed over. What costs little is asked first, so that only what can be ours costs more.
 */
export async function* marked(
	owners: string | readonly string[],
	{since = null, others, ended, table = procTable}: SearchBounds,
	until: number,
): AsyncGenerator<Look> {
	const oldest = Number(since ?? 0);
	const ourNamespace = table.namespaceOf(process.pid);
	let looks = 0;
	// One after the other: several readers that have to wait could block all threads for access to files.
	for (const pid of await table.pids()) {
		if (++looks % LOOKS_AT_ONCE === 0) await nextTurn();
		if (systemClock.now() > until) {
			yield 'over';
			return;
		}
		if (pid === process.pid || others?.has(pid)) continue;
		const stat = table.stat(pid);
		if (stat === null || stat.isKernelThread || stat.isZombie || Number(stat.startTime) < oldest) continue;
		const id = {pid, startTime: stat.startTime};
		if (ended?.has(nameOf(id))) {
			yield 'ended';
			continue;
		}
		// What we may not look into, and what lives in a container, is not ours. A call's own tree is ended without this search.
		if (ourNamespace !== null && table.namespaceOf(pid) !== ourNamespace) continue;
		const environment = await environmentInTime(table, id);
		if (environment === null) yield 'unread';
		else if (isMarked(environment, owners)) yield id;
	}
}

/**
 * Pids whose environment did not come: whoever is behind that must not block a thread for each search. There are four threads (libuv: UV_THREADPOOL_SIZE).
 * Other users' processes may block two, since what we start is seldom theirs, and they must not keep us from our own.
 */
const silent = new Map<number, string>();
const MOST_SILENT = {others: 2, ours: 3};

/** `null` where it does not come in time; empty where the process is gone, or is not for us to look into. */
async function environmentInTime(table: ProcessTable, {pid, startTime}: ProcessId): Promise<string | null> {
	if (silent.get(pid) === startTime || !hasThreadFor(pid, table)) return null;
	const {promise: late, resolve: isLate} = Promise.withResolvers<undefined>();
	// What has come while we were held up ourselves is not late: it is taken before another turn of the event loop is over.
	const cancel = systemClock.after(ENVIRONMENT_PATIENCE, () => setImmediate(isLate, undefined));
	const reading = table.environmentOf(pid, MAX_ENVIRONMENT).finally(() => silent.delete(pid));
	const environment = await Promise.race([reading, late]);
	cancel();
	if (environment !== undefined) return environment ?? '';
	silent.set(pid, startTime);
	return null;
}

function hasThreadFor(pid: number, table: ProcessTable): boolean {
	return silent.size < MOST_SILENT.others || (silent.size < MOST_SILENT.ours && table.isOurs(pid));
}

function nextTurn(): Promise<void> {
	return new Promise(resolve => setImmediate(resolve));
}

/** Names a process for good, as a key. */
function nameOf({pid, startTime}: ProcessId): string {
	return `${pid} ${startTime}`;
}

const ENTRY = `${MARKER}=`;

function isMarked(environment: string, owners: string | readonly string[]): boolean {
	for (let at = environment.indexOf(ENTRY); at >= 0; at = environment.indexOf(ENTRY, at + 1)) {
		if (at > 0 && environment[at - 1] !== '\0') continue;
		const end = environment.indexOf('\0', at);
		const owner = environment.slice(at + ENTRY.length, end < 0 ? undefined : end);
		if ([owners].flat().some(each => owner === each || owner.startsWith(`${each}/`))) return true;
	}
	return false;
}

function isGone(error: unknown): boolean {
	const code = (error as NodeJS.ErrnoException).code;
	return code === 'ESRCH' || code === 'EPERM';
}
