import {randomBytes} from 'node:crypto';
import {rename, writeFile} from 'node:fs/promises';
import {type AddressInfo, createConnection, createServer, type Server, type Socket} from 'node:net';
import {join} from 'node:path';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {openclawVersions} from '../../scripts/setup-openclaw.ts';
import {baseScopes} from '../../worker/transport/gateway/base-scopes.ts';
import {listDevices} from '../../worker/transport/gateway/client.ts';
import {Device} from '../support/device.ts';
import {Host} from '../support/e2e.ts';
import type {Pairkeeper} from '../support/pairkeeper.ts';
import type {RealGateway} from '../support/real-gateway.ts';
import {openSession} from '../support/session.ts';
import {until} from '../support/until.ts';
import {defaultPolicy} from '../unit/fixtures.ts';

const admin = 'operator.admin';
const read = ['operator.read'];
const readAndWrite = ['operator.read', 'operator.write'];
const cli = {clientName: 'cli', mode: 'cli'} as const;
const cadence = {fastInterval: '500ms', slowInterval: '3s'};
const patience = {timeoutMs: 180_000};

/** A way to a port that can be shut and opened again. */
class Passage {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	#port = 0;

	private constructor(target: number) {
		this.#server = createServer(socket => {
			const onward = createConnection(target, '127.0.0.1');
			for (const each of [socket, onward]) {
				this.#sockets.add(each);
				each.on('error', () => {});
				each.once('close', () => {
					this.#sockets.delete(each);
					socket.destroy();
					onward.destroy();
				});
			}
			socket.pipe(onward).pipe(socket);
		});
	}

	static async to(port: number): Promise<Passage> {
		const proxy = new Passage(port);
		await proxy.open();
		return proxy;
	}

	get url(): string {
		return `ws://127.0.0.1:${this.#port}`;
	}

	/** Opens it, unless it is open. */
	async open(): Promise<void> {
		if (this.#server.listening) return;
		await new Promise<void>((resolve, reject) => {
			this.#server.once('error', reject);
			this.#server.listen(this.#port, '127.0.0.1', resolve);
		});
		this.#port = (this.#server.address() as AddressInfo).port;
	}

	async shut(): Promise<void> {
		const closed = new Promise(resolve => this.#server.close(resolve));
		for (const socket of this.#sockets) socket.destroy();
		await closed;
	}
}

describe.each(openclawVersions)('the gateway transport on real OpenClaw %s', version => {
	let host: Host;
	let gateway: RealGateway;
	let proxy: Passage;
	let pairkeeper: Pairkeeper;
	let tokenFile: string;

	beforeAll(async () => {
		host = await Host.create(version);
		[gateway] = (await host.startGateways({version, name: 'alpha'})) as [RealGateway];
		proxy = await Passage.to(gateway.port);
		tokenFile = join(host.folder, 'alpha.token');
		await writeToken(gateway.token);
		const policy = {onRefused: 'ignore'};
		const alpha = {gateway: {url: proxy.url, tokenFile}, transport: 'auto'};
		pairkeeper = await host.supervise({...cadence, policy}, {alpha});
	});

	// Whatever a test that failed has left: it may get a second try.
	beforeEach(async () => {
		await writeToken(gateway.token);
		await proxy.open();
		await gateway.ensureItRuns();
		await untilTransport('gateway');
	});

	afterAll(async () => {
		await proxy?.shut();
		await host?.[Symbol.asyncDispose]();
	});

	async function writeToken(token: string): Promise<void> {
		await writeFile(`${tokenFile}.new`, `${token}\n`, {mode: 0o600});
		await rename(`${tokenFile}.new`, tokenFile);
	}

	async function untilTransport(transport: 'cli' | 'gateway', reason = /^/): Promise<void> {
		const isSo = (sandbox: {transport: string; transportReason: string | null}) =>
			sandbox.transport === transport && reason.test(sandbox.transportReason ?? '');
		await pairkeeper.untilSandbox('alpha', `to use the ${transport}`, isSo, patience);
	}

	/** A device that is paired to read, by whatever way is open. */
	async function pairedDevice(): Promise<Device> {
		const device = new Device();
		await until('the device to be paired', async () => (await ask(device, read)).kind === 'hello', patience);
		return device;
	}

	const ask = (device: Device, scopes: readonly string[]) => device.ask(gateway, {...cli, scopes});

	/** Asks for more than the device has, and returns the request's id. */
	async function askForMore(device: Device): Promise<string> {
		const answer = await ask(device, readAndWrite);
		if (answer.kind === 'pairing-required') return answer.requestId;
		// 2026.9.6 lets a device in at once whose request is approved while it connects.
		const line = await until(
			'the approval to be told',
			async () => (await pairkeeper.logLines('"message":"approved"', 'operator.write', device.id))[0],
			patience,
		);
		return (JSON.parse(line) as {requestId: string}).requestId;
	}

	/** The request was approved, and just once, and the device has what it asked for. */
	async function isApprovedOnce(device: Device, requestId: string): Promise<void> {
		const lines = () => pairkeeper.logLines('"message":"approved"', requestId);
		await until(`${requestId} to be approved`, async () => (await lines()).length > 0, {
			...patience,
			seen: () => pairkeeper.logTail(),
		});
		expect(await ask(device, readAndWrite)).toMatchObject({kind: 'hello'});
		const {lastListAt} = await pairkeeper.statusOf('alpha');
		await pairkeeper.command(['kick', 'alpha']);
		await pairkeeper.untilSandbox('alpha', 'to list again', sandbox => sandbox.lastListAt !== lastListAt, patience);
		expect(await lines()).toHaveLength(1);
		expect(await pairkeeper.logLines('"message":"approved"')).toHaveLength(
			(await pairkeeper.statusOf('alpha')).approved,
		);
	}

	const callsSoFar = async () => (await host.openclaw.calls(gateway.stateDir)).length;

	test('approves on the announcement, without the CLI, and times it as this test does', async () => {
		const device = await pairedDevice();
		const calls = await callsSoFar();
		const asked = Date.now();
		const requestId = await askForMore(device);
		const answered = Date.now();
		await isApprovedOnce(device, requestId);
		const seen = Date.now();
		const {lastApproval, transport, transportReason} = await pairkeeper.statusOf('alpha');
		expect({transport, transportReason}).toEqual({transport: 'gateway', transportReason: null});
		expect(lastApproval?.requestId).toBe(requestId);
		const at = Date.parse(lastApproval?.at ?? '');
		const createdAt = at - (lastApproval?.latencyMs ?? Number.NaN);
		// It was created between the question and the answer, and approved between that and now; a millisecond for rounding.
		expect(createdAt).toBeGreaterThanOrEqual(asked - 1);
		expect(createdAt).toBeLessThanOrEqual(answered + 1);
		expect(at).toBeLessThanOrEqual(seen);
		expect(await callsSoFar()).toBe(calls);
	});

	test('refuses operator.admin by policy, and the gateway would not grant it over such a connection', async () => {
		const device = await pairedDevice();
		const answer = await ask(device, [...read, admin]);
		if (answer.kind !== 'pairing-required') throw new Error(`the device was let in, with ${answer.scopes}`);
		const {requestId} = answer;
		const {lastRefusal} = await pairkeeper.untilSandbox(
			'alpha',
			'to refuse it',
			sandbox => sandbox.lastRefusal?.requestId === requestId,
			patience,
		);
		expect(lastRefusal).toMatchObject({reason: 'disallowed-scope', scopes: expect.arrayContaining([admin])});

		// As if the policy had let it pass.
		const {signal} = new AbortController();
		const session = await openSession(
			gateway.url,
			{
				token: gateway.token,
				scopes: baseScopes(defaultPolicy),
				timeout: 20_000,
				onRequested: () => {},
				onEnd: () => {},
			},
			signal,
		);
		try {
			const {pending} = await listDevices(session, signal);
			expect(pending.map(request => request.requestId)).toContain(requestId);
			await expect(session.request('device.pair.approve', {requestId}, signal)).rejects.toThrow(/missing scope/);
			await session.request('device.pair.reject', {requestId}, signal);
		} finally {
			session.end('unreachable', 'done');
		}
	});

	test('falls back to the CLI while the port is shut, and returns; no request is lost on the way', async () => {
		const [atShutting, whileShut, atOpening, after] = [
			await pairedDevice(),
			await pairedDevice(),
			await pairedDevice(),
			await pairedDevice(),
		];
		const falls = async () => (await pairkeeper.logLines('"transport: cli"', 'ECONNREFUSED')).length;
		const returns = async () => (await pairkeeper.logLines('"transport: gateway"')).length;
		const before = {falls: await falls(), returns: await returns()};

		const [first] = await Promise.all([askForMore(atShutting), proxy.shut()]);
		await untilTransport('cli', /ECONNREFUSED/);
		const second = await askForMore(whileShut);
		await isApprovedOnce(atShutting, first);
		await isApprovedOnce(whileShut, second);
		expect(await falls()).toBe(before.falls + 1);

		const [third] = await Promise.all([askForMore(atOpening), proxy.open()]);
		await isApprovedOnce(atOpening, third);
		await untilTransport('gateway');
		expect(await returns()).toBe(before.returns + 1);

		const calls = await callsSoFar();
		await isApprovedOnce(after, await askForMore(after));
		expect(await callsSoFar()).toBe(calls);
	});

	test('survives a gateway that is killed, and comes back with another token', async () => {
		const device = await pairedDevice();
		const secrets = [gateway.token, randomBytes(16).toString('hex')] as const;
		const [, token] = secrets;
		gateway.kill('SIGKILL');
		await untilTransport('cli');
		await gateway.restart({token});
		const requestId = await askForMore(device);
		await untilTransport('cli', /token/);
		await isApprovedOnce(device, requestId);
		await writeToken(token);
		await untilTransport('gateway');
		const next = await pairedDevice();
		const calls = await callsSoFar();
		await isApprovedOnce(next, await askForMore(next));
		expect(await callsSoFar()).toBe(calls);
		for (const secret of secrets) {
			expect(await pairkeeper.logLines(secret)).toEqual([]);
			expect(JSON.stringify(await pairkeeper.status())).not.toContain(secret);
		}
	});

	test('survives a gateway that stands still for a moment', async () => {
		const device = await pairedDevice();
		gateway.kill('SIGSTOP');
		const asking = askForMore(device);
		gateway.kill('SIGCONT');
		await isApprovedOnce(device, await asking);
	});

	test('survives a gateway that stands still until it is given up, and goes on', async () => {
		const device = await pairedDevice();
		gateway.kill('SIGSTOP');
		await untilTransport('cli');
		const asking = askForMore(device);
		gateway.kill('SIGCONT');
		await isApprovedOnce(device, await asking);
		await untilTransport('gateway');
	});
});
