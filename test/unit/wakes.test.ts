import {expect, it} from 'vitest';
import {Wakes} from '../../worker/watch/wakes.ts';
import {SimulatedClock} from './fixtures.ts';

it('a wait ends with a wake, or with its time, and leaves nothing behind', async () => {
	const clock = new SimulatedClock();
	const wakes = new Wakes();
	const began = clock.now();
	await wakes.within(1000, clock);
	expect(clock.now() - began).toBe(1000);

	const waiting = wakes.within(1000, clock);
	wakes.wake();
	await waiting;
	expect(clock.now() - began).toBe(1000);
	// Due, until somebody takes it.
	await wakes.within(1000, clock);
	wakes.take();
	await wakes.within(1000, clock);
	expect(clock.now() - began).toBe(2000);
});
