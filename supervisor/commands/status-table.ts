import {printable} from '../../worker/text.ts';
import {CHOSEN_CLI, NOT_CONNECTED_YET} from '../../worker/transport/way.ts';
import {CONDITIONS, conditionOf, countsOf, hasEnded} from '../status/condition.ts';
import {countsInWords, namesIn} from '../status/health.ts';
import type {InventoryStatus, SandboxStatus, Status} from '../status/schema.ts';
import {ago, ahead} from '../time-text.ts';
import {approvalInShort, exitInWords, paceOf, refusalInShort} from './sandbox-text.ts';
import {type Column, styled, table, wrapped} from './table.ts';

/** A status that is older is told to be old, in milliseconds: it is written every 5 s. */
const STALE_AFTER = 15_000;

/** So many lines a remark has under the table, and so many remarks there are; `status NAME` shows them in full. */
const REMARK_LINES = 2;
const MAX_REMARKS = 20;

/** How a status is to be shown. */
export interface View {
	/** Whether the supervisor that wrote it still runs. */
	readonly isAlive: boolean;
	/** The wall clock, in milliseconds. */
	readonly now: number;
	/** Cells of the terminal. */
	readonly width: number;
	/** Idle sandboxes too. */
	readonly all?: boolean;
}

/** Why it is not the gateway, where nobody need be told. */
const UNTOLD: readonly string[] = [CHOSEN_CLI, NOT_CONNECTED_YET];

/** A sandbox with its name. */
export type Named = readonly [name: string, sandbox: SandboxStatus];

/** The status as a person reads it. Pure but for colours. */
export function statusTable(status: Status, view: View): string {
	const {now, width, all = false} = view;
	const named = inOrder(status, view).filter(([, {state}]) => all || state !== 'idle');
	const {idle} = countsOf(status);
	return [
		...headLines(status, view),
		'',
		...(named.length === 0
			? ['no sandbox is watched']
			: [
					table(
						sandboxColumns,
						named.map(each => rowOf(each, status, view)),
						width,
					),
				]),
		...(idle > 0 && !all ? [styled('gray', `${idle} idle, shown by --all`)] : []),
		...(isReallyLive(status, view) ? remarkLines(named, {now, width}) : []),
	].join('\n');
}

/** What there is to say of the host: the supervisor, the counts, and what is wrong with it. */
export function headLines(status: Status, view: View): string[] {
	const {supervisor} = status;
	const {width} = view;
	const {calls} = supervisor;
	const counts = countsInWords(status, countsOf(status));
	const told: readonly (readonly [text: string, style: 'red' | 'yellow' | null])[] = [
		...banner(status, view),
		[`pairkeeper ${printable(supervisor.version)} on ${printable(supervisor.host)}: ${lifeOf(status, view)}`, null],
		[isReallyLive(status, view) ? counts : `last seen: ${counts}`, null],
		...(isReallyLive(status, view) && calls.running + calls.waiting > 0
			? ([[`openclaw calls: ${calls.running} running, ${calls.waiting} waiting, limit ${calls.limit}`, null]] as const)
			: []),
		...shareLines(supervisor.shard),
		...discoveryLines(supervisor.discovery ?? [], view),
		...(supervisor.config.error === null
			? []
			: [[`configuration refused: ${printable(supervisor.config.error, 1000)}`, 'red'] as const]),
		...supervisor.warnings.map(warning => [`warning: ${printable(warning, 400)}`, 'yellow'] as const),
	];
	return told.flatMap(([text, style]) =>
		wrapped(text, width, {indent: 2}).map(line => (style === null ? line : styled(style, line))),
	);
}

function shareLines(shard: Status['supervisor']['shard']): [string, null][] {
	if (!shard) return [];
	return [[`share ${printable(shard.share)} of all sandboxes; ${shard.elsewhere} more are other instances'`, null]];
}

/** What the inventories have given. Why one cannot be used stands among the warnings. */
function discoveryLines(inventories: readonly InventoryStatus[], {now}: View): [string, null][] {
	if (inventories.length === 0) return [];
	const each = inventories.map(({inventory, sandboxes, takenAt}) => {
		const when = takenAt === null ? 'not read yet' : `${sandboxes}, ${ago(takenAt, now)}`;
		return `${printable(inventory, 80)} ${when}`;
	});
	return [[`discovered: ${each.join('; ')}`, null]];
}

function lifeOf(status: Status, {isAlive, now}: View): string {
	const {state, pid, updatedAt, deadlineAt} = status.supervisor;
	if (state === 'deadline') return styled('yellow', `deadline reached ${ago(updatedAt, now)}`);
	if (state === 'stopped') return styled('yellow', `stopped ${ago(updatedAt, now)}`);
	if (!isAlive) return styled('red', `gone (was ${state})`);
	const deadline = deadlineAt === null ? 'never' : ahead(deadlineAt, now);
	return `${styled(state === 'running' ? 'green' : 'yellow', state)}, pid ${pid}, deadline ${deadline}`;
}

/** Says that what follows is not how things are. */
function banner(status: Status, {isAlive, now}: View): [string, 'red'][] {
	const {updatedAt, pid} = status.supervisor;
	const since = `${updatedAt} (${ago(updatedAt, now)})`;
	if (!isAlive && !hasEnded(status))
		return [
			[`STALE since ${since}: no supervisor is running, pid ${pid} is gone. Start it again: pairkeeper run`, 'red'],
		];
	if (isAlive && !hasEnded(status) && !(now - Date.parse(updatedAt) <= STALE_AFTER))
		return [
			[
				`STALE since ${since}: the supervisor, pid ${pid}, is there but writes nothing; is it stopped, or the disk full?`,
				'red',
			],
		];
	return [];
}

/** The sandboxes, those first that need somebody; what was last known of a supervisor that is gone has no such order. */
export function inOrder(status: Status, view: Pick<View, 'isAlive'>): Named[] {
	const named = Object.entries(status.sandboxes);
	if (!isReallyLive(status, view)) return named;
	const rank = ([, sandbox]: Named) => CONDITIONS.indexOf(conditionOf(sandbox));
	return named.toSorted((a, b) => rank(a) - rank(b));
}

/** Whether what the status says of sandboxes can be so. */
export function isReallyLive(status: Status, {isAlive}: Pick<View, 'isAlive'>): boolean {
	return isAlive && !hasEnded(status);
}

/** The columns of the table, and which go first where there is not room for all. */
export const sandboxColumns: readonly Column[] = [
	{title: 'SANDBOX', narrowest: 20},
	{title: 'STATE'},
	{title: 'HEALTHY'},
	{title: 'PACE', dispensable: 6},
	{title: 'VIA', dispensable: 4},
	{title: 'PENDING', dispensable: 1},
	{title: 'APPROVED', dispensable: 2},
	{title: 'REFUSED', dispensable: 3},
	{title: 'RESTARTS', dispensable: 7},
	{title: 'LAST LIST', dispensable: 5},
	{title: 'LAST APPROVAL', narrowest: 14, dispensable: 8},
];

/** One sandbox in the table. */
export function rowOf([name, sandbox]: Named, status: Status, view: View): string[] {
	const {now} = view;
	return [
		printable(name),
		...stateCells(sandbox, isReallyLive(status, view)),
		...wayCells(sandbox),
		String(sandbox.pending),
		String(sandbox.approved),
		String(sandbox.refused),
		String(sandbox.restarts),
		ago(sandbox.lastListAt, now),
		approvalInShort(sandbox.lastApproval, now),
	];
}

/** Without a worker nothing is noticed, by no way. */
function wayCells(sandbox: SandboxStatus): [pace: string, via: string] {
	const isWatched = sandbox.state === 'running' || sandbox.state === 'starting';
	return isWatched ? [paceOf(sandbox), sandbox.transport] : ['-', '-'];
}

function stateCells(sandbox: SandboxStatus, isLive: boolean): [state: string, healthy: string] {
	const {state} = sandbox;
	if (state === 'idle') return ['idle', styled('gray', '-')];
	if (!isLive) return [styled('gray', state === 'stopped' ? state : 'gone'), styled('gray', '-')];
	switch (conditionOf(sandbox)) {
		case 'sick':
			return [state, styled('red', sandbox.healthy ? 'yes' : 'no')];
		case 'warned':
			return [state, styled('yellow', sandbox.healthy ? 'yes' : 'not yet')];
		case 'starting':
			return [state, styled('yellow', 'not yet')];
		default:
			return [state, styled('green', 'yes')];
	}
}

/** What is odd about a sandbox, a line each, the worst first; of one that is well, only what waits there. */
export function remarksOn(sandbox: SandboxStatus, now: number): string[] {
	const {lastError, warnings, crashLooping, lastExit, lastRefusal, transportReason, pending} = sandbox;
	const isSick = conditionOf(sandbox) === 'sick';
	const isReasonTold = [lastError ?? '', ...warnings].some(
		text => transportReason !== null && text.includes(transportReason),
	);
	return [
		...(lastError === null ? [] : [styled('red', `error: ${printable(lastError, 400)}`)]),
		...warnings.map(warning => styled('yellow', `warning: ${printable(warning, 400)}`)),
		...(crashLooping ? [styled('red', 'crash looping')] : []),
		...(lastExit === null || !isSick ? [] : [exitInWords(lastExit, now)]),
		...(transportReason === null || UNTOLD.includes(transportReason) || isReasonTold
			? []
			: [`not by the gateway: ${printable(transportReason, 400)}`]),
		...(lastRefusal === null || !(isSick || pending > 0) ? [] : [refusalInShort(lastRefusal, now)]),
	];
}

/** What is odd, each once, with the names of those of whom it is true; those of the sick first. */
function remarkLines(named: readonly Named[], {now, width}: Pick<View, 'now' | 'width'>): string[] {
	const all = named.flatMap(([name, sandbox]) =>
		remarksOn(sandbox, now).map(remark => ({name: printable(name), remark})),
	);
	const alike = [...Map.groupBy(all, ({remark}) => remark)];
	const shown = alike
		.slice(0, MAX_REMARKS)
		.flatMap(([remark, of]) =>
			wrapped(`${namesIn(of.map(({name}) => name))}: ${remark}`, width, {indent: 2, most: REMARK_LINES}),
		);
	if (shown.length === 0) return [];
	const more = alike.length - MAX_REMARKS;
	return [
		'',
		...shown,
		...(more > 0 ? [`and ${more} more remarks: pairkeeper status NAME shows all of one sandbox`] : []),
	];
}
