import {existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import type {PendingRequest} from '../../supervisor/control/pending.ts';
import {pendingRequest} from '../../supervisor/control/pending.ts';
import type {ListenAddress} from '../../supervisor/http/address.ts';
import {Listener} from '../../supervisor/http/listener.ts';
import {type HttpLimits, HttpServer} from '../../supervisor/http/server.ts';
import type {Sources} from '../../supervisor/http/sources.ts';
import {healthOf} from '../../supervisor/status/health.ts';
import {type Status, statusSchema} from '../../supervisor/status/schema.ts';
import {systemClock} from '../../worker/clock.ts';
import {until} from '../support/until.ts';
import {composedStatus} from './composed-status.ts';
import {SECOND} from './fixtures.ts';
import {heldOf} from './sandbox-fixtures.ts';

const now = 1_800_000_000_000;
const loopback: ListenAddress = {kind: 'tcp', host: '127.0.0.1', port: 0};

/** What a server shows: `sources.shown` may be changed. */
function showing(status: Status = composedStatus(now, 4, true)) {
	const shown = {
		status,
		pending: [pendingRequest('night-build', heldOf({requestId: 'secret-request'}))] as PendingRequest[],
	};
	const sources: Sources = {
		status: () => shown.status,
		health: it => healthOf(it, {isAlive: true, now, maxAge: 15 * SECOND}),
		pending: async () => shown.pending,
		history: () => [],
		metrics: async () => ({type: 'text/plain', text: 'pairkeeper_up 1\n'}),
	};
	return {shown, sources};
}

async function serve(
	address: ListenAddress = loopback,
	{
		limits = {},
		hosts = [],
		shows = showing(),
	}: {limits?: Partial<HttpLimits>; hosts?: string[]; shows?: ReturnType<typeof showing>} = {},
) {
	const deps = {clock: systemClock, log: () => {}, sources: shows.sources, limits};
	const server = await HttpServer.open(address, {hosts, gid: null}, deps);
	const at = address.kind === 'unix' ? {socketPath: address.path} : {host: '127.0.0.1', port: server.port ?? 0};
	return {server, at, ...shows, [Symbol.asyncDispose]: () => server.close()};
}

type Place = Awaited<ReturnType<typeof serve>>['at'];

/** Asks, and reads the whole answer. */
function ask(at: Place, url: string, {method = 'GET', host = 'localhost'} = {}) {
	return new Promise<{code: number; headers: http.IncomingHttpHeaders; body: string}>((resolve, reject) => {
		const request = http.request({...at, path: url, method, headers: {Host: host}, agent: false}, response => {
			let body = '';
			response.setEncoding('utf8');
			response.on('data', chunk => {
				body += chunk;
			});
			response.on('end', () => resolve({code: response.statusCode ?? 0, headers: response.headers, body}));
			response.on('error', reject);
		});
		request.on('error', reject);
		request.end();
	});
}

/** A connection that says this and no more; what it is told, and whether it was ended. */
function connect(at: Place, says = '') {
	const socket = net.connect('socketPath' in at ? {path: at.socketPath} : at);
	const seen = {text: '', isEnded: false};
	socket.setEncoding('utf8');
	socket.on('data', chunk => {
		seen.text += chunk;
	});
	socket.on('error', () => {});
	socket.on('close', () => {
		seen.isEnded = true;
	});
	socket.write(says);
	return {socket, seen};
}

const eventsRequest = 'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n';

describe('over a port', () => {
	let place: Awaited<ReturnType<typeof serve>>;
	beforeAll(async () => {
		place = await serve(loopback, {hosts: ['keeper.example.org']});
	});
	afterAll(() => place.server.close());

	it('the status is shown, without who asked for what', async () => {
		const {code, headers, body} = await ask(place.at, '/status.json');
		expect(code).toBe(200);
		expect(headers['content-type']).toBe('application/json; charset=utf-8');
		expect(headers['cache-control']).toBe('no-store');
		const status = statusSchema.parse(JSON.parse(body));
		expect(Object.keys(status.sandboxes)).toEqual(Object.keys(place.shown.status.sandboxes));
		expect(status.sandboxes.日本語の箱?.lastRefusal).toEqual({
			...place.shown.status.sandboxes.日本語の箱?.lastRefusal,
			requestId: '',
			clientId: null,
			clientMode: null,
			scopes: [],
		});
		expect(body).not.toContain('operator.');
	});

	it('of what waits for a person there are counts alone', async () => {
		const {body} = await ask(place.at, '/pending.json');
		expect(JSON.parse(body)).toEqual({total: 1, sandboxes: {'night-build': 1}});
	});

	it('health is 200 with the line of `pairkeeper health` while not critical', async () => {
		const {code, body} = await ask(place.at, '/healthz');
		expect(code).toBe(200);
		expect(body).toMatch(/^degraded: .*night-build: unhealthy/);
		expect(await ask(place.at, '/livez')).toMatchObject({code: 200});
	});

	it('the page may run its own script and nothing else, and is shown in no frame', async () => {
		const {code, headers, body} = await ask(place.at, '/');
		expect(code).toBe(200);
		const policy = headers['content-security-policy'];
		expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; /);
		expect(policy).toContain("frame-ancestors 'none'");
		expect(policy).not.toContain('unsafe');
		expect(body).not.toMatch(/ on[a-z]+=|innerHTML|src="http/);
	});

	it('metrics and history are there', async () => {
		expect(await ask(place.at, '/metrics')).toMatchObject({code: 200, body: 'pairkeeper_up 1\n'});
		expect(JSON.parse((await ask(place.at, '/history.json')).body)).toEqual({minutes: []});
	});

	it('a name that is not ours is told so, unless it asks whether the process is well', async () => {
		expect(await ask(place.at, '/status.json', {host: 'evil.example'})).toMatchObject({code: 421});
		expect(await ask(place.at, '/healthz', {host: 'evil.example'})).toMatchObject({code: 200});
		expect(await ask(place.at, '/status.json', {host: 'KEEPER.example.org:443'})).toMatchObject({code: 200});
	});

	it('other methods than GET are told so', async () => {
		expect(await ask(place.at, '/', {method: 'POST'})).toMatchObject({code: 405, headers: {allow: 'GET'}});
		expect(await ask(place.at, '/', {method: 'HEAD'})).toMatchObject({code: 405});
	});

	it('events tell everything first, and then what has changed', async () => {
		const {socket, seen} = connect(place.at, eventsRequest);
		const events = () => [...seen.text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json));
		await until('the first event', () => events().length === 1);
		expect(seen.text).toContain('text/event-stream');
		expect(events()[0]).toMatchObject({isAll: true, pending: null, head: {health: {level: 'degraded'}}});
		expect(events()[0].rows).toHaveLength(Object.keys(place.shown.status.sandboxes).length);
		expect(seen.text).not.toContain('operator.');
		const {retired: _, young, ...others} = place.shown.status.sandboxes;
		if (!young) throw new Error('no such sandbox');
		place.shown.status = {...place.shown.status, sandboxes: {...others, young: {...young, approved: 7}}};
		place.server.touch();
		await until('the second event', () => events().length === 2);
		expect(events()[1]).toMatchObject({isAll: false, gone: ['retired'], rows: [{name: 'young', approved: 7}]});
		expect(events()[1].rows).toHaveLength(1);
		socket.destroy();
	});
});

describe('a host of which no sandbox is healthy', () => {
	it('is critical: 503', async () => {
		const status = composedStatus(now, 0, true);
		const {review} = status.sandboxes;
		if (!review) throw new Error('no such sandbox');
		await using place = await serve(loopback, {shows: showing({...status, sandboxes: {review}})});
		expect(await ask(place.at, '/healthz')).toMatchObject({code: 503, body: expect.stringMatching(/^critical: /)});
		expect(await ask(place.at, '/livez')).toMatchObject({code: 200});
	});
});

describe('clients that are no good', () => {
	it('lose their place to those that come, and keep nobody from being answered', async () => {
		await using place = await serve(loopback, {limits: {connections: 8}});
		const silent = Array.from({length: 40}, () => connect(place.at, 'GET / HTTP/1.1\r\nX-Slow: '));
		await until('the first ones to be gone', () => silent.slice(0, 32).every(({seen}) => seen.isEnded));
		expect(await ask(place.at, '/healthz')).toMatchObject({code: 200});
		for (const {socket} of silent) socket.destroy();
	});

	it('are bounded in number while they are answered, and probes are answered all the same', async () => {
		await using place = await serve(loopback, {limits: {connections: 12, answering: 6, streams: 4}});
		const streams = Array.from({length: 4}, () => connect(place.at, eventsRequest));
		await until('four streams', () => streams.every(({seen}) => seen.text.includes('data: ')));
		expect(await ask(place.at, '/events')).toMatchObject({code: 503});
		expect(await ask(place.at, '/status.json')).toMatchObject({code: 200});
		expect(await ask(place.at, '/livez')).toMatchObject({code: 200});
		for (const {socket} of streams) socket.destroy();
	});

	it('are ended where their request takes too long', async () => {
		await using place = await serve(loopback, {limits: {requestPatience: 200}});
		const slow = [connect(place.at), connect(place.at, 'GET / HTTP/1.1\r\nX-Slow: ')];
		await until('the end of both', () => slow.every(({seen}) => seen.isEnded));
		expect(slow[1]?.seen.text).toContain('408');
	});

	it('are ended where they do not take what they asked for', async () => {
		const big = composedStatus(now, 16_000, false);
		await using place = await serve(loopback, {limits: {answerPatience: 200}, shows: showing(big)});
		const socket = net.connect({host: '127.0.0.1', port: place.server.port ?? 0});
		let isEnded = false;
		socket.on('error', () => {});
		socket.on('close', () => {
			isEnded = true;
		});
		socket.pause();
		socket.write('GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n');
		// The end is noticed by what is written; a paused socket reads nothing.
		await until('the end of it', () => {
			if (!isEnded) socket.write('x');
			return isEnded;
		});
	});

	it('with headers without end are refused', async () => {
		await using place = await serve();
		const {seen} = connect(place.at, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}`);
		await until('the end of it', () => seen.isEnded);
		expect(seen.text).toContain('431');
	});
});

describe('over a Unix socket', () => {
	let folder: string;
	beforeEach(() => {
		folder = mkdtempSync(path.join(os.tmpdir(), 'http-'));
	});
	afterEach(() => {
		rmSync(folder, {recursive: true, force: true});
	});
	const at = (): ListenAddress & {path: string} => ({kind: 'unix', path: path.join(folder, 'http.sock')});

	it('its owner alone sees who asks for what', async () => {
		await using place = await serve(at());
		expect(statSync(at().path).mode & 0o777).toBe(0o600);
		expect(JSON.parse((await ask(place.at, '/pending.json')).body)).toEqual(place.shown.pending);
		expect(JSON.parse((await ask(place.at, '/status.json')).body)).toEqual(place.shown.status);
		expect(await ask(place.at, '/status.json', {host: 'evil.example'})).toMatchObject({code: 421});
	});

	it('a socket that a killed predecessor left is taken over, and removed at the end', async () => {
		const script = `require('net').createServer().listen(${JSON.stringify(at().path)}, () => process.kill(process.pid, 'SIGKILL'))`;
		const {spawnSync} = await import('node:child_process');
		spawnSync(process.execPath, ['-e', script]);
		expect(statSync(at().path).isSocket()).toBe(true);
		const {server} = await serve(at());
		expect(await ask({socketPath: at().path}, '/livez')).toMatchObject({code: 200});
		await server.close();
		expect(existsSync(at().path)).toBe(false);
	});

	it('what is no socket of ours stays, and is named', async () => {
		writeFileSync(at().path, 'precious');
		await expect(serve(at())).rejects.toThrow('something stands there that is not a socket');
		expect(readFileSync(at().path, 'utf8')).toBe('precious');
	});

	it('a socket at which somebody listens stays, and works', async () => {
		const other = net.createServer(socket => socket.on('error', () => {}).end('mine'));
		await new Promise<void>(resolve => other.listen(at().path, resolve));
		await expect(serve(at())).rejects.toThrow('another program listens there');
		const {seen} = connect({socketPath: at().path});
		await until('the other one to answer', () => seen.text === 'mine');
		other.close();
	});

	it('what stands at its path by the time it ends is not removed with it', async () => {
		const {server} = await serve(at());
		rmSync(at().path);
		writeFileSync(at().path, 'precious');
		await server.close();
		expect(readFileSync(at().path, 'utf8')).toBe('precious');
	});

	it('a directory that is not there is said in words', async () => {
		rmSync(folder, {recursive: true});
		await expect(serve(at())).rejects.toThrow(`${folder} does not exist; make that directory`);
	});
});

it('a connection that asks again before it was answered is cut off, so that no answers are made for nobody to read', async () => {
	await using place = await serve();
	const {seen} = connect(place.at, 'GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000));
	await until('its end', () => seen.isEnded);
	expect(seen.text.split('HTTP/1.1 200').length - 1).toBeLessThanOrEqual(1);
});

describe('where it is listened', () => {
	const listening = () => {
		const logged: string[] = [];
		const log = (_: string, message: string) => void logged.push(message);
		// What is tried again in seconds is tried at once.
		const clock = {...systemClock, after: (ms: number, act: () => void) => systemClock.after(ms / 100, act)};
		return {logged, listener: new Listener({clock, log, sources: showing().sources})};
	};
	const freePort = async (): Promise<{port: number; occupant: net.Server}> => {
		const occupant = net.createServer();
		await new Promise<void>(resolve => occupant.listen(0, '127.0.0.1', resolve));
		const address = occupant.address();
		return {occupant, port: typeof address === 'object' && address !== null ? address.port : 0};
	};

	it('a port that another program has is a warning, and taken when it is free', async () => {
		const {occupant, port} = await freePort();
		const {listener, logged} = listening();
		await listener.listenAt({address: {...loopback, port}, hosts: [], gid: null});
		expect(listener.warnings).toEqual([
			`listen: http://127.0.0.1:${port}/: another program listens there; stop it, or name another port`,
		]);
		expect(logged).toEqual(['cannot listen for HTTP; it is tried again']);
		await new Promise<void>(resolve => occupant.close(() => resolve()));
		await until('the page', async () => (await ask({host: '127.0.0.1', port}, '/livez')).code === 200);
		expect(listener.warnings).toEqual([]);
		await listener.close();
		await expect(ask({host: '127.0.0.1', port}, '/livez')).rejects.toThrow('ECONNREFUSED');
	});
});
