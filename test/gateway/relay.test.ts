import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {afterAll, describe, expect, it} from 'vitest';
import {RELAY_PROGRAM, RELAY_SCRIPT} from '../../worker/transport/gateway/relay-script.ts';
import {isAlive} from '../support/processes.ts';
import {ScriptedGateway} from '../support/scripted-gateway.ts';
import {until} from '../support/until.ts';

const children: ChildProcess[] = [];
const gateways: ScriptedGateway[] = [];
afterAll(async () => {
	for (const child of children) child.kill('SIGKILL');
	for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
});

/** A relay to a silent gateway, whose input nobody ends, started by these words; resolves once it has said its header. */
async function relay({idle = 600_000, by = [] as readonly string[]} = {}) {
	const gateway = await ScriptedGateway.start({accept: () => false});
	gateways.push(gateway);
	const bounds = [String(gateway.port), 'given', String(idle), '1000'];
	const [file = '', ...args] = [...by, 'sh', '-c', RELAY_SCRIPT, 'pairkeeper', '', RELAY_PROGRAM, ...bounds];
	const child = spawn(file, args, {stdio: 'pipe'});
	children.push(child);
	let complaints = '';
	child.stderr.on('data', text => {
		complaints += text;
	});
	const [header] = (await once(child.stdout, 'data')) as [Buffer];
	expect(JSON.parse(String(header))).toEqual({pairkeeper: 1, port: gateway.port});
	return {child, gateway, complaints: () => complaints};
}

const ended = (child: ChildProcess) => until('its end', () => child.exitCode !== null || child.signalCode !== null);

it.runIf(process.getuid?.() === 0)('a relay finds its gateway as somebody whom the sandbox does not know', async () => {
	const folder = await mkdtemp(path.join(os.tmpdir(), 'relay-'));
	try {
		await chmod(folder, 0o755);
		const gateway = await ScriptedGateway.start({accept: () => false});
		gateways.push(gateway);
		const settings = {port: gateway.port, auth: {token: 'a-token-of-sixteen'}};
		await writeFile(path.join(folder, 'openclaw.json'), JSON.stringify({gateway: settings}));
		const words = ['-c', RELAY_SCRIPT, 'pairkeeper', '', RELAY_PROGRAM, '', '', '600000', '1000'];
		const env = {PATH: process.env.PATH, OPENCLAW_STATE_DIR: folder};
		const child = spawn('sh', words, {stdio: 'pipe', env, uid: 64_322, gid: 64_322});
		children.push(child);
		const [header] = (await once(child.stdout, 'data')) as [Buffer];
		expect(JSON.parse(String(header))).toEqual({pairkeeper: 1, port: gateway.port, token: 'a-token-of-sixteen'});
	} finally {
		await rm(folder, {recursive: true});
	}
});

describe.concurrent('a relay ends', () => {
	it('when its input does', async () => {
		const {child} = await relay();
		child.stdin.end();
		await ended(child);
	});

	it('when the gateway ends the connection', async () => {
		const {child, gateway} = await relay();
		await gateway.shut();
		await ended(child);
	});

	it('when nothing came from the host for too long, though its input is open', async () => {
		const {child} = await relay({idle: 500});
		await ended(child);
	});

	it('with its parent, though its input is open', async () => {
		const {child, complaints} = await relay({by: ['bash', '-c', '"$@" <&0 & echo $! >&2; wait', 'parent']});
		const pid = Number(complaints());
		expect(isAlive(pid)).toBe(true);
		child.kill('SIGKILL');
		await until('its end', () => !isAlive(pid));
	});
});
