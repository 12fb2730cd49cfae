import {setImmediate} from 'node:timers/promises';
import {describe, expect} from 'vitest';
import type {Instance} from '../support/instance.ts';
import type {Run} from '../support/pairkeeper.ts';
import {type Connection, onceInside, type ScriptedGateway} from '../support/scripted-gateway.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test, throughGateway, untilUndisturbed} from './sandboxes.ts';

/** Alpha with that gateway and a CLI that works, and beta, which must not notice; nobody is killed for being slow to stop. */
async function startBeside(instance: Instance, gateway: ScriptedGateway, more: object = {}): Promise<Run> {
	await instance.sandbox('beta');
	const keys = {runTimeout: '5s', stopTimeout: '5m', ...more};
	await instance.configure(keys, await throughGateway(instance, 'alpha', gateway));
	return instance.start();
}

/** Beta approves, by the worker that it began with. */
async function betaApproves(instance: Instance, requestId: string): Promise<void> {
	const beta = await instance.sandbox('beta');
	const before = (await instance.status()).sandboxes.beta?.approved ?? 0;
	await beta.ask(cliAsk(requestId));
	await instance.untilSandbox('beta', 'to approve', s => s.approved > before);
	await untilUndisturbed(instance, 'beta');
}

/** It ends in good order, without anybody being killed for it: `stopTimeout` is longer than any test. */
async function stops(run: Run): Promise<void> {
	run.kill('SIGTERM');
	expect(await run.ended).toEqual({code: 0, signal: null});
}

describe.concurrent('a gateway that', () => {
	test('drops the connection at every approval is asked again, and the CLI approves', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		gateway.script = {
			request: (connection, frame) =>
				frame.method === 'device.pair.approve' ? connection.drop() : gateway.serve(connection, frame),
		};
		const alpha = await instance.sandbox('alpha');
		const request = cliAsk('cli-1');
		const run = await startBeside(instance, gateway);
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
		// The CLI and the WebSocket are two ways to one gateway.
		await alpha.ask(request);
		gateway.ask(request);
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		expect(gateway.approved.length).toBeGreaterThan(0);
		await stops(run);
	});

	test('approves and drops the connection before it has answered is not asked twice', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		gateway.script = {
			request: (connection, frame) => {
				const isApproval = frame.method === 'device.pair.approve';
				gateway.serve(isApproval ? {...connection, answer: () => connection.drop()} : connection, frame);
			},
		};
		const keys = await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'});
		await instance.configure({}, keys);
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to be connected', ({lastListAt}) => lastListAt !== null);
		gateway.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to count it', ({approved}) => approved === 1);
		expect(gateway.approved).toEqual(['cli-1']);
		await stops(run);
	});

	test('names one request id a thousand times, whatever was approved, is asked again ever less often, and it counts once', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		const request = cliAsk('cli-1');
		// It stays listed whatever is approved.
		gateway.script = {
			request: (connection, frame) => {
				if (frame.method !== 'device.pair.list') gateway.serve(connection, frame);
				else connection.answer(frame, {pending: Array(1000).fill(request), paired: []});
			},
		};
		gateway.pending = [request];
		const run = await startBeside(instance, gateway);
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		for (let time = 0; time < 1000; time++) gateway.announce('device.pair.requested', request);
		const lists = gateway.asked('device.pair.list').length;
		await until('further lists', () => gateway.asked('device.pair.list').length > lists + 5);
		const {approved, warnings} = await instance.untilSandbox('alpha', 'to warn', s => s.warnings.length > 0);
		expect(approved).toBe(1);
		expect(new Set(gateway.approved)).toEqual(new Set(['cli-1']));
		expect(gateway.approved.length).toBeLessThan(gateway.asked('device.pair.list').length / 2);
		expect(warnings.join()).toMatch(/744 pending requests are beyond the limit/);
		await betaApproves(instance, 'cli-1');
		await stops(run);
	});

	test('announces 10,000 requests a second for 10 s is rationed; the worker goes on approving, and stops when told', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		const request = JSON.stringify(cliAsk('a-request-that-is-not-pending'));
		const text = `{"type":"event","event":"device.pair.requested","payload":${request}}`;
		const floodMs = 10_000;
		let sent = 0;
		gateway.script = onceInside(gateway, connection => {
			const began = performance.now();
			const turn = setInterval(() => {
				const elapsed = performance.now() - began;
				if (elapsed >= floodMs || !connection.isOpen) clearInterval(turn);
				// As many as are due by now, should a turn have come late.
				const due = Math.max(Math.floor(Math.min(elapsed, floodMs) * 10) - sent, 0);
				sent += due;
				void connection.sendMany(text, due);
			}, 10);
		});
		const run = await startBeside(instance, gateway, {slowInterval: '10m'});
		const {warnings} = await instance.untilSandbox('alpha', 'to warn', s => s.warnings.length > 0);
		expect(warnings.join()).toMatch(/announces requests without end/);
		const listsBefore = gateway.asked('device.pair.list').length;
		const sentBefore = sent;
		gateway.pending.push(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		await betaApproves(instance, 'cli-1');
		await until('the end of the flood', () => sent >= floodMs * 10);
		// Far fewer lists than events: not a pass for each.
		const lists = gateway.asked('device.pair.list').length - listsBefore;
		expect(lists).toBeLessThan((sent - sentBefore) / 100);
		const after = await instance.untilSandbox('alpha', 'to be healthy', ({healthy}) => healthy);
		expect(after).toMatchObject({transport: 'gateway', restarts: 0});
		await stops(run);
	});

	test('floods without end does not keep the worker from stopping', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const text = `{"type":"event","event":"device.pair.requested","payload":{}}`;
		let isFlooding = false;
		gateway.script = onceInside(gateway, async connection => {
			isFlooding = true;
			// As fast as the worker takes them.
			while (connection.isOpen) await connection.sendMany(text, 1000);
		});
		const run = await startBeside(instance, gateway);
		await until('the flood', () => isFlooding);
		await betaApproves(instance, 'cli-1');
		await stops(run);
	});

	test('floods without end is given up for the CLI, whatever it is that it sends', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const text = '{"type":"res","id":"nobody","ok":true,"payload":{}}';
		const alpha = await instance.sandbox('alpha');
		const run = await startBeside(instance, gateway, {runTimeout: '10s'});
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
		// As fast as the worker takes them; what it asks is answered all the same.
		const flood = async (connection: Connection) => {
			while (connection.isOpen) {
				await connection.sendMany(text, 10_000);
				await setImmediate();
			}
		};
		const flooding = Promise.all(gateway.clients.map(flood));
		const isGivenUp = (s: {transport: string; transportReason: string | null}) =>
			s.transport === 'cli' && /floods us.*left alone until 20\d\d-/.test(s.transportReason ?? '');
		await instance.untilSandbox('alpha', 'to give it up', isGivenUp);
		await flooding;
		const accepted = gateway.accepted;
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve by the CLI', ({approved}) => approved === 1);
		await instance.untilPolled('alpha', 3);
		expect(gateway.accepted).toBe(accepted);
		await stops(run);
	});

	test('refuses in a million question marks costs the worker nothing', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		gateway.script = {connect: (connection, frame) => connection.refuse(frame, '?'.repeat(1_000_000))};
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		const run = await startBeside(instance, gateway, {heartbeatTimeout: '6s'});
		await instance.untilSandbox('alpha', 'to approve by the CLI', ({approved}) => approved === 1);
		await until('further tries', () => gateway.connects.length > 4);
		expect(await instance.statusOf('alpha')).toMatchObject({
			restarts: 0,
			transportReason: expect.stringMatching(/^\?+…$/),
		});
		await stops(run);
	});

	test('keeps the worker from beating is left alone, as one that makes it grow is', async ({
		instance,
		startGateway,
	}) => {
		// Nothing that a gateway can send is known to do this: the test stops the process.
		const gateway = await startGateway();
		const alpha = await instance.sandbox('alpha');
		const run = await startBeside(instance, gateway, {heartbeatTimeout: '10s'});
		const {pid} = await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
		process.kill(pid ?? 0, 'SIGSTOP');
		await alpha.ask(cliAsk('cli-1'));
		const {lastExit, transportReason} = await instance.untilSandbox(
			'alpha',
			'to be replaced by one that uses the CLI',
			({approved, restarts}) => approved === 1 && restarts > 0,
		);
		expect(lastExit?.reason).toBe('hang');
		expect(transportReason).toMatch(/left alone until 20\d\d-/);
		await betaApproves(instance, 'cli-1');
		await stops(run);
	});

	test('would make the worker grow by what it says is left alone for a while, and the worker lives', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		// Just what is taken in one frame, of what takes the most memory once it is read.
		const frame = Buffer.from(`{"type":"event","event":"x","payload":[${'[],'.repeat(1_390_000)}[]]}`);
		gateway.script = onceInside(gateway, async connection => {
			while (connection.isOpen) await connection.sendRaw(frame);
		});
		const alpha = await instance.sandbox('alpha');
		const run = await startBeside(instance, gateway);
		await instance.untilSandbox('alpha', 'to have none of it', ({transportReason: why}) => /values/.test(why ?? ''));
		await alpha.ask(cliAsk('cli-1'));
		const {transport, transportReason} = await instance.untilSandbox(
			'alpha',
			'to approve by the CLI',
			({approved}) => approved === 1,
		);
		expect({transport, transportReason}).toEqual({
			transport: 'cli',
			transportReason: expect.stringMatching(/a frame holds more values than any list.*left alone until 20\d\d-/),
		});
		const accepted = gateway.accepted;
		await instance.untilPolled('alpha', 5);
		expect(gateway.accepted).toBe(accepted);
		const {restarts} = await instance.untilSandbox('alpha', 'to be healthy', ({healthy}) => healthy);
		expect(restarts).toBe(0);
		// Nor does it wear down whoever only wants to look.
		const check = await instance.command(['check']);
		expect(check).toMatchObject({
			exitCode: 1,
			stdout: expect.stringMatching(/alpha +degraded +cli .*a frame holds more values/),
		});
		await betaApproves(instance, 'cli-1');
		await stops(run);
	});
});
