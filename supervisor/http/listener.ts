import type {Cancel, Clock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';
import {isLocal, type ListenAddress, shownAddress} from './address.ts';
import type {HttpAccess, HttpServer} from './server.ts';
import type {Sources} from './sources.ts';

/** How often it is tried again to listen where that failed, in milliseconds. */
const TRY_AGAIN = 5000;

export interface ListenerDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly sources: Sources;
}

/** Where to listen, and who may come; `address: null`: nowhere. */
export interface Listening extends HttpAccess {
	readonly address: ListenAddress | null;
}

const NOWHERE: Listening = {address: null, hosts: [], gid: null};

/**
 * Listens for HTTP where the configuration says so. Where that cannot be, as on a port that another program has, it is a warning, and tried again: a
 * page that cannot be shown is no reason to approve nothing.
 */
export class Listener {
	readonly #deps: ListenerDeps;
	#wanted = NOWHERE;
	#server: HttpServer | null = null;
	#problem: string | null = null;
	#cancel: Cancel = () => {};
	/** What opens and closes is done one after the other. */
	#work: Promise<void> = Promise.resolve();

	constructor(deps: ListenerDeps) {
		this.#deps = deps;
	}

	/** Why it does not listen. */
	get warnings(): readonly string[] {
		const {address} = this.#wanted;
		return address === null || this.#problem === null ? [] : [`listen: ${shownAddress(address)}: ${this.#problem}`];
	}

	/** From now on there. Resolves when that is so, or is a warning. Never rejects. */
	listenAt(wanted: Listening): Promise<void> {
		return this.#serially(async () => {
			const before = this.#wanted;
			this.#wanted = wanted;
			if (this.#server && isSamePlace(before, wanted)) {
				this.#server.hosts = wanted.hosts;
				return;
			}
			await this.#leave();
			if (wanted.address !== null) await this.#open(wanted.address);
		});
	}

	/** Something in the status has changed. */
	touch(): void {
		this.#server?.touch();
	}

	/** Ends all connections. */
	close(): Promise<void> {
		return this.listenAt(NOWHERE);
	}

	async #leave(): Promise<void> {
		this.#cancel();
		this.#problem = null;
		await this.#server?.close();
		this.#server = null;
	}

	async #open(address: ListenAddress): Promise<void> {
		const {log, clock} = this.#deps;
		const shown = shownAddress(address);
		try {
			// What serves HTTP is loaded only where it is wanted.
			const {HttpServer} = await import('./server.ts');
			this.#server = await HttpServer.open(address, this.#wanted, this.#deps);
			this.#problem = null;
			log('info', 'listening for HTTP', {
				listen: shown,
				...(isLocal(address) ? {} : {reach: 'all hosts that can reach this address'}),
			});
		} catch (error) {
			const problem = messageOf(error);
			if (problem !== this.#problem)
				log('error', 'cannot listen for HTTP; it is tried again', {listen: shown, error: problem});
			this.#problem = problem;
			this.#cancel = clock.after(TRY_AGAIN, () => void this.#serially(() => this.#openAgain(address)));
		}
	}

	async #openAgain(address: ListenAddress): Promise<void> {
		if (this.#wanted.address === address && !this.#server) await this.#open(address);
	}

	#serially(job: () => Promise<void>): Promise<void> {
		this.#work = this.#work.then(job);
		return this.#work;
	}
}

function isSamePlace(one: Listening, other: Listening): boolean {
	const [a, b] = [one, other].map(({address, gid}) => JSON.stringify([address, gid]));
	return a === b;
}
