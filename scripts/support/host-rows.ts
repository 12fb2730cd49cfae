// What `bench:host` measures, how it is shown, and what is to be reached.
import {table} from '../../supervisor/commands/table.ts';
import {judge, milliseconds} from './figures.ts';

/** What was measured with so many sandboxes. Milliseconds, bytes, and shares of one core. */
export interface HostFigures {
	readonly sandboxes: number;
	readonly start: number;
	readonly workerMemory: number;
	/** The relays and what `exec` starts, a sandbox; 0 where there are none. */
	readonly relayMemory: number;
	readonly supervisorMemory: number;
	readonly supervisorIdle: number;
	readonly workerIdle: number;
	readonly allIdle: number;
	readonly statusBytes: number;
	/** How often the status file is written in an idle minute. */
	readonly statusWrites: number;
	readonly oneP50: number;
	readonly oneP99: number;
	readonly burstP50: number;
	readonly burstP99: number;
	/** The control socket's round trip while requests come: how long the supervisor's event loop lets others wait, seen from outside. */
	readonly loopP99: number;
	readonly successor: number;
	/** From the return of all gateways, which were lost at one moment, to the last one's list. */
	readonly back: number;
	/** The most connections that one gateway has seen until then. */
	readonly attempts: number;
	/** From `pairkeeper reload` to the list of the last of all sandboxes but one, which it adds. */
	readonly added: number;
	readonly stop: number;
}

/** A row of the table; `most`: what it may be at most with so many sandboxes, or `null` where nothing is asked. */
interface Row {
	readonly title: string;
	readonly value: (figures: HostFigures) => number;
	readonly show: (value: number) => string;
	readonly most?: (sandboxes: number) => number | null;
}

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const percent = (share: number) => `${(share * 100).toFixed(share < 0.001 ? 3 : 2)} %`;
const fine = (ms: number) => (ms < 100 ? `${ms.toFixed(1)} ms` : milliseconds(ms));
const count = (value: number) => String(Math.round(value));
const always = (most: number) => () => most;
const MIB = 2 ** 20;

const rows: readonly Row[] = [
	{title: 'start to all watched', value: ({start}) => start, show: milliseconds, most: always(10_000)},
	{title: 'PSS a worker', value: ({workerMemory}) => workerMemory, show: mebibytes, most: always(20 * MIB)},
	{title: 'PSS of relay and exec program, a sandbox', value: ({relayMemory}) => relayMemory, show: mebibytes},
	{
		title: 'PSS of the supervisor',
		value: ({supervisorMemory}) => supervisorMemory,
		show: mebibytes,
		most: sandboxes => (sandboxes <= 25 ? 40 : 60) * MIB,
	},
	{title: 'idle CPU: supervisor', value: ({supervisorIdle}) => supervisorIdle, show: percent},
	{title: 'idle CPU: each worker', value: ({workerIdle}) => workerIdle, show: percent},
	{title: 'idle CPU: all together', value: ({allIdle}) => allIdle, show: percent, most: always(0.03)},
	{title: 'status file', value: ({statusBytes}) => statusBytes, show: bytes => `${(bytes / 1024).toFixed(0)} KiB`},
	{title: 'status writes in an idle minute', value: ({statusWrites}) => statusWrites, show: count},
	{title: 'request to approved, one at a time, p50', value: ({oneP50}) => oneP50, show: fine, most: always(3)},
	{title: 'request to approved, one at a time, p99', value: ({oneP99}) => oneP99, show: fine, most: always(10)},
	{title: 'a request in each at one moment, p50', value: ({burstP50}) => burstP50, show: fine},
	{title: 'a request in each at one moment, p99', value: ({burstP99}) => burstP99, show: fine, most: always(250)},
	{title: 'control socket while requests come, p99', value: ({loopP99}) => loopP99, show: fine},
	{
		title: "SIGKILL of a worker to its successor's list",
		value: ({successor}) => successor,
		show: fine,
		most: always(60),
	},
	{
		title: 'all gateways lost and back to all watched',
		value: ({back}) => back,
		show: milliseconds,
		most: always(15_000),
	},
	{title: 'connections a gateway sees for that, most', value: ({attempts}) => attempts, show: count, most: always(3)},
	{title: 'all but one added by one reload', value: ({added}) => added, show: milliseconds, most: always(15_000)},
	{title: 'SIGTERM to exit', value: ({stop}) => stop, show: milliseconds, most: always(3000)},
];

/** All figures, a column for each measurement. */
export function figuresTable(columns: readonly {readonly title: string; readonly figures: HostFigures}[]): string {
	return table(
		['', ...columns.map(({title}) => title), 'TO REACH'],
		rows.map(({title, value, show, most}) => [
			title,
			...columns.map(({figures}) => show(value(figures))),
			toReach(
				columns.map(({figures}) => most?.(figures.sandboxes) ?? null),
				show,
			),
		]),
	);
}

function toReach(bounds: readonly (number | null)[], show: (value: number) => string): string {
	return [...new Set(bounds.flatMap(bound => bound ?? []))].map(bound => `<= ${show(bound)}`).join(', ');
}

/** Says which of what is to be reached is; whether all of it is. */
export function judgeFigures(title: string, figures: HostFigures): boolean {
	console.log(`\n${title}:`);
	const verdicts = rows.map(({title: what, value, show, most}) => {
		const bound = most?.(figures.sandboxes) ?? null;
		return bound === null || judge(what, value(figures), bound, show);
	});
	return verdicts.every(isMet => isMet);
}

/** How often as much a sandbox may cost on a full host. */
const MOST_GROWTH = 1.2;

/** Says what a sandbox costs on a full host against what it costs on a smaller one; whether that is within the bound. */
export function judgeGrowth(small: HostFigures, full: HostFigures): boolean {
	console.log(`\ncost a sandbox with ${full.sandboxes} against ${small.sandboxes}:`);
	const times = (value: number) => `${value.toFixed(2)} times`;
	const grown = (cost: (figures: HostFigures) => number) =>
		cost(full) / full.sandboxes / (cost(small) / small.sandboxes);
	const memory = ({workerMemory, relayMemory, supervisorMemory, sandboxes}: HostFigures) =>
		(workerMemory + relayMemory) * sandboxes + supervisorMemory;
	const isMemoryMet = judge('memory', grown(memory), MOST_GROWTH, times);
	return (
		judge(
			'idle CPU',
			grown(({allIdle}) => allIdle),
			MOST_GROWTH,
			times,
		) && isMemoryMet
	);
}
