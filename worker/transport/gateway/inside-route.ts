import {randomUUID} from 'node:crypto';
import {ClientError} from '../../client-error.ts';
import {type Clock, systemClock, within} from '../../clock.ts';
import type {Command} from '../../host/command-group.ts';
import {environmentFor} from '../../host/environment.ts';
import {MARKER} from '../../host/processes.ts';
import {type StreamCommand, streamCommand} from '../../host/stream-command.ts';
import {assertProgram} from '../../host/trusted-program.ts';
import type {InsideTarget, SandboxTarget} from '../../protocol.ts';
import {messageOf, printable, redact} from '../../text.ts';
import type {Turns} from '../../turns.ts';
import {type RelayHeader, readRelayHeader} from './relay-header.ts';
import {RELAY_PROGRAM, RELAY_SCRIPT} from './relay-script.ts';
import {RelayStarts} from './relay-starts.ts';
import type {Reached, Route, RouteBounds} from './route.ts';
import {readToken} from './token.ts';

/** What the route inside works with. `owner` marks its processes on the host, `slowInterval` is in milliseconds. */
export interface InsideDeps {
	readonly target: SandboxTarget;
	readonly owner: string;
	readonly turns: Turns;
	/** Further variables of our environment that a relay's command gets. */
	readonly passEnv?: readonly string[];
	readonly slowInterval: number;
	readonly clock: Clock;
}

/** How long the exit code of a relay whose output has ended is waited for, in milliseconds. */
const LAST_WORDS = 500;

/** For how long nothing may come from the host before a relay ends, in milliseconds: twice as long as the host is ever silent, and a minute. */
const idleBound = (slowInterval: number) => 2 * slowInterval + 60_000;

/** By a relay that `execInput` starts inside the sandbox, for gateways that listen on its own loopback. */
export function insideRoute(inside: InsideTarget, deps: InsideDeps): Route {
	const starts = new RelayStarts(deps.clock);
	return {
		kind: 'inside',
		get warnings() {
			return starts.areUsedUp
				? ['60 relays were started in the sandbox within an hour; the CLI is used meanwhile']
				: [];
		},
		open: async bounds => {
			const token = await configuredToken(inside, deps, bounds);
			if (!starts.take())
				throw new ClientError(
					'unfit',
					'60 relays were started within an hour, and none is started before an hour is over',
				);
			return reach(inside, token, deps, bounds);
		},
	};
}

/** The token that the configuration names: it goes only to the port that the configuration names too. `null`: it is found inside. */
async function configuredToken(
	{tokenFile, tokenCommand}: InsideTarget,
	{owner, turns, passEnv = []}: InsideDeps,
	{timeout, signal, onCommand}: RouteBounds,
): Promise<string | null> {
	const bounds = {timeout, owner: `${owner}/token`, turns, passEnv, signal};
	if (tokenFile !== null) return readToken({kind: 'file', file: tokenFile}, bounds);
	if (tokenCommand.length === 0) return null;
	onCommand();
	return readToken({kind: 'command', command: tokenCommand}, bounds);
}

async function reach(
	inside: InsideTarget,
	known: string | null,
	deps: InsideDeps,
	{timeout, signal}: RouteBounds,
): Promise<Reached> {
	const owner = `${deps.owner}/relay-${randomUUID()}`;
	signal.throwIfAborted();
	assertTrustedEntry(inside);
	const relay = await streamCommand(relayCommand(inside, known !== null, deps, {timeout, owner}), owner);
	try {
		const header = await within(readRelayHeader(relay.output), {ms: timeout, clock: systemClock, signal}, () => {
			throw new ClientError('timeout', `the relay said nothing within ${timeout / 1000} s`);
		});
		if (header === null) throw await silentEnd(relay);
		const token = known ?? header.token;
		if (token === null) throw new ClientError('unreadable', 'the relay names no token');
		assertPort(inside, header);
		return {stream: relay.asStream(), url: `ws://127.0.0.1:${header.port}`, token, complaint: () => complaintOf(relay)};
	} catch (error) {
		relay.end();
		throw error;
	}
}

/** Whoever could exchange the program that leads inside could have a configured token, and our rights. */
function assertTrustedEntry({execInput: [file = '']}: InsideTarget): void {
	try {
		assertProgram(file);
	} catch (error) {
		throw new ClientError('unsafe', printable(messageOf(error), 400), {cause: error});
	}
}

/** The relay's whole command: no word of it is secret, and only constants are code. */
export function relayCommand(
	{execInput, port}: Pick<InsideTarget, 'execInput' | 'port'>,
	isTokenKnown: boolean,
	{target, slowInterval, passEnv = []}: Pick<InsideDeps, 'target' | 'slowInterval' | 'passEnv'>,
	{timeout, owner}: {readonly timeout: number; readonly owner: string},
): Command {
	const [file = 'sh', ...args] = [
		...execInput,
		...['sh', '-c', RELAY_SCRIPT, 'pairkeeper', target.envFile ?? '', RELAY_PROGRAM],
		...[port === null ? '' : String(port), isTokenKnown ? 'given' : ''],
		// A gateway that starts again is waited for inside, which costs one relay; its answer must still come in time.
		...[String(idleBound(slowInterval)), String(Math.round(timeout / 2))],
		...Object.entries(target.env).map(([name, value]) => `${name}=${value}`),
	];
	const inherited = environmentFor({kind: 'prefix', exec: execInput}, passEnv, process.env);
	return {file, args, env: {[MARKER]: owner, ...inherited}};
}

/** A sandbox that is asked for one port and names another would get a token that is not for it. */
function assertPort({port}: InsideTarget, header: RelayHeader): void {
	if (port !== null && header.port !== port)
		throw new ClientError('unreadable', `the relay names port ${header.port}, not the configured one`);
}

/**
 * What shells say where words were joined to one line, as ssh(1) does: then the script has become a command line of its own, and what stands before its
 * first line break, `sh -c`, a command without its argument.
 */
const JOINED =
	/syntax error|unterminated|unexpected (end|eof)|-c:?( option)? requires an argument|requires an argument -- '?c/i;

/** Why a relay ended that said nothing. */
async function silentEnd(relay: StreamCommand): Promise<ClientError> {
	const code = await within(relay.exited, {ms: LAST_WORDS, clock: systemClock}, () => null);
	const complaint = complaintOf(relay);
	if (JOINED.test(relay.complaints()))
		return new ClientError(
			'unfit',
			'the command joins its words to one line, as ssh does; the relay needs one that does not',
		);
	const said = complaint === null ? '' : `: ${complaint}`;
	return new ClientError('unreachable', `the relay could not be started (exit ${code ?? 'by a signal'})${said}`);
}

/** The first line that a relay, or the command that brings it inside, has said on stderr. */
function complaintOf(relay: StreamCommand): string | null {
	const line = relay
		.complaints()
		.split('\n', 20)
		.find(each => each.trim() !== '');
	return line === undefined ? null : printable(redact(line.slice(0, 1000)));
}
