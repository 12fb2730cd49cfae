import {type ChildProcess, fork} from 'node:child_process';
import {resolve} from 'node:path';
import pTimeout from 'p-timeout';

export interface GatewayAddress {
	readonly port: number;
	readonly url: string;
	readonly token: string;
}

/** Which gateways: those of these numbers, from 0 on, or all. */
type Which = readonly number[] | 'all';

/** What the farm's process can be asked. */
export type FarmQuestion =
	| {readonly kind: 'start'; readonly count: number}
	| {readonly kind: 'forget' | 'listed'; readonly which: Which}
	| {readonly kind: 'accepted' | 'shut' | 'open'}
	| {readonly kind: 'ask'; readonly which: Which; readonly isAllowed: boolean};

export interface FarmRequest {
	readonly id: number;
	readonly question: FarmQuestion;
}

export interface FarmAnswer {
	readonly id: number;
	readonly value?: unknown;
	/** Why there is no value. */
	readonly error?: string;
}

/** Scripted gateways in one process of their own. Times are monotonic milliseconds. */
export class GatewayFarm implements Disposable {
	readonly #process: ChildProcess;
	readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
	#addresses: readonly GatewayAddress[] = [];
	#last = 0;

	private constructor() {
		this.#process = fork(resolve(import.meta.dirname, 'gateway-farm-process.ts'));
		this.#process.on('message', ({id, value, error}: FarmAnswer) => {
			const waiting = this.#waiting.get(id);
			this.#waiting.delete(id);
			if (error === undefined) waiting?.resolve(value);
			else waiting?.reject(new Error(error));
		});
		this.#process.once('exit', () => {
			for (const {reject} of this.#waiting.values()) reject(new Error('the process of the gateways has ended'));
		});
	}

	static async start(count: number): Promise<GatewayFarm> {
		const farm = new GatewayFarm();
		farm.#addresses = (await farm.#ask({kind: 'start', count})) as readonly GatewayAddress[];
		return farm;
	}

	get addresses(): readonly GatewayAddress[] {
		return this.#addresses;
	}

	/** From now on a list counts as the first one. */
	async forget(which: Which = 'all'): Promise<void> {
		await this.#ask({kind: 'forget', which});
	}

	/** When the last of these gateways has been listed since it was told to forget. It is told when it has been: to be asked again and again would cost a start more than it is worth. */
	async allListed(which: Which = 'all', timeoutMs = 180_000): Promise<number> {
		const message = `Waited ${timeoutMs / 1000} s in vain for all gateways to be listed`;
		return (await pTimeout(this.#ask({kind: 'listed', which}), {milliseconds: timeoutMs, message})) as number;
	}

	/** How many connections have come in to each since it was told to forget. */
	async accepted(): Promise<readonly number[]> {
		return (await this.#ask({kind: 'accepted'})) as readonly number[];
	}

	/** Milliseconds from a request at each of these gateways, at one moment, to its approval. A refused one is not waited for. */
	async ask(which: Which, {isAllowed = true}: {readonly isAllowed?: boolean} = {}): Promise<readonly number[]> {
		return (await this.#ask({kind: 'ask', which, isAllowed})) as readonly number[];
	}

	/** All gateways end their connections, and take none. */
	async shut(): Promise<void> {
		await this.#ask({kind: 'shut'});
	}

	/** All gateways are back, since the time that is returned, and have forgotten. */
	async open(): Promise<number> {
		return (await this.#ask({kind: 'open'})) as number;
	}

	[Symbol.dispose](): void {
		this.#process.kill();
	}

	#ask(question: FarmQuestion): Promise<unknown> {
		const id = ++this.#last;
		const waiting = Promise.withResolvers<unknown>();
		this.#waiting.set(id, waiting);
		this.#process.send({id, question} satisfies FarmRequest);
		return waiting.promise;
	}
}
