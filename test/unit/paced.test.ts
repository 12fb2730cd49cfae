import {expect, it} from 'vitest';
import {paced} from '../../supervisor/control/paced.ts';
import type {ControlRequest} from '../../supervisor/control/protocol.ts';
import {MINUTE, SimulatedClock} from './fixtures.ts';

/** A group's way to ask, and what the supervisor is asked by it. */
function asking() {
	const clock = new SimulatedClock();
	const asked: ControlRequest['op'][] = [];
	const ending = new AbortController();
	const answer = paced(
		async ({op}) => {
			asked.push(op);
			return {result: 'done', detail: ''};
		},
		clock,
		ending.signal,
	);
	return {clock, asked, answer, ending};
}

it('the members of a group cannot keep the supervisor reloading, and each who asks is answered', async () => {
	const {clock, asked, answer} = asking();
	const answers: Promise<string>[] = [];
	const ask = () => answers.push(answer({op: 'reload'}).then(({result}) => result));
	for (let ms = 0; ms < MINUTE; ms += 200) clock.after(ms, ask);
	await clock.sleep(2 * MINUTE);
	expect(asked.length).toBeGreaterThanOrEqual(3);
	expect(asked.length).toBeLessThan(20);
	expect(new Set(await Promise.all(answers))).toEqual(new Set(['done']));
});

it('what a group asks without end is answered as far as there is time, and reloads do not wait for the end of the shift', async () => {
	const {asked, answer, ending} = asking();
	const results = await Promise.all(Array.from({length: 500}, () => answer({op: 'pending'})));
	expect(results.filter(({result}) => result === 'done')).toHaveLength(60);
	expect(asked).toHaveLength(60);
	const other = asking();
	const reloads = async () => {
		for (let count = 0; count < 4; count++) await other.answer({op: 'reload'});
	};
	const done = reloads();
	other.ending.abort();
	ending.abort();
	await done;
	expect(other.asked).toHaveLength(4);
});
