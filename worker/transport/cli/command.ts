import os from 'node:os';
import path from 'node:path';
import type {Command} from '../../host/command-group.ts';
import {environmentFor} from '../../host/environment.ts';
import {MARKER} from '../../host/processes.ts';
import type {SandboxTarget} from '../../protocol.ts';
import {execWithLifeline} from '../exec-input.ts';
import {LIFELINE_GREETING, LIFELINE_SCRIPT} from './lifeline.ts';

/** One thing that is asked of `openclaw` (docs/cli/devices.md). */
export type Call =
	| {readonly kind: 'list'}
	| {readonly kind: 'approve'; readonly requestId: string}
	| {readonly kind: 'reject'; readonly requestId: string};

/**
 * The only shell text there is. It is constant, and data reaches it as arguments only: it sources the file `$1` if that can be read, then runs
 * the arguments after `$2`. What the file prints goes to stderr, so that it is not taken for the answer. `$2` bounds the command in seconds
 * (0: not at all), because killing `docker exec` on the host leaves the command in the container running. Whether timeout(1) knows `-k` is tried
 * first, since that of old busyboxes does not.
 */
const SCRIPT = [
	'if [ -n "$1" ] && [ -r "$1" ]; then . "$1" >&2; fi',
	'pairkeeper_bound=$2',
	'shift 2',
	'if [ "$pairkeeper_bound" != 0 ] && timeout -k 1 1 true 2>/dev/null; then exec timeout -k 1 "$pairkeeper_bound" "$@"; fi',
	'exec "$@"',
].join('\n');

/** Saves the CLI from starting itself a second time: 5 to 12 % of a call's CPU time. */
const DEFAULTS = {OPENCLAW_NO_RESPAWN: '1'};

/** The command for `call`; throws where it is a call on the host and nobody has said what to run. `timeout` in milliseconds bounds it inside the sandbox, `owner` marks its processes on the host, `passEnv` names what more they get of our environment. */
export function commandFor(
	target: SandboxTarget,
	call: Call,
	{timeout, owner, passEnv}: {timeout: number; owner: string; passEnv: readonly string[]},
): Command {
	const inherited = inheritedEnvironment(target, passEnv);
	const unset = call.kind === 'approve' ? target.approveUnset : [];
	const openclaw = ['devices', call.kind, ...('requestId' in call ? [call.requestId] : []), '--json'];
	const isInside = target.exec.length > 0;

	if (!isInside && target.envFile === null) {
		const env = Object.entries({...DEFAULTS, ...inherited, ...target.env});
		const wanted = env.filter(([name]) => name !== MARKER && !unset.includes(name));
		return {file: onHost(target), args: openclaw, env: {[MARKER]: owner, ...Object.fromEntries(wanted)}};
	}
	const bound = isInside ? String(Math.max(Math.ceil(timeout / 1000), 1)) : '0';
	const environment = Object.entries({...DEFAULTS, ...target.env}).filter(([name]) => !unset.includes(name));
	const withLifeline = execWithLifeline(target.exec);
	const [file = '/bin/sh', ...args] = [
		...(withLifeline === null ? target.exec : [...withLifeline, 'sh', '-c', LIFELINE_SCRIPT, 'pairkeeper']),
		isInside ? 'sh' : '/bin/sh',
		...['-c', SCRIPT, 'pairkeeper', target.envFile ?? '', bound],
		...['env', ...unset.flatMap(name => ['-u', name]), ...environment.map(([name, value]) => `${name}=${value}`)],
		...[isInside ? 'openclaw' : onHost(target), ...openclaw],
	];
	return {file, args, env: {[MARKER]: owner, ...inherited}, input: withLifeline === null ? null : LIFELINE_GREETING};
}

/** What a call gets of our environment, or the command that brings it into its sandbox. */
function inheritedEnvironment({exec}: Pick<SandboxTarget, 'exec'>, passEnv: readonly string[]): NodeJS.ProcessEnv {
	return environmentFor(exec.length === 0 ? {kind: 'host-call'} : {kind: 'prefix', exec}, passEnv, process.env);
}

function onHost({openclaw}: SandboxTarget): string {
	if (openclaw === null) throw new TypeError('a call on the host needs the path of openclaw');
	return openclaw;
}

/**
 * The files a call on the host would obey: `openclaw.json` can name programs to run, so nobody else may write them. Where they are:
 * OpenClaw, docs/help/environment.md.
 */
export function obeyedFiles(target: SandboxTarget, passEnv: readonly string[]): readonly string[] {
	if (target.exec.length > 0) return [];
	const {account, state} = placesOf(target, passEnv);
	const files = [
		path.join(state, 'openclaw.json'),
		path.join(state, '.env'),
		path.join(account, '.config', 'openclaw', 'gateway.env'),
		configFile(target, passEnv),
		...(target.envFile === null ? [] : [target.envFile]),
	];
	return [...new Set(files)];
}

/** The `openclaw.json` of a call on the host. */
export function configFile(target: SandboxTarget, passEnv: readonly string[]): string {
	const {OPENCLAW_CONFIG_PATH: own} = hostEnvironment(target, passEnv);
	const {home, state} = placesOf(target, passEnv);
	return own ? expandTilde(own, home) : path.join(state, 'openclaw.json');
}

/** The variables of a call on the host, as far as nothing has to be run to know them. */
export function hostEnvironment(target: SandboxTarget, passEnv: readonly string[]): NodeJS.ProcessEnv {
	return {...inheritedEnvironment(target, passEnv), ...target.env};
}

/** Whose account a call on the host takes for its own, and where it keeps its state. */
function placesOf(
	target: SandboxTarget,
	passEnv: readonly string[],
): {readonly account: string; readonly home: string; readonly state: string} {
	const env = hostEnvironment(target, passEnv);
	const account = env.HOME || os.homedir();
	const home = expandTilde(env.OPENCLAW_HOME || account, account);
	const profile = env.OPENCLAW_PROFILE && env.OPENCLAW_PROFILE !== 'default' ? `-${env.OPENCLAW_PROFILE}` : '';
	return {account, home, state: expandTilde(env.OPENCLAW_STATE_DIR || path.join(home, `.openclaw${profile}`), home)};
}

function expandTilde(file: string, home: string): string {
	return /^~(\/|$)/.test(file) ? path.join(home, file.slice(1)) : file;
}
