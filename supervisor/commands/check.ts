import {systemClock} from '../../worker/clock.ts';
import type {RouteKind} from '../../worker/protocol.ts';
import {ADMIN_SCOPE, grantableScopes, matchingEntry} from '../../worker/requests/policy.ts';
import {routeOf} from '../../worker/transport/way.ts';
import {callLimit} from '../calls/limit.ts';
import {findOpenclaw} from '../calls/openclaw-path.ts';
import {CallTurns} from '../calls/turns.ts';
import type {Config, SandboxConfig} from '../config/config.ts';
import {loadConfig} from '../config/load.ts';
import {shardText} from '../config/shard.ts';
import {discoverOnce, inventoryTroubles, type OneInventory} from '../discovery/once.ts';
import {assertUsable, instancePaths} from '../instance/paths.ts';
import {whyMissing} from '../notify/program.ts';
import {runOnce} from '../sandbox/one-shot.ts';
import {isGatewayConfigured, STOPPED, specFor} from '../sandbox/spec.ts';
import {sandboxesInWords} from '../status/condition.ts';
import {namesIn} from '../status/health.ts';
import {EXIT} from './exit-codes.ts';
import type {CommonOptions} from './options.ts';
import {cliRemedy, gatewayRemedy} from './remedies.ts';
import {fits, outputWidth, styled, table, wrapped} from './table.ts';

/** The browser Control UI that OpenClaw bundles. */
const CONTROL_UI = {clientId: 'openclaw-control-ui', clientMode: 'webchat'};

/** What was found of one sandbox. */
interface Finding {
	readonly name: string;
	/** `degraded`: it answers, and not by the way that somebody has configured. `stopped`: by its inventory, so nobody is asked. */
	readonly result: 'ok' | 'degraded' | 'failed' | 'disabled' | 'stopped';
	/** The transport that works; if none does, those that were tried. */
	readonly via: string;
	readonly detail: string;
	readonly remedies: readonly string[];
	readonly notes: readonly string[];
}

/** How many sandboxes are probed at once. */
const LANES = 4;

/** `pairkeeper check`: is the configuration right, and does every sandbox answer? Approves nothing. */
export async function check(options: CommonOptions & {readonly offline?: boolean}): Promise<number> {
	const written = loadConfig({...options, environment: process.env});
	assertUsable(instancePaths(written.statusFile));
	const width = outputWidth();
	for (const line of wrapped(fineText(written), width, {indent: 2})) say(line);
	const discovered =
		options.offline || written.discover.length === 0 ? null : await discoverOnce(written, written.runTimeout);
	const config: Config = {
		...written,
		sandboxes: [...written.sandboxes, ...(discovered?.sandboxes ?? [])],
		warnings: [...written.warnings, ...(discovered?.warnings ?? [])],
	};
	const missing = config.notify && whyMissing(config.notify);
	for (const warning of [...config.warnings, ...(missing ? [`notify: ${missing}`] : [])])
		for (const line of wrapped(`warning: ${warning}`, width, {indent: 2})) say(styled('yellow', line));
	for (const note of controlUiNotes(config)) for (const line of wrapped(note, width, {indent: 2})) say(line);
	for (const {text, isFailed} of (discovered?.inventories ?? []).map(inventoryText))
		for (const line of wrapped(text, width, {indent: 2})) say(isFailed ? styled('red', line) : line);
	if (options.offline) return EXIT.ok;

	const turns = new CallTurns(callLimit(config.maxConcurrentCalls), systemClock.now);
	const findings = await inLanes(LANES, config.sandboxes, sandbox => probe(config, sandbox, turns));
	say('');
	for (const line of findingLines(findings, width)) say(line);
	const isFine = findings.every(({result}) => result !== 'failed' && result !== 'degraded');
	const areRead = (discovered?.inventories ?? []).every(({error}) => error === null);
	return isFine && areRead ? EXIT.ok : EXIT.failed;
}

function fineText({path, sandboxes, elsewhere, shard, discover, statusFile}: Config): string {
	const count = sandboxesInWords(sandboxes.length);
	const share = shard.count > 1 ? ` of ${sandboxes.length + elsewhere.length}, the share ${shardText(shard)}` : '';
	const inventories =
		discover.length === 0 ? '' : `, ${discover.length} ${discover.length === 1 ? 'inventory' : 'inventories'}`;
	return `${path}: the configuration is fine (${count}${share}${inventories}, status in ${statusFile})`;
}

/** What an inventory has given, or why it cannot be used. */
function inventoryText(inventory: OneInventory): {readonly text: string; readonly isFailed: boolean} {
	const {label, names, error, elsewhere} = inventory;
	const others = elsewhere > 0 ? `, and ${elsewhere} of other instances` : '';
	const found =
		error === null
			? [`${sandboxesInWords(names.length)}${names.length > 0 ? `: ${namesIn(names)}` : ''}${others}`]
			: [];
	return {text: `${label}: ${[...found, ...inventoryTroubles(inventory)].join('; ')}`, isFailed: error !== null};
}

const resultStyles = {ok: 'green', disabled: 'gray', stopped: 'gray', degraded: 'yellow', failed: 'red'} as const;

/** A table of what was found, in lines of `width` cells at most; what is too long for it, and what to do, once below. Those first that are not well. Pure but for colours. */
function findingLines(findings: readonly Finding[], width: number): string[] {
	const order = ['failed', 'degraded', 'ok', 'stopped', 'disabled'];
	const sorted = findings.toSorted((a, b) => order.indexOf(a.result) - order.indexOf(b.result));
	const columns = [{title: 'SANDBOX', narrowest: 16}, 'RESULT', 'VIA', 'WHAT', 'REMEDY'];
	const rowOf = ({name, result, via}: Finding, what: string, remedy: string) => [
		name,
		styled(resultStyles[result], result),
		via,
		what,
		remedy,
	];
	const whole = sorted.map(finding => rowOf(finding, finding.detail, finding.remedies.join('; ')));
	const isAllFitting = fits(table(columns, whole, Number.POSITIVE_INFINITY), width);
	const isInTable = (finding: Finding) => isAllFitting || finding.remedies.length === 0;
	const below = sorted.flatMap(finding => {
		const {name, detail, remedies, notes} = finding;
		const texts = isInTable(finding) ? notes : [detail, ...remedies.map(remedy => `fix: ${remedy}`), ...notes];
		return texts.flatMap(text => wrapped(`${name}: ${text}`, width, {indent: 2}));
	});
	const rows = sorted.map(finding =>
		isInTable(finding) ? rowOf(finding, finding.detail, '') : rowOf(finding, 'see below', ''),
	);
	return [
		...(isAllFitting ? table(columns, whole, width) : table(columns.slice(0, -1), rows, width)).split('\n'),
		...(below.length === 0 ? [] : ['', ...below]),
	];
}

type Way = 'gateway' | 'cli';

/** What one way to a sandbox was found to be like. */
interface Probe {
	readonly way: Way;
	readonly pending: number;
	/** Why it does not work by that way, or `null`. */
	readonly error: string | null;
	readonly remedy: string;
	readonly notes: readonly string[];
}

async function probe(config: Config, sandbox: SandboxConfig, turns: CallTurns): Promise<Finding> {
	const {name, target, transport} = sandbox;
	const route = routeOf(sandbox);
	const isStopped = sandbox.discovered?.isStopped === true;
	if (!sandbox.enabled)
		return {
			name,
			result: isStopped ? 'stopped' : 'disabled',
			via: '-',
			detail: isStopped ? STOPPED : '',
			remedies: [],
			notes: [],
		};
	const openclaw = findOpenclaw(config.openclaw);
	if (openclaw === null && target.exec.length === 0 && route === null) {
		return {
			name,
			result: 'failed',
			via: '-',
			detail: `there is no ${config.openclaw} in PATH`,
			remedies: ['install it (npm install --global openclaw), or name its path: openclaw: /path/to/openclaw'],
			notes: [],
		};
	}
	const both: readonly Way[] = route === null ? ['cli'] : ['gateway', 'cli'];
	const ways = transport === 'auto' ? both : [transport];
	const probes = await Promise.all(ways.map(way => probeBy(way, config, sandbox, openclaw, turns)));
	const [best] = probes.filter(({error}) => error === null);
	const failed = probes.filter(({error}) => error !== null);
	const isSlowWay = best?.way === 'cli' && ways.length > 1 && isGatewayConfigured(sandbox);
	return {
		name,
		result: best === undefined ? 'failed' : isSlowWay ? 'degraded' : 'ok',
		via: best === undefined ? ways.join(', ') : shownWay(best.way, route),
		detail: [
			...(best ? [`answers, ${best.pending} pending`] : []),
			...failed.map(({way, error}) => (ways.length > 1 ? `not by the ${way}: ${error}` : `${error}`)),
		].join('; '),
		remedies: [...new Set(failed.map(({remedy}) => remedy))],
		notes: [...new Set(probes.flatMap(({notes}) => notes).filter(note => !isToldAlready(note)))],
	};
}

/** The worker's own line about its transport says what the table says. */
function isToldAlready(note: string): boolean {
	return note.startsWith('transport: ');
}

/** Makes one list by this way, without falling back to the other. */
async function probeBy(
	way: Way,
	config: Config,
	sandbox: SandboxConfig,
	openclaw: string | null,
	turns: CallTurns,
): Promise<Probe> {
	// The probe may wait for a turn until all other sandboxes have had theirs, with three tries each at most.
	const patience = (config.runTimeout + 2000) * 3 * Math.max(config.sandboxes.length, 1);
	const spec = specFor(config, {...sandbox, transport: way}, openclaw ?? config.openclaw);
	const {outcome, notes} = await runOnce('probe', spec, turns, patience);
	const {pending, error, failure} = outcome;
	const remedy =
		way === 'cli'
			? cliRemedy(failure, sandbox.target, config.openclaw)
			: gatewayRemedy(failure ?? 'unreachable', error ?? '', sandbox);
	return {way, pending, error, remedy, notes};
}

/** A way to a sandbox, and by which route, where that is not plain from the configuration. */
function shownWay(way: Way, route: RouteKind | null): string {
	return way === 'gateway' && route !== 'url' && route !== null ? `${way} (${route})` : way;
}

/** Says that the browser Control UI is not let in, if the policy lists it without the scope that it always asks for. */
function controlUiNotes({policy}: Config): string[] {
	const entry = matchingEntry(CONTROL_UI, policy);
	if (!entry || grantableScopes(entry, policy).includes(ADMIN_SCOPE)) return [];
	return [
		`note: the browser Control UI asks for ${ADMIN_SCOPE}, so this policy refuses it; README, "Policy", says how to let it in`,
	];
}

/** What `act` gives for each item, in the items' order, with at most `lanes` of them under way at once. */
async function inLanes<T, R>(lanes: number, items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
	const results: R[] = [];
	const queue = items.entries();
	const run = async () => {
		for (const [index, item] of queue) results[index] = await act(item);
	};
	await Promise.all(Array.from({length: lanes}, run));
	return results;
}

function say(line: string): void {
	process.stdout.write(`${line}\n`);
}
