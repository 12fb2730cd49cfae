import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {type Cancel, type Clock, type Doze, systemClock} from '../../worker/clock.ts';
import {LONGEST_COOL_DOWN} from '../../worker/transport/circuit-breaker.ts';
import {GatewayConnection} from '../../worker/transport/gateway/connection.ts';
import {LONGEST_COMMAND_DELAY, LONGEST_DELAY, LONGEST_REFUSED_DELAY} from '../../worker/transport/gateway/reconnect.ts';
import {urlRoute} from '../../worker/transport/gateway/url-route.ts';
import {freeTurns} from '../support/free-turns.ts';
import {challenge, type Script, ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {until} from '../support/until.ts';

const firstDelay = 250;
const firstSettling = 250;
const MINUTE = 60_000;

/** Time that passes only when it is told to; remembers how long it was slept for. */
class RecordingClock implements Clock {
	readonly slept: number[] = [];
	passed = 0;
	onSleep: (times: number) => void = () => {};

	now(): number {
		return this.passed;
	}

	wall(): number {
		return this.passed;
	}

	async sleep(ms: number): Promise<void> {
		this.slept.push(ms);
		this.onSleep(this.slept.length);
		await systemClock.sleep(0);
	}

	doze(ms: number): Doze {
		return systemClock.doze(ms);
	}

	after(ms: number, act: () => void): Cancel {
		return systemClock.after(ms, act);
	}
}

describe('the wait between two tries to connect', () => {
	let folder: string;
	let gateway: ScriptedGateway;
	let clock: RecordingClock;
	let stopping: AbortController;

	beforeEach(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pairkeeper-connection-'));
		gateway = await ScriptedGateway.start();
		clock = new RecordingClock();
		stopping = new AbortController();
	});
	afterEach(async () => {
		await gateway[Symbol.asyncDispose]();
		await rm(folder, {recursive: true});
	});

	async function connection(
		onChange: () => void = () => {},
		token: {readonly tokenFile?: null; readonly tokenCommand?: string[]} = {},
	): Promise<GatewayConnection> {
		const tokenFile = join(folder, 'token');
		await writeFile(tokenFile, scriptedToken, {mode: 0o600});
		const {url} = gateway;
		const gatewayAt = {url, tokenFile, tokenCommand: [], fingerprint: null, allowInsecure: false, ...token};
		return new GatewayConnection({
			route: urlRoute(gatewayAt, {owner: 'test/1', turns: freeTurns}),
			scopes: ['operator.pairing'],
			timeout: () => 10_000,
			clock,
			avoidedUntil: null,
			longestCoolDown: LONGEST_COOL_DOWN,
			onOpen: () => {},
			onChange,
			onRequested: () => {},
			signal: stopping.signal,
		});
	}

	/** Ten waits, each within the half of what it may be at most. */
	function expectDoubling(longest: number): void {
		expect(clock.slept).toHaveLength(10);
		for (const [failures, ms] of clock.slept.entries()) {
			const most = Math.min(firstDelay * 2 ** failures, longest);
			expect(ms).toBeLessThanOrEqual(most);
			expect(ms).toBeGreaterThanOrEqual(most / 2);
		}
	}

	it('doubles up to a bound that is kept, less a random part of at most half', async () => {
		await gateway.shut();
		clock.onSleep = times => times === 10 && stopping.abort();
		await (await connection()).run();
		expectDoubling(LONGEST_DELAY);
		// Else all sandboxes of a host would try in step.
		expect(new Set(clock.slept).size).toBeGreaterThan(1);
	});

	it('grows longer where every try runs a program for the token, but not where the gateway is not even there', async () => {
		const byCommand = {tokenFile: null, tokenCommand: ['printf', 'another-token-0123456789']};
		clock.onSleep = times => times === 10 && stopping.abort();
		await (await connection(undefined, byCommand)).run();
		expect(gateway.connects).toHaveLength(10);
		expectDoubling(LONGEST_COMMAND_DELAY);

		await gateway.shut();
		clock.slept.length = 0;
		stopping = new AbortController();
		await (await connection(undefined, byCommand)).run();
		expectDoubling(LONGEST_DELAY);
	});

	it('grows also where each try takes long: only a connection that lasted is a good one', async () => {
		gateway.script = {connect: (to, frame) => to.refuse(frame, 'unauthorized')};
		gateway.script.opened = to => {
			clock.passed += 60_000;
			challenge(to);
		};
		clock.onSleep = times => times === 10 && stopping.abort();
		await (await connection()).run();
		expectDoubling(LONGEST_REFUSED_DELAY);
	});

	it('is not left to the gateway to choose', async () => {
		const details = {reason: 'startup-sidecars'};
		gateway.script = {
			connect: (to, {id}) =>
				to.send({
					type: 'res',
					id,
					ok: false,
					error: {code: 'UNAVAILABLE', message: 'starting', retryable: true, retryAfterMs: 0, details},
				}),
		};
		clock.onSleep = times => times === 10 && stopping.abort();
		await (await connection()).run();
		expect(gateway.connects).toHaveLength(10);
		expectDoubling(LONGEST_DELAY);
	});

	it('grows for a connection that does not last, and so does the time in which it has to prove itself', async () => {
		const waits: number[] = [];
		let ups = 0;
		clock.onSleep = () => {
			waits.push(clock.slept.at(-1) ?? Number.NaN);
			if (waits.length === 20) stopping.abort();
		};
		const watched = await connection(() => {
			if (!watched.isUp) return;
			ups++;
			for (const client of gateway.clients) client.drop();
		});
		await watched.run();
		expect(ups).toBe(10);
		const settlings = waits.filter((_, index) => index % 2 === 0);
		expect(settlings).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(times => Math.min(firstSettling * 2 ** times, 5000)));
	});

	it('is a minute after we broke with the gateway, and twice as long each time we do so again', async () => {
		const rests: number[] = [];
		const watched = await connection(() => {
			if (watched.isUp) queueMicrotask(() => watched.breakOff('it floods us'));
			else expect(watched.whyDown.message).toMatch(/^it floods us; it is left alone until \d{4}-/);
		});
		// After each settling.
		clock.onSleep = times => {
			if (times % 2 === 0) rests.push((clock.slept.at(-1) ?? Number.NaN) / MINUTE);
			if (rests.length === 8) stopping.abort();
		};
		await watched.run();
		expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
	});

	it.each([
		['while it has not answered', {connect: () => {}}],
		['while it has not listed', {request: () => {}}],
	] satisfies [string, Script][])('is a minute after we broke with a gateway %s', async (_, script) => {
		gateway.script = script;
		clock.onSleep = () => stopping.abort();
		const watched = await connection();
		const running = watched.run();
		const isAsked = () => gateway.connects.length > 0 && (!('request' in script) || gateway.requests.length > 0);
		await until('the gateway to be asked', isAsked);
		watched.breakOff('it floods us');
		await running;
		expect(clock.slept).toEqual([MINUTE]);
		expect(watched.whyDown).toMatchObject({failure: 'hostile'});
	});

	it('is a minute where we break with the gateway between two tries', async () => {
		await gateway.shut();
		const watched = await connection();
		clock.onSleep = times => {
			if (times === 3) watched.breakOff('it floods us');
			if (times === 4) stopping.abort();
		};
		await watched.run();
		expect(clock.slept.at(-1)).toBe(MINUTE);
	});

	it('begins anew after a connection that lasted', async () => {
		await gateway.shut();
		const waits: number[] = [];
		let hasLasted = false;
		clock.onSleep = times => {
			waits.push(clock.slept.at(-1) ?? Number.NaN);
			if (times === 6) void gateway.open();
			if (hasLasted) stopping.abort();
		};
		const watched = await connection(() => {
			if (!watched.isUp) return;
			hasLasted = true;
			clock.passed += 60_000;
			for (const client of gateway.clients) client.drop();
		});
		await watched.run();
		expect(gateway.greeted).toBe(1);
		expect(waits.at(5)).toBeGreaterThan(LONGEST_DELAY / 2 - 1);
		expect(waits.at(-1)).toBeLessThanOrEqual(firstDelay);
	});
});
