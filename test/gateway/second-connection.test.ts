import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {type Cancel, type Clock, systemClock} from '../../worker/clock.ts';
import {gatewayClient} from '../../worker/transport/gateway/client.ts';
import {SecondConnection} from '../../worker/transport/gateway/second-connection.ts';
import type {GatewaySession} from '../../worker/transport/gateway/session.ts';
import {urlRoute} from '../../worker/transport/gateway/url-route.ts';
import {freeTurns} from '../support/free-turns.ts';
import {ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {openSession} from '../support/session.ts';
import {until} from '../support/until.ts';

const {signal} = new AbortController();
const base = ['operator.pairing', 'operator.read', 'operator.write'];

/** The machine's clocks, but for a monotonic one that tests may put forward. */
class MovedClock implements Clock {
	moved = 0;
	now = () => systemClock.now() + this.moved;
	wall = () => systemClock.wall();
	sleep = (ms: number, aborted?: AbortSignal) => systemClock.sleep(ms, aborted);
	doze = (ms: number) => systemClock.doze(ms);
	after = (ms: number, act: () => void): Cancel => systemClock.after(ms, act);
}

describe('an approval that the lasting connection lacks scopes for', () => {
	let folder: string;
	let gateway: ScriptedGateway;
	let lasting: GatewaySession;
	let clock: MovedClock;

	beforeEach(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pairkeeper-second-'));
		gateway = await ScriptedGateway.start();
		clock = new MovedClock();
		const nobody = {onRequested: () => {}, onEnd: () => {}};
		lasting = await openSession(gateway.url, {token: scriptedToken, scopes: base, timeout: 20_000, ...nobody});
		await writeFile(join(folder, 'token'), scriptedToken, {mode: 0o600});
	});
	afterEach(async () => {
		lasting.end('unreachable', 'done');
		await gateway[Symbol.asyncDispose]();
		await rm(folder, {recursive: true});
	});

	function client({timeout = 20_000} = {}) {
		const tokenFile = join(folder, 'token');
		const target = {url: gateway.url, tokenFile, tokenCommand: [], fingerprint: null, allowInsecure: false};
		const route = urlRoute(target, {owner: 'tests', turns: freeTurns});
		const second = new SecondConnection({route, timeout: () => timeout, clock});
		return gatewayClient({session: () => lasting, scopes: base, second});
	}

	const asked = () => gateway.connects.map(({scopes}) => scopes);

	it('goes over one that asks for exactly what is needed, and ends with it', async () => {
		gateway.pending = [cliAsk('r1'), cliAsk('r2')];
		const needs = ['operator.admin', 'operator.read'];
		expect(await client().approve({requestId: 'r1', needs}, signal)).toMatchObject({scopes: expect.anything()});
		expect(gateway.approved).toEqual(['r1']);
		expect(asked()).toEqual([base, ['operator.pairing', ...needs]]);
		await until('the second connection to be over', () => gateway.clients.length === 1);
		await client().approve({requestId: 'r2', needs: ['operator.read', 'operator.pairing']}, signal);
		expect(asked()).toHaveLength(2);
	});

	it('is refused in the words of the gateway, and the connection ends all the same', async () => {
		const approval = client().approve({requestId: 'unknown', needs: ['operator.approvals']}, signal);
		await expect(approval).rejects.toMatchObject({
			failure: 'refused',
			message: expect.stringMatching(/second connection for operator\.pairing operator\.approvals.*unknown requestId/),
		});
		await until('the second connection to be over', () => gateway.clients.length === 1);
	});

	it('is over in time, however long the gateway takes', async () => {
		gateway.script = {connect: () => {}};
		const approval = client({timeout: 200}).approve({requestId: 'r1', needs: ['operator.admin']}, signal);
		await expect(approval).rejects.toMatchObject({failure: 'timeout'});
		await until('the second connection to be over', () => gateway.clients.length === 1);
	});

	it('is paced where no second connection comes about, as attempts to connect are', async () => {
		gateway.script = {connect: (connection, frame) => connection.refuse(frame, `no: ${scriptedToken}`)};
		const by = client();
		const attempt = async () => {
			const error = await by.approve({requestId: 'r1', needs: ['operator.admin']}, signal).catch((why: Error) => why);
			expect(error).toMatchObject({failure: 'refused', message: expect.stringContaining('no: [redacted]')});
			return asked().length - 1;
		};
		expect([await attempt(), await attempt(), await attempt()]).toEqual([1, 1, 1]);
		clock.moved += 5000;
		expect([await attempt(), await attempt()]).toEqual([2, 2]);
		gateway.script = {};
		gateway.pending = [cliAsk('r1')];
		clock.moved += 5000;
		await by.approve({requestId: 'r1', needs: ['operator.admin']}, signal);
		expect(gateway.approved).toEqual(['r1']);
	});

	it('ends with its pass', async () => {
		gateway.script = {connect: () => {}};
		const stopping = new AbortController();
		const approval = client().approve({requestId: 'r1', needs: ['operator.admin']}, stopping.signal);
		await until('the second connection', () => asked().length === 2);
		stopping.abort(new Error('stopped'));
		await expect(approval).rejects.toThrow('stopped');
	});
});
