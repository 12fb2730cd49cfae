import type {Cancel, Clock} from '../../worker/clock.ts';
import type {View} from './view.ts';

/** Events come at most this often where something changes, and at least this often, in milliseconds. */
const MIN_GAP = 1000;
const MAX_GAP = 5000;

/** A reader who has not taken an event for so long is dropped, in milliseconds. Meanwhile it is sent nothing, so that it holds one event's memory at most. */
const PATIENCE = 10_000;

/** How an EventSource that lost its connection comes again, in milliseconds. */
const RETRY = 3000;

/** Who is told: what a stream uses of an answer. */
export interface EventReader {
	/** What was written and not taken yet, in bytes. */
	readonly writableLength: number;
	write(chunk: string | Buffer): boolean;
	once(event: 'close', act: () => void): unknown;
	end(): unknown;
	destroy(): unknown;
}

interface Stream {
	/** Since when the last event waits to be taken; monotonic milliseconds. */
	behindSince: number | null;
	/** It has missed an event, or has had none yet. */
	needsAll: boolean;
}

/** Those who watch the page live (HTML, "Server-sent events"). Each event says what has changed since the one before, the first one everything. */
export class EventStreams {
	readonly #clock: Clock;
	readonly #view: () => Promise<View>;
	readonly #streams = new Map<EventReader, Stream>();
	/** What was told of each sandbox, and of what waits for a person, as JSON. */
	#told = new Map<string, string>();
	#toldPending = '';
	#lastEvent = Number.NEGATIVE_INFINITY;
	#due: number | null = null;
	#cancel: Cancel = () => {};
	#telling: Promise<void> | null = null;

	constructor(view: () => Promise<View>, clock: Clock) {
		this.#view = view;
		this.#clock = clock;
	}

	get size(): number {
		return this.#streams.size;
	}

	/** Takes over an answer whose head is written. */
	add(response: EventReader): void {
		this.#streams.set(response, {behindSince: null, needsAll: true});
		response.once('close', () => this.#streams.delete(response));
		response.write(`retry: ${RETRY}\n\n`);
		this.touch();
	}

	/** Something has changed: told at once, or as soon as may be told again. */
	touch(): void {
		if (this.#streams.size > 0) this.#tellIn(Math.max(this.#lastEvent + MIN_GAP - this.#clock.now(), 0));
	}

	/** Ends all streams. */
	close(): void {
		this.#cancel();
		for (const response of this.#streams.keys()) response.end();
		this.#streams.clear();
	}

	#tellIn(ms: number): void {
		const at = this.#clock.now() + ms;
		if (this.#due !== null && this.#due <= at) return;
		this.#cancel();
		this.#due = at;
		this.#cancel = this.#clock.after(ms, () => {
			this.#due = null;
			// Whoever watches what cannot be shown is told so when he asks again.
			this.#telling ??= this.#tell()
				.catch(() => this.close())
				.finally(() => {
					this.#telling = null;
				});
		});
	}

	async #tell(): Promise<void> {
		const view = await this.#view();
		const now = this.#clock.now();
		this.#lastEvent = now;
		const changes = this.#takeIn(view);
		const [all, news] = [lazily(() => eventOf({...view, isAll: true, gone: []})), lazily(() => eventOf(changes))];
		for (const [response, stream] of this.#streams) {
			if (response.writableLength > 0) {
				stream.needsAll = true;
				stream.behindSince ??= now;
				if (now - stream.behindSince >= PATIENCE) response.destroy();
				continue;
			}
			response.write(stream.needsAll ? all() : news());
			stream.needsAll = false;
			stream.behindSince = null;
		}
		if (this.#streams.size > 0) this.#tellIn(MAX_GAP);
	}

	/** What of this has not been told yet. */
	#takeIn({head, rows, pending}: View) {
		const before = this.#told;
		this.#told = new Map(rows.map(row => [row.name, JSON.stringify(row)]));
		const changed = rows.filter(({name}) => before.get(name) !== this.#told.get(name));
		const gone = [...before.keys()].filter(name => !this.#told.has(name));
		const pendingText = JSON.stringify(pending);
		const news = pendingText === this.#toldPending ? {} : {pending};
		this.#toldPending = pendingText;
		return {isAll: false, head, rows: changed, gone, ...news};
	}
}

function eventOf(data: unknown): Buffer {
	return Buffer.from(`event: status\ndata: ${JSON.stringify(data)}\n\n`);
}

function lazily<T>(make: () => T): () => T {
	let made: {readonly value: T} | null = null;
	return () => {
		made ??= {value: make()};
		return made.value;
	};
}
