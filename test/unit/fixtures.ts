// What the unit tests share: values of the domain, a clock that tests move, and a gateway in memory.

import {ClientError} from '../../worker/client-error.ts';
import {type Cancel, type Clock, type Doze, sleepBy} from '../../worker/clock.ts';
import type {Subject} from '../../worker/protocol.ts';
import {type ApprovalAnswer, type Listing, readListing} from '../../worker/requests/listing.ts';
import type {Policy} from '../../worker/requests/policy.ts';
import type {PairingRequest} from '../../worker/requests/request.ts';
import type {Approval, OpenClawClient} from '../../worker/transport/client.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** The policy that the configuration has where it says nothing. */
export const defaultPolicy: Policy = {
	clients: [{id: 'openclaw-control-ui'}, {mode: 'webchat'}, {mode: 'cli'}],
	scopes: ['operator.pairing', 'operator.read', 'operator.write'],
	roles: ['operator'],
	firstPairing: 'allow',
	onRefused: 'hold',
	refusalHold: MINUTE,
};

/** The CLI of a device, asking to read. */
export function requestOf(change: Partial<PairingRequest> = {}): PairingRequest {
	return {
		kind: 'request',
		requestId: 'r1',
		deviceId: 'device-1',
		publicKey: 'key-1',
		clientId: 'cli',
		clientMode: 'cli',
		role: 'operator',
		roles: ['operator'],
		scopes: ['operator.read'],
		ts: null,
		...change,
	};
}

/** A pending entry as a gateway lists it; `undefined` leaves a field out. */
export function entryOf(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
	const {kind: _, ts: __, ...fields} = requestOf();
	return Object.fromEntries(Object.entries({...fields, ...change}).filter(([, value]) => value !== undefined));
}

/** What a decision says of {@link requestOf}. */
export function subjectOf(requestId: string): Omit<Subject, 'action'> {
	return {
		by: 'policy',
		requestId,
		deviceId: 'device-1',
		clientId: 'cli',
		clientMode: 'cli',
		role: 'operator',
		scopes: ['operator.read'],
		transport: 'cli',
	};
}

export function listingOf(pending: readonly unknown[], paired: readonly unknown[] = []): Listing {
	const listing = readListing({pending, paired});
	if (!listing) throw new Error('no listing');
	return listing;
}

/** So many events of simulated time happen before the event loop goes on. */
const STEPS_AT_ONCE = 50;

/**
 * Time that passes only while somebody sleeps, at once. What is to happen at a certain time happens then, and whoever it wakes has its say before the
 * time goes on. Any number may sleep.
 */
export class SimulatedClock implements Clock {
	#now: number;
	/** How far the wall clock has been moved. */
	#wallShift = 0;
	readonly #timers: Timer[] = [];
	#sleepers = 0;
	#isPassing = false;
	#steps = 0;
	#count = 0;

	constructor(now = 1_000_000) {
		this.#now = now;
	}

	now(): number {
		return this.#now;
	}

	wall(): number {
		return 1_800_000_000_000 + this.#now + this.#wallShift;
	}

	/** Somebody sets the wall clock; the monotonic one does not notice. */
	moveWall(ms: number): void {
		this.#wallShift += ms;
	}

	/** The machine, or this process, was held up: timers that are due since fire late. */
	holdUp(ms: number): void {
		this.#now += ms;
	}

	/** `act` happens when `ms` more have passed. */
	after(ms: number, act: () => void): Cancel {
		const timer = {at: this.#now + Math.max(ms, 0), order: this.#count++, act};
		// Sorted, the next one last.
		let index = this.#timers.length;
		while (index > 0 && isBefore(this.#timers[index - 1] as Timer, timer)) index--;
		this.#timers.splice(index, 0, timer);
		return () => {
			const place = this.#timers.indexOf(timer);
			if (place !== -1) this.#timers.splice(place, 1);
		};
	}

	sleep(ms: number, signal?: AbortSignal): Promise<void> {
		return sleepBy(each => this.doze(each), ms, signal);
	}

	doze(ms: number): Doze {
		this.#sleepers++;
		this.#letPass();
		const {promise, resolve} = Promise.withResolvers<void>();
		const cancel = this.after(ms, resolve);
		const wake = () => {
			cancel();
			resolve();
		};
		return {over: promise.then(() => void this.#sleepers--), wake};
	}

	/** One event after the other, as long as somebody sleeps. */
	#letPass(): void {
		if (this.#isPassing) return;
		this.#isPassing = true;
		const step = () => {
			this.#isPassing = false;
			if (this.#sleepers === 0) return;
			const next = this.#timers.pop();
			if (!next) return;
			this.#now = Math.max(next.at, this.#now);
			next.act();
			this.#letPass();
		};
		// A tick that a promise's reaction asks for comes when all promises have reacted; what is real, such as files, has its turn now and then.
		if (++this.#steps % STEPS_AT_ONCE === 0) setImmediate(step);
		else void Promise.resolve().then(() => process.nextTick(step));
	}
}

interface Timer {
	readonly at: number;
	readonly order: number;
	readonly act: () => void;
}

function isBefore(a: Timer, b: Timer): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A gateway that keeps its pending requests in memory, and does what a test tells it to. */
export class MemoryGateway implements OpenClawClient {
	isStale = false;
	connection: number | null = null;
	pending: Record<string, unknown>[] = [];
	paired: Record<string, unknown>[] = [];
	/** Every call, as `list`, `approve r1`, `reject r1`. */
	readonly calls: string[] = [];
	/** What a call does before it is answered; throws to make it fail. */
	before: (call: string) => void | Promise<void> = () => {};
	/** What an approval answers. */
	answer: (entry: Record<string, unknown>) => ApprovalAnswer = () => ({deviceId: null, scopes: null});

	async list(signal: AbortSignal): Promise<Listing> {
		await this.#call('list', signal);
		return this.listing;
	}

	async approve({requestId}: Approval, signal: AbortSignal): Promise<ApprovalAnswer> {
		await this.#call(`approve ${requestId}`, signal);
		return this.grant(requestId);
	}

	async reject(requestId: string, signal: AbortSignal): Promise<void> {
		await this.#call(`reject ${requestId}`, signal);
		this.drop(requestId);
	}

	/** What it lists now. */
	get listing(): Listing {
		return listingOf(this.pending, this.paired);
	}

	/** What a rejection does to the gateway, whoever makes it. */
	drop(requestId: string): void {
		this.#remove(requestId);
	}

	/** What an approval does to the gateway, whoever makes it. */
	grant(requestId: string): ApprovalAnswer {
		const entry = this.#remove(requestId);
		const {deviceId, publicKey, scopes = []} = entry;
		const device = this.paired.find(known => known.deviceId === deviceId);
		const had = Array.isArray(device?.scopes) ? device.scopes : [];
		this.paired = [
			...this.paired.filter(known => known !== device),
			{deviceId, publicKey, scopes: [...new Set([...had, ...(Array.isArray(scopes) ? scopes : [])])]},
		];
		return this.answer(entry);
	}

	callsOf(kind: 'list' | 'approve' | 'reject'): number {
		return this.calls.filter(call => call.split(' ')[0] === kind).length;
	}

	async #call(call: string, signal: AbortSignal): Promise<void> {
		signal.throwIfAborted();
		this.calls.push(call);
		await this.before(call);
		signal.throwIfAborted();
	}

	#remove(requestId: string): Record<string, unknown> {
		const entry = this.pending.find(known => known.requestId === requestId);
		if (!entry) throw new ClientError('refused', 'unknown requestId');
		this.pending = this.pending.filter(known => known !== entry);
		return entry;
	}
}
