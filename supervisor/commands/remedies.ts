import type {Failure} from '../../worker/protocol.ts';
import {SECRET_VARIABLE} from '../../worker/text.ts';
import {routeOf} from '../../worker/transport/way.ts';
import type {SandboxConfig} from '../config/config.ts';

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

/** What to do about `error`, by which the gateway's WebSocket does not work. */
export function gatewayRemedy(failure: Failure, error: string, sandbox: SandboxConfig): string {
	const {tokenCommand = []} = sandbox.gateway ?? sandbox.inside ?? {};
	// Whatever its failure, it is not the gateway's.
	if (tokenCommand.length > 0 && error.includes('tokenCommand: '))
		return `the tokenCommand must print the token, and nothing else; try it yourself: ${commandLine(tokenCommand)}`;
	const {inside} = sandbox;
	if (routeOf(sandbox) === 'host') return hostRemedies[failure] ?? gatewayRemedies[failure];
	if (inside === null) return gatewayRemedies[failure];
	switch (failure) {
		case 'unreachable':
		case 'timeout':
		case 'unreadable':
			return `see the message; the relay is started by: ${commandLine([...inside.execInput, 'sh'])}`;
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

/** What to do when `openclaw devices` does not work. `openclaw`: as the configuration names it, for calls on the host. */
export function cliRemedy(failure: Failure | null, target: SandboxConfig['target'], openclaw: string): string {
	const program = target.exec[0] ?? openclaw;
	const command = commandLine(listing(target, openclaw));
	switch (failure) {
		case 'unsafe':
			return 'see the message';
		case 'unreachable':
			return `is ${program} installed? try: ${command}`;
		case 'timeout':
			return `is the sandbox running? try: ${command}`;
		default:
			return `try it yourself: ${command}`;
	}
}

/** The words of a list as a person types it: without `env` it would ask another gateway. What looks like a secret is left out. */
function listing({exec, env}: SandboxConfig['target'], openclaw: string): readonly string[] {
	const variables = Object.entries(env)
		.filter(([name]) => !SECRET_VARIABLE.test(name))
		.map(([name, value]) => `${name}=${value}`);
	const call = [exec.length > 0 ? 'openclaw' : openclaw, 'devices', 'list', '--json'];
	return [...exec, ...(variables.length > 0 ? ['env', ...variables] : []), ...call];
}

/** Words as a shell takes them, to be copied to one. */
function commandLine(words: readonly string[]): string {
	return words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
