import {type Cancel, type Clock, every} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';
import type {Status} from '../status/schema.ts';
import {type Datagrams, openDatagrams} from './datagrams.ts';
import {ALIVE, READY, reloadingMessage, STILL_STARTING, statusMessage, stoppingMessage} from './messages.ts';
import {serviceSettings} from './settings.ts';

/** How often a start is said to go on, and what could not be told is told again, in milliseconds. */
const BEAT_GAP = 10_000;

/** The status line changes at most this often, in milliseconds: each change goes to everybody who watches the service manager. */
const STATUS_GAP = 1000;

/** How many times the loop ticks at least in the time after which the watchdog bites: it must have, whenever that is fed. */
const TICKS_A_WATCHDOG = 4;

export interface ServiceManagerDeps {
	readonly clock: Clock;
	readonly log: Log;
}

/**
 * Whoever started us, where they want to be told how we are (systemd, or what speaks its protocol: sd_notify(3)). Nothing here waits, fails, or is told
 * more than once to have failed: a service manager that does not listen is no reason to approve less.
 */
export class ServiceManager {
	/** How often {@link ticked} must be called at least, in milliseconds. */
	readonly tickGap: number;
	readonly #datagrams: Datagrams | null;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #endTimers: Cancel;
	#phase: 'starting' | 'running' | 'stopping' = 'starting';
	/** The loop has turned since the watchdog was fed. */
	#hasTicked = false;
	/** The last word about our state, where it did not get through. */
	#untold: string | null = null;
	#status = '';
	#statusAt = Number.NEGATIVE_INFINITY;
	#isWarned = false;

	/** `datagrams`: how it is told, or `null` where there is nobody to tell. `watchdog`: when it takes us to hang, in milliseconds. */
	constructor(datagrams: Datagrams | null, watchdog: number | null, {clock, log}: ServiceManagerDeps) {
		this.#datagrams = datagrams;
		this.tickGap = watchdog === null ? Number.POSITIVE_INFINITY : watchdog / TICKS_A_WATCHDOG;
		this.#clock = clock;
		this.#log = log;
		const timers = datagrams === null ? [] : [every(clock, BEAT_GAP, () => this.#beat())];
		// As sd_watchdog_enabled(3) recommends.
		if (watchdog !== null) timers.push(every(clock, watchdog / 2, () => this.#feed()));
		this.#endTimers = () => {
			for (const end of timers) end();
		};
	}

	/** The one that `environment` names. Never rejects. */
	static async find(environment: Readonly<NodeJS.ProcessEnv>, deps: ServiceManagerDeps): Promise<ServiceManager> {
		const {address, watchdog, problems} = serviceSettings(environment, process.pid);
		for (const problem of problems) deps.log('warn', problem);
		if (address === null) return new ServiceManager(null, null, deps);
		try {
			return new ServiceManager(await openDatagrams(address), watchdog, deps);
		} catch (error) {
			deps.log('warn', 'the service manager cannot be told anything: start pairkeeper with Type=exec there', {
				error: messageOf(error),
			});
			return new ServiceManager(null, null, deps);
		}
	}

	/** The supervisor runs. */
	ready(): void {
		if (this.#phase !== 'starting') return;
		this.#phase = 'running';
		this.#tellState(READY);
	}

	/** Does `reload`, and tells that it begins and that it is over, whatever came of it. */
	async duringReload<T>(reload: () => Promise<T>): Promise<T> {
		// One that is asked for during the start is part of it.
		if (this.#phase === 'running') this.#tellState(reloadingMessage(this.#clock.now()));
		try {
			return await reload();
		} finally {
			if (this.#phase === 'running') this.#tellState(READY);
		}
	}

	/** The end begins, with so many milliseconds for the sandboxes. */
	stopping(stopTimeout: number): void {
		if (this.#phase === 'stopping') return;
		this.#phase = 'stopping';
		this.#tellState(stoppingMessage(stopTimeout));
	}

	/** The supervisor's loop has turned once more. */
	ticked(): void {
		this.#hasTicked = true;
	}

	/** What is to be seen of us. */
	show(status: Status): void {
		if (this.#datagrams === null || this.#clock.now() - this.#statusAt < STATUS_GAP) return;
		const message = statusMessage(status);
		if (message === this.#status) return;
		this.#statusAt = this.#clock.now();
		if (this.#tell(message)) this.#status = message;
	}

	/** Nothing is told any more. */
	close(): void {
		this.#endTimers();
		this.#datagrams?.close();
	}

	#beat(): void {
		if (this.#untold !== null) this.#tellState(this.#untold);
		if (this.#phase === 'starting') this.#tell(STILL_STARTING);
	}

	#feed(): void {
		// Nothing ticks during the end, which is bounded by what was said of it.
		if (this.#hasTicked || this.#phase === 'stopping') this.#tell(ALIVE);
		this.#hasTicked = false;
	}

	/** What must not get lost is told again by the next beat, unless something newer is. */
	#tellState(message: string): void {
		this.#untold = this.#tell(message) ? null : message;
	}

	/** Whether it got through. */
	#tell(message: string): boolean {
		const sent = this.#datagrams?.send(message) ?? {kind: 'sent'};
		if (sent.kind === 'failed' && !this.#isWarned) {
			this.#isWarned = true;
			this.#log('warn', 'the service manager cannot be told how we are; it is tried on and not said again', {
				error: sent.error,
			});
		}
		return sent.kind === 'sent';
	}
}
