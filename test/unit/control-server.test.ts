import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {connect} from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {ControlServer} from '../../supervisor/control/server.ts';

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
	const socket = path.join(folder, 'control.sock');
	await expect(ControlServer.listen(socket, 'no-such-group', answer)).rejects.toThrow(/no group no-such-group/);
	expect(await failureToConnect(socket)).toBe('ENOENT');
	expect(readdirSync(folder)).toEqual([]);
});

it('a server listens until it is closed', async () => {
	const socket = path.join(folder, 'control.sock');
	const server = await ControlServer.listen(socket, null, answer);
	expect(await failureToConnect(socket)).toBeNull();
	await server.close();
	expect(await failureToConnect(socket)).toBe('ENOENT');
});
