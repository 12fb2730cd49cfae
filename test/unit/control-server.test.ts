import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {connect, type Socket} from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {askSupervisor} from '../../supervisor/control/client.ts';
import {ControlServer} from '../../supervisor/control/server.ts';
import {ControlSockets} from '../../supervisor/control/sockets.ts';
import {instancePaths} from '../../supervisor/instance/paths.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'control-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

const answer = async () => ({result: 'done' as const, detail: 'heard'});

function failureToConnect(socket: string): Promise<string | null> {
	return new Promise(resolve => {
		const client = connect(socket);
		client.once('connect', () => {
			client.destroy();
			resolve(null);
		});
		client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
	});
}

it('a server that cannot be given to its group does not go on listening', async () => {
	const paths = instancePaths(path.join(folder, 'status.json'));
	const answers = {owner: answer, group: answer};
	await expect(ControlSockets.open(paths, 'no-such-group', answers)).rejects.toThrow(/no group no-such-group/);
	expect(await failureToConnect(paths.controlSocket)).toBe('ENOENT');
	expect(readdirSync(folder)).toEqual([]);
});

it('a server listens until it is closed', async () => {
	const socket = path.join(folder, 'control.sock');
	const server = await ControlServer.listen(socket, answer);
	expect(await failureToConnect(socket)).toBeNull();
	await server.close();
	expect(await failureToConnect(socket)).toBe('ENOENT');
});

/** Connects, and says nothing. */
function idleClient(socket: string): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const client = connect(socket);
		client.on('error', reject);
		client.once('connect', () => resolve(client));
	});
}

describe('a server that many connect to', () => {
	it('answers another one, however many are silent, or say something without end', async () => {
		const paths = instancePaths(path.join(folder, 'status.json'));
		const server = await ControlServer.listen(paths.controlSocket, answer);
		const idle: Socket[] = [];
		for (let count = 0; count < 300; count++) idle.push(await idleClient(paths.controlSocket));
		for (const client of idle) client.write('x'.repeat(100_000));
		expect(await askSupervisor(paths, {op: 'reload'}, 4000)).toEqual({
			kind: 'answered',
			response: {result: 'done', detail: 'heard'},
		});
		await server.close();
		for (const client of idle) client.destroy();
	});

	it('reads no more of each, and serves no more of them, than it is told to', async () => {
		const paths = instancePaths(path.join(folder, 'status.json'));
		const take = vi.fn(() => take.mock.calls.length <= 2);
		const bounds = {maxRequest: 4096, connections: {take}};
		const server = await ControlServer.listen(paths.controlSocket, answer, {bounds});
		const ask = (op: object) => askSupervisor(paths, op as {op: 'reload'}, 4000);
		expect(await ask({op: 'kick', sandboxes: Array(600).fill('a-sandbox')})).toMatchObject({
			response: {result: 'refused', detail: expect.stringMatching(/too long/)},
		});
		expect(await ask({op: 'reload'})).toMatchObject({response: {result: 'done'}});
		expect(await ask({op: 'reload'})).toMatchObject({
			response: {result: 'failed', detail: expect.stringMatching(/more is asked here/)},
		});
		await server.close();
	});

	it('answers another one, however many wait for an answer', async () => {
		const paths = instancePaths(path.join(folder, 'status.json'));
		const server = await ControlServer.listen(paths.controlSocket, request =>
			request.op === 'approve' ? new Promise(() => {}) : answer(),
		);
		const waiting: Socket[] = [];
		for (let count = 0; count < 300; count++) {
			const client = await idleClient(paths.controlSocket);
			client.write('{"op":"approve","sandbox":"a","timeout":60000}\n');
			waiting.push(client);
		}
		const reply = await askSupervisor(paths, {op: 'kick', sandboxes: []}, 4000);
		expect(reply).toMatchObject({kind: 'answered', response: {result: expect.stringMatching(/done|failed/)}});
		await server.close();
		for (const client of waiting) client.destroy();
	});
});

describe('a client', () => {
	it('shows nothing of an answer that could move the cursor, or forge a line', async () => {
		const paths = instancePaths(path.join(folder, 'status.json'));
		const detail = '\u001b[2Jcleared\rforged\u202e\nsecond line';
		const server = await ControlServer.listen(paths.controlSocket, async () => ({result: 'done', detail}));
		expect(await askSupervisor(paths, {op: 'reload'}, 4000)).toEqual({
			kind: 'answered',
			response: {result: 'done', detail: '\ufffd[2Jcleared forged\ufffd\nsecond line'},
		});
		await server.close();
	});
});
