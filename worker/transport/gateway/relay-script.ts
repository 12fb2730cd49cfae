/**
 * What runs inside a sandbox to reach its gateway: constant, and data reaches it as arguments only. `$1` is a file that is sourced if it can be read,
 * `$2` the program below, `$3` to `$6` are the program's, and the rest is environment, `NAME=value`. It looks for the `node` that `openclaw` runs on:
 * the one in PATH, else the one that `openclaw` names in its first line or has beside it. What is printed on the way goes to stderr.
 */
export const RELAY_SCRIPT = String.raw`
if [ -n "$1" ] && [ -r "$1" ]; then . "$1" >&2 </dev/null; fi
pairkeeper_program=$2 pairkeeper_port=$3 pairkeeper_token=$4 pairkeeper_idle=$5 pairkeeper_patience=$6
shift 6
for pairkeeper_each in "$@"; do export "$pairkeeper_each"; done
pairkeeper_openclaw=$(command -v openclaw </dev/null) || pairkeeper_openclaw=
pairkeeper_node=$(command -v node </dev/null) || pairkeeper_node=
if [ -z "$pairkeeper_node" ] && [ -n "$pairkeeper_openclaw" ]; then
	pairkeeper_real=$(readlink -f "$pairkeeper_openclaw" 2>/dev/null </dev/null) || pairkeeper_real=$pairkeeper_openclaw
	IFS= read -r pairkeeper_line <"$pairkeeper_real"
	case $pairkeeper_line in
	'#!'*/node) pairkeeper_named=$(printf %s "$pairkeeper_line" | cut -c 3-) ;;
	*) pairkeeper_named= ;;
	esac
	for pairkeeper_each in "$pairkeeper_named" "$(dirname "$pairkeeper_openclaw")/node" "$(dirname "$pairkeeper_real")/node"; do
		if [ -z "$pairkeeper_node" ] && [ -n "$pairkeeper_each" ] && [ -x "$pairkeeper_each" ]; then pairkeeper_node=$pairkeeper_each; fi
	done
fi
if [ -z "$pairkeeper_node" ]; then
	printf '{"pairkeeper":1,"error":"no-node"}\n'
	exit 0
fi
exec "$pairkeeper_node" -e "$pairkeeper_program" -- "$pairkeeper_port" "$pairkeeper_token" "$pairkeeper_idle" "$pairkeeper_patience" "$pairkeeper_openclaw"
`;

/**
 * The relay itself, for any Node from 12. Arguments: the port, or nothing: it is found; `given` where the token is known outside, or nothing: it is found;
 * for how many milliseconds nothing may come from the host; for how many a gateway that does not listen is waited for; where `openclaw` is. It says one
 * line, `{"pairkeeper":1,"port":N,"token":"…"}` or `{"pairkeeper":1,"error":"…","detail":"…"}`, and then only what the gateway says. It ends with its
 * input, its output, the gateway's connection or its parent.
 */
export const RELAY_PROGRAM = String.raw`
'use strict';
const fs = require('fs'), net = require('net'), os = require('os'), path = require('path');
const [, givenPort, givenToken, idle, patience, openclaw] = process.argv;
const env = process.env;
const now = () => process.uptime() * 1000;
const parent = process.ppid;
const began = now();
let heard = now();
let gateway = null;
let isOver = false;

const input = process.stdin;
// Not process.stdout, which waits for whoever reads a pipe: nothing else would go on meanwhile.
const output = new net.Socket({fd: 1, readable: false, writable: true});
const leave = () => process.exit(0);

const say = (header, said) => output.write(JSON.stringify(Object.assign({pairkeeper: 1}, header)) + '\n', said);
const fail = (error, detail) => {
	if (isOver) return;
	isOver = true;
	say({error, detail: String(detail || '').slice(0, 200)}, leave);
};
class Unfit extends Error {}
const unfit = (error, detail) => Object.assign(new Unfit(detail), {error});

const withoutTilde = (file, home) => (/^~(\/|$)/.test(file) ? path.join(home, file.slice(1)) : file);

// Whoever has no entry in passwd, as where a container runs under any uid, has none.
function homeOf() {
	try {
		return os.homedir();
	} catch (_) {
		return '/';
	}
}

function configFile() {
	const account = env.HOME || homeOf();
	const home = withoutTilde(env.OPENCLAW_HOME || account, account);
	if (env.OPENCLAW_CONFIG_PATH) return withoutTilde(env.OPENCLAW_CONFIG_PATH, home);
	const profile = env.OPENCLAW_PROFILE && env.OPENCLAW_PROFILE !== 'default' ? '-' + env.OPENCLAW_PROFILE : '';
	return path.join(withoutTilde(env.OPENCLAW_STATE_DIR || path.join(home, '.openclaw' + profile), home), 'openclaw.json');
}

function readConfig() {
	const file = configFile();
	let text;
	try {
		if (fs.statSync(file).size > 4 * 1024 * 1024) throw unfit('bad-config', 'it is larger than 4 MiB');
		text = fs.readFileSync(file, 'utf8');
	} catch (error) {
		if (error instanceof Unfit) throw error;
		if (error.code === 'ENOENT') return {};
		throw unfit('bad-config', error.code);
	}
	try {
		return JSON.parse(text);
	} catch (_) {}
	try {
		return require('module').createRequire(fs.realpathSync(openclaw))('json5').parse(text);
	} catch (error) {
		throw unfit('bad-config', 'it can be read neither as JSON nor by the json5 beside openclaw');
	}
}

function variable(name) {
	const value = (env[name] || '').trim();
	if (value === '') throw unfit('unsupported', 'gateway.auth.token names ' + name + ', which is not set');
	return value;
}

function tokenIn(auth) {
	const own = (env.OPENCLAW_GATEWAY_TOKEN || '').trim();
	if (own !== '') return own;
	const token = auth.token;
	if (token === undefined || token === null || token === '') throw unfit('no-token', '');
	if (typeof token === 'object' && token.source === 'env' && typeof token.id === 'string') return variable(token.id);
	if (typeof token !== 'string') throw unfit('unsupported', 'gateway.auth.token is a reference to a secret');
	const reference = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(token);
	if (reference) return variable(reference[1]);
	if (token.includes('$' + '{')) throw unfit('unsupported', 'gateway.auth.token is put together from variables');
	return token;
}

function find() {
	if (givenPort !== '' && givenToken !== '') return {port: Number(givenPort)};
	const config = readConfig() || {};
	const settings = config.gateway || {};
	const auth = settings.auth || {};
	for (const each of [config, settings, auth]) if (each.$include !== undefined) throw unfit('unsupported', '$include');
	if (settings.mode === 'remote') throw unfit('unsupported', 'gateway.mode: remote');
	if (settings.tls && settings.tls.enabled) throw unfit('unsupported', 'gateway.tls');
	if (auth.mode && auth.mode !== 'token') throw unfit('unsupported', 'gateway.auth.mode: ' + auth.mode);
	const port = Number(givenPort || env.OPENCLAW_GATEWAY_PORT || settings.port || 18789);
	if (!(Number.isInteger(port) && port > 0 && port < 65536)) throw unfit('unsupported', 'its port is not a number');
	return givenToken !== '' ? {port} : {port, token: tokenIn(auth)};
}

function attempt() {
	if (isOver) return;
	let found;
	try {
		found = find();
	} catch (error) {
		fail(error.error || 'failed', error.message);
		return;
	}
	const socket = net.connect({host: '127.0.0.1', port: found.port});
	socket.setNoDelay(true);
	socket.once('error', error => {
		if (gateway === socket) leave();
		// One that starts again may have another port by then.
		else if (now() - began < Number(patience)) setTimeout(attempt, 100);
		else fail('no-gateway', error.code + ' at port ' + found.port);
	});
	socket.once('connect', () => {
		if (isOver) return;
		gateway = socket;
		say(found);
		socket.on('data', data => output.write(data) || socket.pause());
		output.on('drain', () => socket.resume());
		socket.on('drain', () => input.resume());
		socket.on('close', () => {
			output.end(leave);
			setTimeout(leave, 1000);
		});
	});
}

output.on('error', leave);
input.on('error', leave);
input.on('end', () => (gateway ? leave() : fail('no-input', '')));
input.on('data', data => {
	heard = now();
	if (!gateway) fail('failed', 'something was said before the header');
	else if (!gateway.write(data)) input.pause();
});
setInterval(() => {
	if (process.ppid !== parent || now() - heard > Number(idle)) leave();
}, 1000);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, leave);
if (input.isTTY) fail('tty', '');
else attempt();
`.trim();
