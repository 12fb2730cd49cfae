import {describe, expect, it} from 'vitest';
import {type EventReader, EventStreams} from '../../supervisor/http/event-streams.ts';
import {viewOf} from '../../supervisor/http/view.ts';
import {healthOf} from '../../supervisor/status/health.ts';
import {composedStatus} from './composed-status.ts';
import {SECOND, SimulatedClock} from './fixtures.ts';

/** Somebody who is told events, and takes them or not. */
class Reader implements EventReader {
	/** What was written and not taken yet, in characters. */
	writableLength = 0;
	takes = true;
	readonly events: {readonly isAll: boolean; readonly rows: readonly unknown[]}[] = [];
	isDropped = false;
	#onClose = () => {};

	write(chunk: string | Buffer): boolean {
		const text = String(chunk);
		const [, json] = /^data: (.*)$/m.exec(text) ?? [];
		if (json !== undefined) this.events.push(JSON.parse(json));
		if (!this.takes) this.writableLength += text.length;
		return this.takes;
	}

	once(_: 'close', act: () => void): void {
		this.#onClose = act;
	}

	destroy(): void {
		this.isDropped = true;
		this.#onClose();
	}

	end(): void {
		this.#onClose();
	}
}

function streaming() {
	const clock = new SimulatedClock();
	const status = composedStatus(clock.wall(), 5, false);
	const health = healthOf(status, {isAlive: true, now: clock.wall(), maxAge: SECOND});
	let views = 0;
	const streams = new EventStreams(async () => {
		views++;
		return viewOf(status, health, [], {isPrivate: false});
	}, clock);
	return {clock, streams, views: () => views};
}

describe('event streams', () => {
	it('tell everybody everything once, and then what changes, every five seconds if nothing does', async () => {
		const {clock, streams, views} = streaming();
		const readers = [new Reader(), new Reader()];
		for (const reader of readers) streams.add(reader);
		await clock.sleep(SECOND);
		for (const {events} of readers) expect(events).toEqual([expect.objectContaining({isAll: true})]);
		expect(views()).toBe(1);
		await clock.sleep(20 * SECOND);
		expect(readers[0]?.events).toHaveLength(5);
		expect(readers[0]?.events.at(-1)).toMatchObject({isAll: false, rows: []});
	});

	it('tell at most once a second, however often something changes', async () => {
		const {clock, streams} = streaming();
		const reader = new Reader();
		streams.add(reader);
		for (let index = 0; index < 100; index++) {
			streams.touch();
			await clock.sleep(SECOND / 10);
		}
		expect(reader.events.length).toBeGreaterThan(8);
		expect(reader.events.length).toBeLessThan(13);
	});

	it('hold one event at most for a reader who is slow, and tell him everything when he has caught up', async () => {
		const {clock, streams} = streaming();
		const reader = new Reader();
		reader.takes = false;
		streams.add(reader);
		reader.writableLength = 0;
		await clock.sleep(8 * SECOND);
		expect(reader.events).toHaveLength(1);
		reader.writableLength = 0;
		reader.takes = true;
		await clock.sleep(5 * SECOND);
		expect(reader.events.map(({isAll}) => isAll)).toEqual([true, true]);
		expect(reader.isDropped).toBe(false);
	});

	it('drop a reader who takes nothing, and nobody else', async () => {
		const {clock, streams} = streaming();
		const [slow, other] = [new Reader(), new Reader()];
		for (const reader of [slow, other]) streams.add(reader);
		slow.takes = false;
		await clock.sleep(30 * SECOND);
		expect([slow.isDropped, other.isDropped]).toEqual([true, false]);
		expect(streams.size).toBe(1);
	});

	it('end where there is nothing that can be shown', async () => {
		const {clock} = streaming();
		const streams = new EventStreams(() => Promise.reject(new Error('odd')), clock);
		streams.add(new Reader());
		await clock.sleep(SECOND);
		expect(streams.size).toBe(0);
	});

	it('look at nothing while nobody watches', async () => {
		const {clock, streams, views} = streaming();
		const reader = new Reader();
		streams.add(reader);
		await clock.sleep(SECOND);
		reader.destroy();
		await clock.sleep(SECOND);
		const seen = views();
		streams.touch();
		await clock.sleep(60 * SECOND);
		expect(views() - seen).toBeLessThan(2);
	});
});
