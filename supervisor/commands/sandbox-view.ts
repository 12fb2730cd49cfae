import {printable} from '../../worker/text.ts';
import {CHOSEN_CLI} from '../../worker/transport/way.ts';
import type {SandboxStatus, Status} from '../status/schema.ts';
import {ago, ahead} from '../time-text.ts';
import {approvalInFull, exitInWords, isAnnounced, refusalInFull, wayOf} from './sandbox-text.ts';
import {isReallyLive, type Named, type View} from './status-table.ts';
import {styled, wrapped} from './table.ts';

/** Cells before what is said, so that the labels stand in a column. */
const LABEL = 17;

/** All that a status knows of one sandbox, and how to look further; lines of at most `view.width` cells. */
export function sandboxLines([name, sandbox]: Named, status: Status, view: View): string[] {
	const isLive = isReallyLive(status, view);
	const room = Math.max(view.width - LABEL, 1);
	const said = (label: string, ...texts: string[]): string[] =>
		texts
			.flatMap(text => wrapped(text, room))
			.map((line, at) => `${(at === 0 ? `  ${label}` : '').padEnd(LABEL)}${line}`);
	const {lastError, failures, warnings, widePaired = 0, lastApproval, lastRefusal} = sandbox;
	return [
		styled('bold', `${printable(name)}: ${titleOf(sandbox, isLive)}`),
		...(lastError === null
			? []
			: said(
					'error',
					styled('red', printable(lastError, 4000)),
					...(failures > 1 ? [`${failures} times in a row`] : []),
				)),
		...said('warnings', ...warnings.map(warning => styled('yellow', printable(warning, 4000)))),
		...said('worker', ...workerLines(sandbox, view.now, isLive)),
		...(sandbox.pid === null
			? []
			: [...said('way', wayLine(sandbox)), ...said('lists', listLine(sandbox, view.now, isLive))]),
		...said('requests', `${sandbox.pending} pending, ${sandbox.approved} approved, ${sandbox.refused} refused`),
		...(widePaired === 0 ? [] : said('devices', wideDevices(widePaired))),
		...said('last approval', lastApproval === null ? 'none' : approvalInFull(lastApproval, view.now)),
		...said('last refusal', lastRefusal === null ? 'none' : refusalInFull(lastRefusal, view.now)),
		...said('look further', ...furtherLooks(name, sandbox, isLive)),
	];
}

function wideDevices(count: number): string {
	const devices = count === 1 ? '1 paired device has' : `${count} paired devices have`;
	return `${devices} more than the policy grants, from OpenClaw itself or from somebody else; openclaw devices list shows them`;
}

function titleOf({state, healthy, starting, crashLooping}: SandboxStatus, isLive: boolean): string {
	if (state === 'idle') return 'idle, since it is disabled or stopped';
	if (!isLive) return state === 'stopped' ? state : `gone (was ${state})`;
	const health = healthy
		? styled('green', 'healthy')
		: starting
			? styled('yellow', 'starting')
			: styled('red', 'unhealthy');
	return [
		health,
		...(state === 'running' || state === 'starting' ? [] : [state]),
		...(crashLooping ? [styled('red', 'crash looping')] : []),
	].join(', ');
}

function workerLines(
	{pid, startedAt, restarts, lastExit, lastHeartbeatAt}: SandboxStatus,
	now: number,
	isLive: boolean,
): string[] {
	const isThere = isLive && pid !== null;
	return [
		isThere
			? `pid ${pid}, started ${ago(startedAt, now)}, last heard of ${ago(lastHeartbeatAt, now)}; ${restarts} restarts`
			: `none; ${restarts} restarts`,
		...(lastExit === null ? [] : [exitInWords(lastExit, now)]),
	];
}

function wayLine(sandbox: SandboxStatus): string {
	const {transport, transportReason} = sandbox;
	if (transportReason === null) return wayOf(sandbox);
	if (transportReason === CHOSEN_CLI) return 'the CLI, as configured';
	const reason = printable(transportReason, 4000);
	return transport === 'gateway'
		? `${wayOf(sandbox)}, not connected: ${reason}`
		: `the CLI, not the gateway: ${reason}`;
}

function listLine(sandbox: SandboxStatus, now: number, isLive: boolean): string {
	const {mode, interval, lastListAt, nextPollAt} = sandbox;
	const every = `every ${Number(interval.toFixed(1))} s`;
	return [
		isAnnounced(sandbox) ? `requests are announced; a list ${every} all the same` : `${mode}, ${every}`,
		lastListAt === null ? 'none yet' : `the last ${ago(lastListAt, now)}`,
		...(isLive && nextPollAt !== null && Date.parse(nextPollAt) >= now ? [`the next ${ahead(nextPollAt, now)}`] : []),
	].join(', ');
}

function furtherLooks(name: string, {pending, lastRefusal, state}: SandboxStatus, isLive: boolean): string[] {
	const shown = printable(name);
	if (state === 'idle') return ['enabled: true in the configuration, or start it where it runs'];
	// Whoever is to poll, or knows what waits, must live.
	const asked = [
		`pairkeeper kick ${shown}: polls now`,
		...(pending > 0 || lastRefusal !== null ? ['pairkeeper pending: what waits for a person'] : []),
	];
	return [
		...(isLive ? [] : ['pairkeeper run, or how else it is started here: nobody watches this sandbox now']),
		'pairkeeper check: asks every sandbox by every way, with remedies',
		...(isLive ? asked : []),
		`the log: lines that begin with "${shown}:", or have "sandbox":"${shown}"`,
	];
}
