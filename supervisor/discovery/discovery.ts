import {type Clock, isoTime} from '../../worker/clock.ts';
import {messageOf, printable} from '../../worker/text.ts';
import type {Config, SandboxConfig} from '../config/config.ts';
import type {InventorySource} from '../config/sources.ts';
import {type Log, limitedLog} from '../log/log.ts';
import type {InventoryStatus} from '../status/schema.ts';
import {type Complaint, complaintText, leftOut, ofSources, type Roster, reckon} from './roster.ts';
import {Rounds} from './rounds.ts';
import {NOBODY, type Selection, select} from './selection.ts';
import type {TakeInventory} from './taking.ts';

/** So much that an inventory says and that is not believed is told of it in the status. */
const MAX_TOLD = 3;

/** So much is remembered to have been logged. */
const MAX_LOGGED = 1000;

export interface DiscoveryDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly take: TakeInventory;
	readonly environment: NodeJS.ProcessEnv;
	/** Other sandboxes are to be watched than before, or other things are to be said of them. */
	readonly onChange: () => void;
}

/** What is known of one inventory. */
interface Known {
	readonly takenAt: string | null;
	readonly found: number;
	readonly error: string | null;
	readonly complaints: readonly Complaint[];
}

const UNKNOWN: Known = {takenAt: null, found: 0, error: null, complaints: []};

/** Which sandboxes there are besides those that are written: asks the inventories again and again, and believes them as far as one may. */
export class Discovery {
	readonly #deps: DiscoveryDeps;
	readonly #log: Log;
	readonly #rounds: Rounds<InventorySource>;
	readonly #known = new Map<string, Known>();
	readonly #logged = new Set<string>();
	#config: Config;
	#roster: Roster = new Map();
	#selection: Selection = NOBODY;

	constructor(config: Config, deps: DiscoveryDeps) {
		this.#deps = deps;
		this.#config = config;
		this.#log = limitedLog(deps.log, deps.clock);
		this.#rounds = new Rounds(deps.clock, (source, signal) => this.#take(source, signal));
	}

	/** Asks all inventories now, and then each as often as it says. */
	start(): void {
		this.#rounds.use(this.#config.discover);
	}

	/** Takes over another configuration, and asks all its inventories now. What the ones that stay have given stays. */
	adopt(config: Config): void {
		this.#config = config;
		const keys = new Set(config.discover.map(({key}) => key));
		this.#roster = ofSources(this.#roster, keys);
		for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
		// Under another configuration each is made anew, and has to pass.
		this.#select({...NOBODY, selected: new Map()});
		this.#rounds.use(config.discover);
	}

	/** Asks no more; resolves when nothing is left of what was asked. */
	close(): Promise<void> {
		return this.#rounds.end();
	}

	/** The sandboxes that this instance is to watch besides the written ones. */
	get sandboxes(): readonly SandboxConfig[] {
		return [...this.#selection.selected.values()].map(({sandbox}) => sandbox);
	}

	/** How many sandboxes are known that are other instances'. */
	get elsewhere(): number {
		return this.#selection.elsewhere;
	}

	/** What is wrong with inventories, or with what they say. */
	get warnings(): readonly string[] {
		const each = this.#config.discover.flatMap(({key, label}) => {
			const {error, complaints} = this.#known.get(key) ?? UNKNOWN;
			const all = [...complaints, ...(this.#selection.complaints.get(key) ?? [])];
			return [
				...(error === null ? [] : [`${label}: ${error}; what it gave before stays in force`]),
				...leftOut(all, MAX_TOLD).map(text => `${label}: ${text}`),
			];
		});
		return [...each, ...this.#selection.warnings];
	}

	/** What each inventory has given. */
	get statuses(): readonly InventoryStatus[] {
		return this.#config.discover.map(({key, label}) => {
			const {takenAt, found, error} = this.#known.get(key) ?? UNKNOWN;
			return {inventory: label, takenAt, sandboxes: found, error};
		});
	}

	async #take(source: InventorySource, signal: AbortSignal): Promise<void> {
		const {take, clock} = this.#deps;
		const {runTimeout, passEnv, openclaw} = this.#config;
		const {key, label} = source;
		try {
			const entries = await take(source, {timeout: runTimeout, signal, passEnv, openclaw});
			// It may have left the configuration meanwhile.
			if (signal.aborted) return;
			const {roster, complaints, appeared, gone} = reckon(this.#roster, key, entries);
			this.#roster = roster;
			if (this.#knownOf(key).error !== null) this.#log('info', 'an inventory can be read again', {inventory: label});
			const found = [...roster.values()].filter(member => member.source === key).length;
			this.#known.set(key, {takenAt: isoTime(clock.wall()), found, error: null, complaints});
			for (const sandbox of appeared) this.#log('info', 'sandbox discovered', {sandbox, inventory: label});
			for (const sandbox of gone) this.#log('info', 'sandbox no longer there', {sandbox, inventory: label});
			this.#select(this.#selection);
		} catch (error) {
			if (signal.aborted) return;
			const problem = printable(messageOf(error), 400);
			// Once, until it works again: what it says may be another text each time.
			if (this.#knownOf(key).error === null)
				this.#log('warn', 'an inventory cannot be used; what it gave before stays in force', {
					inventory: label,
					error: problem,
				});
			this.#known.set(key, {...this.#knownOf(key), error: problem});
			this.#deps.onChange();
		}
	}

	#select(before: Selection): void {
		this.#selection = select(this.#roster, this.#config, before, {environment: this.#deps.environment});
		for (const {key, label} of this.#config.discover)
			for (const complaint of [...this.#knownOf(key).complaints, ...(this.#selection.complaints.get(key) ?? [])])
				this.#logOnce(label, complaint);
		this.#deps.onChange();
	}

	#logOnce(inventory: string, complaint: Complaint): void {
		const text = `${inventory} ${complaintText(complaint)}`;
		if (this.#logged.has(text) || this.#logged.size >= MAX_LOGGED) return;
		this.#logged.add(text);
		this.#log('warn', 'what an inventory says of a sandbox cannot be used', {
			inventory,
			sandbox: complaint.shown,
			problem: complaint.problem,
		});
	}

	#knownOf(key: string): Known {
		return this.#known.get(key) ?? UNKNOWN;
	}
}
