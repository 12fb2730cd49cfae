import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {Instance} from '../support/instance.ts';
import type {Run} from '../support/pairkeeper.ts';
import {
	type Connection,
	challenge,
	type Frame,
	onceInside,
	type Script,
	ScriptedGateway,
} from '../support/scripted-gateway.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {throughGateway, untilUndisturbed} from './sandboxes.ts';

const nesting = 100_000;
const deep = `${'['.repeat(nesting)}${']'.repeat(nesting)}`;
const huge = 100 * 2 ** 20;

/** Answers a frame with JSON text as it is. */
function answerText(connection: Connection, {id}: Frame, payload: string): void {
	void connection.sendRaw(`{"type":"res","id":${JSON.stringify(id)},"ok":true,"payload":${payload}}`);
}

/** What a gateway does, and what the status then says. */
const cases: readonly (readonly [string, (gateway: ScriptedGateway) => Script, RegExp])[] = [
	['accepts and says nothing', () => ({accept: () => false}), /no answer within 6 s/],
	['opens the WebSocket and says nothing', () => ({opened: () => {}}), /no answer within 6 s/],
	['never answers connect', () => ({connect: () => {}}), /no answer within 6 s|gateway request timeout for connect/],
	[
		'speaks no HTTP',
		() => ({accept: socket => !socket.write('\u0000\u0001garbage\r\n\r\n') && false}),
		/Parse Error|Expected HTTP/,
	],
	[
		'is a web server',
		() => ({accept: socket => !socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno') && false}),
		/HTTP 200/,
	],
	[
		'sends what is no JSON',
		() => ({opened: connection => void connection.sendRaw('{"type":"event",,,')}),
		/no answer within 6 s: what it says is not JSON/,
	],
	[
		'sends bytes that are no text',
		() => ({opened: connection => void connection.sendRaw(Buffer.alloc(999, 255))}),
		/not JSON/,
	],
	[
		'sends a challenge without a nonce',
		() => ({opened: connection => connection.announce('connect.challenge', null)}),
		/challenge missing nonce/,
	],
	['says hello with nothing in it', () => ({connect: (connection, frame) => connection.answer(frame, null)}), /./],
	[
		'refuses connect with a control sequence',
		() => ({connect: (connection, frame) => connection.refuse(frame, 'no\u001b]0;owned\u0007\nforged line')}),
		/no.*owned.*forged line/,
	],
	[
		'sends a frame of 100 MB instead of a challenge',
		() => ({opened: connection => connection.beginFrame(huge)}),
		/payload size/,
	],
	[
		'sends a frame of 100 MB instead of hello',
		() => ({connect: connection => connection.beginFrame(huge)}),
		/payload size/,
	],
	['lists in a frame of 100 MB', () => ({request: connection => connection.beginFrame(huge)}), /payload size/],
	[
		'nests 100,000 deep instead of a challenge',
		() => ({opened: connection => void connection.sendRaw(deep)}),
		/no answer within 6 s/,
	],
	[
		'nests 100,000 deep in its refusal',
		() => ({
			connect: (connection, {id}) =>
				void connection.sendRaw(
					`{"type":"res","id":"${id}","ok":false,"error":{"code":"X","message":"no","details":${deep}}}`,
				),
		}),
		/no/,
	],
	[
		'nests 100,000 deep in its list',
		() => ({request: (connection, frame) => answerText(connection, frame, deep)}),
		/listing/,
	],
	['closes at the first byte', () => ({accept: socket => !socket.once('data', () => socket.end())}), /hang up/],
	[
		'closes when the WebSocket opens',
		() => ({opened: connection => connection.close(1001, 'going')}),
		/closed \(1001\): going/,
	],
	['drops when the WebSocket opens', () => ({opened: connection => connection.drop()}), /closed/],
	[
		'closes after the challenge',
		() => ({
			opened: connection => {
				challenge(connection);
				connection.close(1000);
			},
		}),
		/closed/,
	],
	['closes at connect', () => ({connect: connection => connection.close(1012, 'service restart')}), /service restart/],
	['drops at connect', () => ({connect: connection => connection.drop()}), /closed/],
	['closes after hello', gateway => onceInside(gateway, connection => connection.close(1008, 'not you')), /not you/],
	['drops after hello', gateway => onceInside(gateway, connection => connection.drop()), /closed/],
	[
		'refuses connect in a million colons',
		() => ({connect: (connection, frame) => connection.refuse(frame, `no${':'.repeat(1_000_000)}x`)}),
		/no/,
	],
	['drops at every list', () => ({request: connection => connection.drop()}), /closed/],
];

// One sandbox for each of them, all under one supervisor: what one gateway does must not disturb the others either.
describe('a gateway that cannot be used', () => {
	let instance: Instance;
	let run: Run;
	const gateways: ScriptedGateway[] = [];
	const nameOf = (what: string) => `case-${cases.findIndex(([each]) => each === what)}`;

	beforeAll(async () => {
		instance = await Instance.create();
		await instance.sandbox('beta');
		let sandboxes = {};
		for (const [what, script] of cases) {
			const gateway = await ScriptedGateway.start();
			gateways.push(gateway);
			gateway.script = script(gateway);
			await (await instance.sandbox(nameOf(what))).ask(cliAsk('cli-1'));
			sandboxes = {...sandboxes, ...(await throughGateway(instance, nameOf(what), gateway))};
		}
		// Nobody is killed for being slow: 27 workers share the machine's cores.
		const keys = {runTimeout: '6s', stopTimeout: '5m', heartbeatTimeout: '1m', fastInterval: '1s', slowInterval: '2s'};
		await instance.configure(keys, sandboxes);
		run = await instance.start();
	});
	afterAll(async () => {
		await instance?.end();
		for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
	});

	test.for(cases)('because it %s is given up for the CLI, and the status says why', async ([what, , reason]) => {
		const name = nameOf(what);
		const {transportReason} = await instance.untilSandbox(
			name,
			'to approve by the CLI, and to say why',
			s => s.approved === 1 && s.transport === 'cli' && reason.test(s.transportReason ?? ''),
		);
		expect(transportReason).not.toMatch(/[\u0000-\u001f]/);
		const gateway = gateways[cases.findIndex(([each]) => each === what)];
		await until('further tries', () => (gateway?.accepted ?? 0) > 2);
		const changes = await instance.untilLogged('"transport: ', `"sandbox":"${name}"`);
		expect(changes, JSON.stringify(changes)).toHaveLength(1);
		// A call of a busy machine's CLI may have been too slow.
		const isWell = (s: {healthy: boolean; lastError: string | null}) => s.healthy && s.lastError === null;
		const {restarts} = await instance.untilSandbox(name, 'to be well', isWell);
		expect(restarts).toBe(0);
	});

	test('is not noticed by another sandbox, which goes on approving', async () => {
		await (await instance.sandbox('beta')).ask(cliAsk('cli-1'));
		await instance.untilSandbox('beta', 'to approve', s => s.approved === 1);
		await untilUndisturbed(instance, 'beta');
	});

	test('does not keep its worker from stopping in good order', async () => {
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
	});
});
