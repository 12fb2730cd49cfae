import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {userIdOf} from '../../supervisor/host/name-service.ts';
import {type Ends, listenerCheck, PeerSearch} from '../../worker/transport/gateway/listener-check.ts';
import {GatewaySession} from '../../worker/transport/gateway/session.ts';
import {urlRoute} from '../../worker/transport/gateway/url-route.ts';
import {webSocketOver} from '../../worker/transport/gateway/websocket.ts';
import {freeTurns} from '../support/free-turns.ts';
import {ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';

const nobody = 65_534;
const canBeNobody =
	process.getuid?.() === 0 &&
	spawnSync('setpriv', ['--reuid', String(nobody), '--clear-groups', process.execPath, '-e', '0']).status === 0;

/** Greets whoever comes as a gateway does, and says what it is told: a token makes a frame of more than 140 bytes. */
const squatter = `
const server = require('http').createServer();
server.on('upgrade', (request, socket) => {
	const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
	const accept = require('crypto').createHash('sha1').update(key).digest('base64');
	socket.on('error', () => {});
	socket.on('data', data => console.log(data.length > 140 ? 'told' : 'closed'));
	socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
	const text = JSON.stringify({type: 'event', event: 'connect.challenge', payload: {nonce: 'n', ts: 1}});
	socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
});
server.listen(0, process.argv[1], () => console.log(server.address().port));
`;

describe('before the token is sent', () => {
	let folder: string;
	let child: ChildProcess | null = null;
	beforeEach(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pairkeeper-listener-'));
	});
	afterEach(async () => {
		child?.kill('SIGKILL');
		child = null;
		await rm(folder, {recursive: true});
	});

	/** Whoever listens there as `nobody`: his port, and what he hears. */
	async function squat(address: string): Promise<{readonly port: number; readonly heard: () => Promise<string>}> {
		const user = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
		child = spawn('setpriv', [...user, process.execPath, '-e', squatter, address], {
			cwd: '/',
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		const lines = createInterface({input: child.stdout ?? process.stdin})[Symbol.asyncIterator]();
		const port = Number((await lines.next()).value);
		return {port, heard: async () => String((await lines.next()).value)};
	}

	/** A worker's way to a gateway at `url`, up to its hello. */
	async function greet(url: string, more: {readonly listenerUid?: number} = {}): Promise<GatewaySession> {
		const tokenFile = join(folder, 'token');
		await writeFile(tokenFile, scriptedToken, {mode: 0o600});
		const target = {url, tokenFile, tokenCommand: [], fingerprint: null, allowInsecure: false, ...more};
		const {signal} = new AbortController();
		const reached = await urlRoute(target, {owner: 'test', turns: freeTurns}).open({
			timeout: 20_000,
			signal,
			onCommand: () => {},
		});
		const {stream, token, confirm} = reached;
		const events = {onRequested: () => {}, onEnd: () => {}};
		const socket = webSocketOver(stream, url);
		return GatewaySession.open({socket, token, confirm, scopes: [], timeout: 20_000, ...events}, signal);
	}

	it.runIf(canBeNobody).each(['127.0.0.1', '0.0.0.0', '::'])(
		'a port that another user has taken (%s) is known by its owner, and he hears nothing',
		async address => {
			const {port, heard} = await squat(address);
			await expect(greet(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({
				failure: 'unsafe',
				message: expect.stringMatching(
					/held by user 65534, who gets no token; .*gateway: \{url, tokenFile, listenerUser: NAME\}/,
				),
			});
			expect(await heard()).toBe('closed');
		},
	);

	it.runIf(canBeNobody)('one that is named in the configuration is told it', async () => {
		const {port, heard} = await squat('127.0.0.1');
		const greeting = greet(`ws://localhost:${port}`, {listenerUid: nobody});
		expect(await heard()).toBe('told');
		child?.kill('SIGKILL');
		await expect(greeting).rejects.toThrow();
	});

	it('a gateway of ours is known for one', async () => {
		await using gateway = await ScriptedGateway.start();
		const session = await greet(gateway.url.replace('127.0.0.1', 'localhost'));
		session.end('unreachable', 'done');
		expect(gateway.greeted).toBe(1);
	});
});

describe('who is at the other end of a connection', () => {
	const ends: Ends = {localAddress: '127.0.0.1', localPort: 40_000, remoteAddress: '127.0.0.1', remotePort: 18_789};
	const six: Ends = {localAddress: '::1', localPort: 40_000, remoteAddress: '::1', remotePort: 18_789};
	const [gateway, us, any] = ['0100007F:4965', '0100007F:9C40', '00000000:4965'];
	const loopback6 = '00000000000000000000000001000000';
	const mapped = '0000000000000000FFFF00000100007F';
	const zero6 = '0'.repeat(32);
	const zero6Any = `${zero6}:4965`;
	const row = (local: string, remote: string, state: string, uid: number, inode = 4711) =>
		`   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0000000000000000 100 0 0 10 0`;
	const established = (uid: number, inode?: number) => row(gateway, us, '01', uid, inode);
	const listening = (local: string, uid: number) =>
		row(local, local.length > 20 ? `${zero6}:0000` : '00000000:0000', '0A', uid);
	const ownersIn = (lines: readonly string[], at = ends) => {
		const search = new PeerSearch(at);
		for (const line of ['  sl  local_address rem_address st', ...lines, '']) search.see(line);
		return [...search.owners].toSorted((a, b) => a - b);
	};

	it.each<readonly [string, readonly string[], readonly number[]]>([
		['is the owner of its own row', [listening(gateway, 0), established(1000)], [1000]],
		['is the owner of its row in the other table', [row(`${mapped}:4965`, `${mapped}:9C40`, '01', 1000)], [1000]],
		['is whoever listens, while its row is nobody’s', [listening(gateway, 1000), established(0, 0)], [1000]],
		['is whoever listens where there is no row of its own', [listening(gateway, 1000)], [1000]],
		['is whoever listens everywhere', [listening(any, 1000)], [1000]],
		['is whoever listens everywhere, on both kinds of address', [listening(`${zero6}:4965`, 1000)], [1000]],
		['is each who listens, where there are several', [listening(any, 1000), listening(gateway, 7)], [7, 1000]],
		['is whoever has its end, though he says no more', [row(gateway, us, '05', 1000), listening(zero6Any, 0)], [1000]],
		['is who listens too, where the kernel has accepted it', [listening(gateway, 1000), established(0)], [0, 1000]],
		['is who listens everywhere too, where nobody is nearer', [listening(any, 1000), established(0)], [0, 1000]],
		['is not who listens farther off', [listening(any, 0), listening(zero6Any, 1000), established(0)], [0]],
		['is elsewhere where there is no row at all', [], []],
		[
			'is not who listens on another port or address',
			[listening('0100007F:4966', 7), listening('0200007F:4965', 8)],
			[],
		],
		['is not who is connected to somebody else', [row(gateway, '0100007F:9C41', '01', 7)], []],
		['is not our own end', [row(us, gateway, '01', 7)], []],
	])('%s', (_, lines, owners) => {
		expect(ownersIn(lines)).toEqual(owners);
	});

	it.each<readonly [string, readonly string[], boolean]>([
		['its own row has a user', [established(1000)], true],
		['root’s row, and who listens on the very address', [listening(gateway, 0), established(0)], true],
		['root’s row, and somebody who listens farther off', [listening(any, 0), established(0)], false],
		['root’s row alone', [established(0)], false],
		['nobody’s row', [listening(gateway, 1000), established(0, 0)], false],
		['who listens alone', [listening(gateway, 1000)], false],
	])('is looked for no further, or is: %s', (_, lines, isDecided) => {
		const search = new PeerSearch(ends);
		for (const line of lines) search.see(line);
		expect(search.isDecided).toBe(isDecided);
	});

	it('is found by IPv6 too', () => {
		expect(ownersIn([row(`${loopback6}:4965`, `${loopback6}:9C40`, '01', 1000)], six)).toEqual([1000]);
		const far = {...six, localAddress: '2001:db8::1:2', remoteAddress: '2001:db8::1:2'};
		const address = 'B80D0120000000000000000002000100';
		expect(ownersIn([row(`${address}:4965`, `${address}:9C40`, '01', 1000)], far)).toEqual([1000]);
	});

	it('is unknown, and no good, where it has closed the connection and listens no more', () => {
		expect(() => ownersIn([row(gateway, us, '05', 0, 0)])).toThrow(/closed/);
		expect(() => ownersIn([established(0)])).toThrow(/closed/);
	});
});

describe('the check', () => {
	it('is not for what listens on another host', () => {
		const socket = {localAddress: '192.0.2.1', localPort: 1, remoteAddress: '192.0.2.2', remotePort: 2};
		expect(listenerCheck(socket, [])).toBeNull();
		expect(listenerCheck({...socket, remoteAddress: '192.0.2.1'}, [])).not.toBeNull();
		expect(listenerCheck({...socket, remoteAddress: '::ffff:127.0.0.2'}, [])).not.toBeNull();
	});

	it('knows a user by name, or not', () => {
		expect(userIdOf('root')).toBe(0);
		expect(userIdOf('no-such-user-here')).toBeNull();
		expect(userIdOf('-x')).toBeNull();
	});
});
