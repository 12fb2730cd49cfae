import stringWidth from 'string-width';
import {systemClock} from '../../worker/clock.ts';
import {type Failure, type RouteKind, routeOf} from '../../worker/protocol.ts';
import {ADMIN_SCOPE, grantableScopes, matchingEntry} from '../../worker/requests/policy.ts';
import {callLimit} from '../calls/limit.ts';
import {findOpenclaw} from '../calls/openclaw-path.ts';
import {CallTurns} from '../calls/turns.ts';
import type {Config, SandboxConfig} from '../config/config.ts';
import {loadConfig} from '../config/load.ts';
import {assertUsable, instancePaths} from '../instance/paths.ts';
import {runOnce} from '../sandbox/one-shot.ts';
import {isGatewayConfigured, specFor} from '../sandbox/spec.ts';
import {sandboxesInWords} from '../status/condition.ts';
import {EXIT} from './exit-codes.ts';
import type {CommonOptions} from './options.ts';
import {outputWidth, styled, table, wrapped} from './table.ts';

/** The browser Control UI that OpenClaw bundles. */
const CONTROL_UI = {clientId: 'openclaw-control-ui', clientMode: 'webchat'};

/** What was found of one sandbox. */
export interface Finding {
	readonly name: string;
	/** `degraded`: it answers, and not by the way that somebody has configured. */
	readonly result: 'ok' | 'degraded' | 'failed' | 'disabled';
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
	const config = loadConfig({...options, environment: process.env});
	assertUsable(instancePaths(config.statusFile));
	say(
		`${config.path}: the configuration is fine (${sandboxesInWords(config.sandboxes.length)}, status in ${config.statusFile})`,
	);
	const width = outputWidth();
	for (const warning of config.warnings)
		for (const line of wrapped(`warning: ${warning}`, width, {indent: 2})) say(styled('yellow', line));
	for (const note of controlUiNotes(config)) for (const line of wrapped(note, width, {indent: 2})) say(line);
	if (options.offline) return EXIT.ok;

	const turns = new CallTurns(callLimit(config.maxConcurrentCalls), systemClock.now);
	const findings = await inLanes(LANES, config.sandboxes, sandbox => probe(config, sandbox, turns));
	say('');
	for (const line of findingLines(findings, width)) say(line);
	const isFine = findings.every(({result}) => result === 'ok' || result === 'disabled');
	return isFine ? EXIT.ok : EXIT.failed;
}

const resultStyles = {ok: 'green', disabled: 'gray', degraded: 'yellow', failed: 'red'} as const;

/** A table of what was found, in lines of `width` cells at most; what is too long for it, and what to do, once below. Those first that are not well. Pure but for colours. */
export function findingLines(findings: readonly Finding[], width: number): string[] {
	const order = ['failed', 'degraded', 'ok', 'disabled'];
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
	const isAllFitting = table(columns, whole, Number.POSITIVE_INFINITY)
		.split('\n')
		.every(line => stringWidth(line) <= width);
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
	if (!sandbox.enabled) return {name, result: 'disabled', via: '-', detail: '', remedies: [], notes: []};
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
	const remedy = way === 'cli' ? cliRemedy(failure, sandbox) : gatewayRemedy(failure ?? 'unreachable', sandbox);
	return {way, pending, error, remedy, notes};
}

const isItThere = 'is the gateway running, and its address right in gateway.url?';

/** What to do when the gateway's WebSocket does not work, by how it failed. */
const gatewayRemedies: Readonly<Record<Failure, string>> = {
	unreachable: isItThere,
	timeout: isItThere,
	refused: "compare the token with the gateway's own (tokenFile or tokenCommand), unless the message says otherwise",
	unreadable:
		'gateway.url must lead to a gateway of OpenClaw; compare its scheme and port with what the gateway listens on',
	unsafe: 'see the message',
	hostile: 'look at what runs in that sandbox',
	unfit: 'see the message',
};

function gatewayRemedy(failure: Failure, sandbox: SandboxConfig): string {
	const {inside} = sandbox;
	if (routeOf(sandbox) === 'host') return hostRemedies[failure] ?? gatewayRemedies[failure];
	if (inside === null) return gatewayRemedies[failure];
	switch (failure) {
		case 'unreachable':
		case 'timeout':
		case 'unreadable':
			return `see the message; the relay is started by: ${inside.execInput.join(' ')} sh`;
		case 'refused':
			return "the sandbox's own token is not the gateway's; say gateway: {port, tokenFile}";
		default:
			return gatewayRemedies[failure];
	}
}

/** The same where port and token are those of the host's own `openclaw.json`. */
const hostRemedies: Partial<Readonly<Record<Failure, string>>> = {
	unreachable: 'is the gateway running, at gateway.port of its openclaw.json?',
	timeout: 'is the gateway running, at gateway.port of its openclaw.json?',
	refused: "the token in openclaw.json is not the gateway's; say gateway: {url, tokenFile}",
	unreadable: 'is what listens at gateway.port of openclaw.json a gateway of OpenClaw?',
};

/** A way to a sandbox, and by which route, where that is not plain from the configuration. */
function shownWay(way: Way, route: RouteKind | null): string {
	return way === 'gateway' && route !== 'url' && route !== null ? `${way} (${route})` : way;
}

/** What to do when `openclaw devices` does not work. */
function cliRemedy(failure: Failure | null, {target}: SandboxConfig): string {
	const command = [...target.exec, 'openclaw devices list --json'].join(' ');
	switch (failure) {
		case 'unsafe':
			return 'see the message';
		case 'unreachable':
			return `is ${target.exec[0] ?? 'openclaw'} installed? try: ${command}`;
		case 'timeout':
			return `is the sandbox running? try: ${command}`;
		default:
			return `try it yourself: ${command}`;
	}
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
