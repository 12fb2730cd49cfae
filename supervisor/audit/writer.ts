import {type Cancel, type Clock, within} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import type {Log} from '../log/log.ts';
import {AuditFile} from './file.ts';
import {type AuditLine, textOf} from './line.ts';
import {transition} from './machine.ts';
import {
	type Entry,
	type FileNumber,
	initialWriting,
	type Recorded,
	type WriterConfig,
	type WriterEffect,
	type WriterEvent,
	type WriterState,
	warningsOf,
} from './writing.ts';

/** How long an approval waits at most for its intent to be on disk, in milliseconds; then `auditFailure` decides. A start, a reload and the end wait as long. */
const PATIENCE = 2000;

/** Attempts to open one file that have not come back yet; each keeps one of the four threads that Node has for files (libuv, UV_THREADPOOL_SIZE). */
const MAX_OPENING = 2;

export interface AuditWriterDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** How the file is opened, where it is not by {@link AuditFile.open}. */
	readonly open?: (path: string) => Promise<OpenFile>;
}
type OpenFile = Pick<AuditFile, 'append' | 'sync' | 'tail' | 'exists' | 'close'>;

/** Somebody who waits to hear what becomes of an intent. */
interface Waiter {
	readonly resolve: (recorded: Recorded) => void;
	readonly cancel: Cancel;
}

/**
 * Writes lines in the order in which they come, many at once where they come fast. Nothing waits for it but intents, and those not for ever. What happens
 * to it is decided by `transition`; here it is done.
 */
export class AuditWriter {
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #open: NonNullable<AuditWriterDeps['open']>;
	readonly #files = new Map<FileNumber, OpenFile>();
	/** How many attempts to open a file are under way, by its path. */
	readonly #opening = new Map<string, number>();
	readonly #waiters = new Map<number, Waiter>();
	/** Look at the state after each change of it. */
	readonly #observers = new Set<() => void>();
	readonly #events: WriterEvent[] = [];
	#isTransiting = false;
	#state: WriterState;
	#count = 0;
	#cancelRetry: Cancel = () => {};

	constructor(path: string, config: WriterConfig, {clock, log, open = AuditFile.open}: AuditWriterDeps) {
		this.#state = initialWriting(path, config);
		this.#clock = clock;
		this.#log = log;
		this.#open = open;
	}

	/** What is wrong with the file. */
	get warnings(): readonly string[] {
		return warningsOf(this.#state);
	}

	/**
	 * Opens the file, and gives back the lines at its end. Never rejects: a file that cannot be opened, or not in time, is a warning, and is tried again
	 * with the first line.
	 */
	async start(): Promise<readonly AuditLine[]> {
		try {
			return await this.#inTime(this.#begin(), () => {
				throw new Error(`${this.#state.path} could not be opened within ${PATIENCE / 1000} s`);
			});
		} catch (error) {
			this.#on({kind: 'open-late', error: messageOf(error)});
			return [];
		}
	}

	/** Adds a line, when that can be. */
	add(line: AuditLine): void {
		this.#on({kind: 'add', entry: {id: this.#count++, line, isAwaited: false}});
	}

	/** Adds the line of an intent, and resolves when it is known whether that may be carried out. Never rejects. */
	record(line: AuditLine): Promise<Recorded> {
		const {promise, resolve} = Promise.withResolvers<Recorded>();
		const {path, config} = this.#state;
		const patience = Math.min(PATIENCE, config.runTimeout / 2);
		const entry: Entry = {id: this.#count++, line, isAwaited: true};
		const error = `${path} did not take a line within ${patience / 1000} s`;
		const cancel = this.#clock.after(patience, () => this.#on({kind: 'out-of-patience', id: entry.id, error}));
		this.#waiters.set(entry.id, {resolve, cancel});
		this.#on({kind: 'add', entry});
		return promise;
	}

	/**
	 * Opens the file anew, as after `logrotate`, perhaps another one. Rejects, and changes nothing, where that cannot be. A disk that hangs is left with what
	 * it was given.
	 */
	async reopen(path: string, config: WriterConfig): Promise<void> {
		const file = this.#count++;
		const opened = this.#openAs(file, path);
		await this.#inTime(opened, () => {
			// It may come yet, and nobody wants it then.
			void opened.then(
				() => this.#perform({kind: 'close-file', file}),
				() => {},
			);
			throw new Error(`${path} could not be opened within ${PATIENCE / 1000} s`);
		});
		this.#on({kind: 'replace', place: {path, config, file}});
		await this.#inTime(
			this.#until(({phase}) => phase.kind !== 'writing' || phase.successor === null),
			() => this.#on({kind: 'replace-late'}),
		);
	}

	/** As {@link reopen} the same file; where that cannot be, it is a warning, and the old one stays. */
	async tryReopen(config: WriterConfig = this.#state.config): Promise<void> {
		this.#on({kind: 'configure', config});
		await this.reopen(this.#state.path, config).catch((error: unknown) =>
			this.#on({kind: 'not-reopened', error: messageOf(error)}),
		);
	}

	/** Resolves when all that was said is written, or cannot be. */
	async close(): Promise<void> {
		this.#on({kind: 'close'});
		await this.#inTime(
			this.#until(({phase}) => phase.kind === 'ended'),
			() => this.#on({kind: 'close-late'}),
		);
	}

	async #begin(): Promise<readonly AuditLine[]> {
		this.#on({kind: 'begin'});
		await this.#until(({phase}) => phase.kind !== 'opening');
		const {phase} = this.#state;
		return (phase.kind === 'open' && (await this.#files.get(phase.file)?.tail())) || [];
	}

	#inTime<T>(promise: Promise<T>, late: () => T): Promise<T> {
		return within(promise, {ms: PATIENCE, clock: this.#clock}, late);
	}

	/** Resolves when the state is such. */
	#until(isSuch: (state: WriterState) => boolean): Promise<void> {
		return new Promise(resolve => {
			const look = () => {
				if (!isSuch(this.#state)) return;
				this.#observers.delete(look);
				resolve();
			};
			this.#observers.add(look);
			look();
		});
	}

	/** One event after the other, those too that carrying out an effect brings about. */
	#on(event: WriterEvent): void {
		this.#events.push(event);
		if (this.#isTransiting) return;
		this.#isTransiting = true;
		try {
			for (let next = this.#events.shift(); next; next = this.#events.shift()) {
				const {state, effects} = transition(this.#state, next, this.#count++);
				this.#state = state;
				for (const effect of effects) this.#perform(effect);
			}
		} finally {
			this.#isTransiting = false;
		}
		for (const look of [...this.#observers]) look();
	}

	#perform(effect: WriterEffect): void {
		switch (effect.kind) {
			case 'open':
				void this.#openAs(effect.file, effect.path).then(
					() => this.#on({kind: 'opened', file: effect.file, path: effect.path}),
					error => this.#on({kind: 'open-failed', file: effect.file, error: messageOf(error)}),
				);
				break;
			case 'write':
				void this.#write(effect.file, effect.entries).then(event => this.#on(event));
				break;
			case 'close-file':
				// Not waited for: a disk that hangs must not hold anything up.
				void this.#files
					.get(effect.file)
					?.close()
					.catch(() => {});
				this.#files.delete(effect.file);
				break;
			case 'settle':
				this.#waiters.get(effect.id)?.cancel();
				this.#waiters.get(effect.id)?.resolve(effect.recorded);
				this.#waiters.delete(effect.id);
				break;
			case 'retry':
				this.#cancelRetry();
				this.#cancelRetry = this.#clock.after(effect.after, () => this.#on({kind: 'retry'}));
				break;
			case 'cancel-retry':
				this.#cancelRetry();
				break;
			case 'log':
				this.#log(effect.level, effect.message, effect.fields);
				break;
			default:
				effect satisfies never;
		}
	}

	/** Opens a file under this number. */
	async #openAs(file: FileNumber, path: string): Promise<void> {
		const before = this.#opening.get(path) ?? 0;
		if (before >= MAX_OPENING)
			throw new Error(`${path} does not answer: it is being opened for longer than ${PATIENCE / 1000} s`);
		this.#opening.set(path, before + 1);
		try {
			this.#files.set(file, await this.#open(path));
		} finally {
			this.#opening.set(path, (this.#opening.get(path) ?? 1) - 1);
		}
	}

	/** Gives a file these lines; those that somebody waits for must be on disk. Never rejects. */
	async #write(number: FileNumber, entries: readonly Entry[]): Promise<WriterEvent> {
		const file = this.#files.get(number);
		try {
			if (!file || !(await file.exists())) return {kind: 'missing', file: number};
			await file.append(entries.map(({line}) => textOf(line)).join(''));
		} catch (error) {
			return {kind: 'write-failed', file: number, error: messageOf(error)};
		}
		const isAwaited = entries.some(entry => entry.isAwaited);
		const unsynced = isAwaited ? await file.sync().then(() => null, messageOf) : null;
		return {kind: 'written', file: number, unsynced};
	}
}
