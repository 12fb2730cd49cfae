import {afterAll, describe, expect, it} from 'vitest';
import type {ClientFailure} from '../../worker/client-error.ts';
import {messageOf} from '../../worker/text.ts';
import {type Script, ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {openSession} from '../support/session.ts';

const gateways: ScriptedGateway[] = [];
afterAll(async () => {
	for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
});

async function open(script: Script, {timeout = 5000, signal = new AbortController().signal} = {}) {
	const gateway = await ScriptedGateway.start(script);
	gateways.push(gateway);
	const ends: string[] = [];
	const session = await openSession(
		gateway.url,
		{
			token: scriptedToken,
			scopes: ['operator.pairing'],
			timeout,
			onRequested: () => {},
			onEnd: ({message}) => void ends.push(message),
		},
		signal,
	);
	return {gateway, session, ends};
}

describe.concurrent('a session', () => {
	it('that nobody greets fails for the same reason every time, also beyond the limits of the library', async () => {
		await expect(open({opened: () => {}}, {timeout: 16_000})).rejects.toThrow(/^no answer within 16 s$/);
	}, 40_000);

	it('ends once, for the first reason, and says it before whoever waits for an answer goes on', async () => {
		const {gateway, session, ends} = await open({request: connection => connection.close(1012, 'service restart')});
		const answer = session.request('device.pair.list', {}, new AbortController().signal);
		await expect(answer).rejects.toThrow(/gateway closed \(1012\): service restart/);
		expect(ends).toEqual([(await session.closed).message]);
		session.end('unreachable', 'done');
		expect(ends).toHaveLength(1);
		expect(gateway.greeted).toBe(1);
	});

	it('goes on after a refusal, and ends after an answer that does not come', async () => {
		const {gateway, session, ends} = await open({request: (connection, frame) => connection.refuse(frame, 'not now')});
		const {signal} = new AbortController();
		await expect(session.request('device.pair.list', {}, signal)).rejects.toThrow('device.pair.list: not now');
		expect(ends).toEqual([]);
		gateway.script = {request: () => {}};
		const brief = await open({request: () => {}}, {timeout: 500});
		await expect(brief.session.request('device.pair.list', {}, signal)).rejects.toThrow(/device\.pair\.list.*timeout/);
		expect(brief.ends).toHaveLength(1);
		session.end('unreachable', 'done');
	});

	it.each([
		[500.6, 'device.pair.list: timeout, no answer within 0.5 s'],
		[5000, 'device.pair.list: timeout, no answer within 5 s'],
	])(
		'waits for an answer for %d ms at least, and says so: %s',
		async (timeout, reason) => {
			const {session} = await open({request: () => {}}, {timeout});
			const began = performance.now();
			const answer = session.request('device.pair.list', {}, new AbortController().signal);
			await expect(answer).rejects.toThrow(expect.objectContaining({message: reason}));
			expect(performance.now() - began).toBeGreaterThanOrEqual(Math.floor(timeout) - 1);
		},
		20_000,
	);

	it('is left alone by an answer to somebody else, and by events of any other kind', async () => {
		const {gateway, session} = await open({
			request: (connection, frame) => {
				connection.send({type: 'res', id: 'another', ok: true, payload: {pending: [], paired: []}});
				for (const value of [null, 5, [], {}, {type: 'event'}, {type: 'event', event: 7}, {type: 'res', id: frame.id}])
					connection.send(value);
				connection.announce('presence', {pending: []});
				gateway.serve(connection, frame);
			},
		});
		const answer = await session.request('device.pair.list', {}, new AbortController().signal);
		expect(answer).toEqual({pending: [], paired: []});
		session.end('unreachable', 'done');
	});

	it('ends when nothing has come for twice the time that the gateway promised, from whatever came last', async () => {
		let lastSaid = 0;
		const {session, ends} = await open({
			connect: (connection, frame) => {
				connection.answer(frame, {type: 'hello-ok', protocol: 4, policy: {tickIntervalMs: 1000}});
				setTimeout(() => {
					lastSaid = performance.now();
					connection.announce('tick', {});
				}, 1000);
			},
		});
		expect((await session.closed).message).toBe('nothing came from the gateway for more than 2 s');
		expect(performance.now() - lastSaid).toBeGreaterThanOrEqual(1990);
		expect(ends).toHaveLength(1);
	});

	it.each([
		['says nothing', {opened: () => {}}, 'timeout'],
		['refuses', {connect: (to, frame) => to.refuse(frame, 'unauthorized')}, 'refused'],
		['closes since it does not let us in', {connect: to => to.close(1008, 'unauthorized')}, 'refused'],
		['closes since it starts again', {connect: to => to.close(1012, 'service restart')}, 'unreachable'],
		['drops the connection', {connect: to => to.drop()}, 'unreachable'],
	] satisfies [string, Script, ClientFailure][])(
		'with a gateway that %s fails in that way',
		async (_, script, failure) => {
			await expect(open(script, {timeout: 1000})).rejects.toMatchObject({failure});
		},
	);

	it('takes no frame of more than 4 MiB, and offers to unpack none', async () => {
		const {gateway, session} = await open({
			accept: socket => {
				socket.once('data', head => expect(head.toString()).not.toMatch(/sec-websocket-extensions/i));
				return true;
			},
			request: connection => connection.beginFrame(4 * 2 ** 20 + 1),
		});
		const answer = session.request('device.pair.list', {}, new AbortController().signal);
		await expect(answer).rejects.toThrow(/gateway closed \(1006\).*payload size/);
		expect(gateway.greeted).toBe(1);
	});

	it.each(['[],', '{},', '0,'])('takes no frame of few bytes and many values, such as %s without end', async piece => {
		const frame = `{"type":"event","event":"x","payload":[${piece.repeat((4 * 2 ** 20 - 100) / piece.length)}0]}`;
		const {session, gateway, ends} = await open({});
		for (const client of gateway.clients) void client.sendRaw(frame);
		expect(await session.closed).toMatchObject({failure: 'hostile', message: expect.stringMatching(/more values/)});
		expect(ends).toHaveLength(1);
	});

	it('is broken off by a stop while nobody answers', async () => {
		const stopping = new AbortController();
		const opening = open({opened: () => stopping.abort(new Error('stopped'))}, {signal: stopping.signal});
		await expect(opening).rejects.toThrow('stopped');
	});

	it('that could not connect to any of several addresses says so, though the error of Node has no words', () => {
		const errors = ['::1', '127.0.0.1'].map(address => new Error(`connect ECONNREFUSED ${address}:1`));
		expect(messageOf(new AggregateError(errors))).toBe('connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1');
	});
});
