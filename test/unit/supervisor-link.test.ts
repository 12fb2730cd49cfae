import {expect, it} from 'vitest';
import type {ToSupervisor} from '../../worker/protocol.ts';
import {SupervisorLink} from '../../worker/supervisor-link.ts';
import {SECOND, SimulatedClock} from './fixtures.ts';

const {signal} = new AbortController();
const MINUTE_OR_SO = 61 * SECOND;

function linked() {
	const clock = new SimulatedClock();
	const sent: ToSupervisor[] = [];
	const link = new SupervisorLink(message => sent.push(message), clock);
	return {clock, sent, link};
}

it('a turn is asked for, held when it is granted, and given back with what became of the call', async () => {
	const {sent, link} = linked();
	const wanted = link.take('list', signal);
	expect(sent).toEqual([{kind: 'turn', turn: 1, call: 'list'}]);
	link.granted(1);
	const turn = await wanted;
	turn.over('timeout');
	expect(sent.slice(1)).toEqual([{kind: 'turn-over', turn: 1, outcome: 'timeout'}]);
});

it('a turn that is wanted no more is given back once, also where it was granted meanwhile', async () => {
	const {sent, link} = linked();
	const stopping = new AbortController();
	const wanted = link.take('list', stopping.signal);
	stopping.abort(new Error('the gateway is up'));
	link.granted(1);
	await expect(wanted).rejects.toThrow('the gateway is up');
	expect(sent.slice(1)).toEqual([{kind: 'turn-over', turn: 1, outcome: 'cancelled'}]);
});

it('a signal that aborts after the grant gives back nothing: the call does', async () => {
	const {sent, link} = linked();
	const stopping = new AbortController();
	const wanted = link.take('list', stopping.signal);
	link.granted(1);
	stopping.abort();
	(await wanted).over('failed');
	expect(sent.slice(1)).toEqual([{kind: 'turn-over', turn: 1, outcome: 'failed'}]);
});

it('the wait is that of the poll which waits now, or of the last list: an approval comes before those, and programs for a token do not count', async () => {
	const {clock, link} = linked();
	expect(link.turnWait).toBe(0);
	const wanted = link.take('list', signal);
	await clock.sleep(5 * SECOND);
	expect(link.turnWait).toBe(5 * SECOND);
	link.granted(1);
	await wanted;
	await clock.sleep(MINUTE_OR_SO);
	expect(link.turnWait).toBe(5 * SECOND);
	const approval = link.take('approve', signal);
	await clock.sleep(7 * SECOND);
	expect(link.turnWait).toBe(7 * SECOND);
	link.granted(2);
	await approval;
	expect(link.turnWait).toBe(5 * SECOND);
	void link.take('token', signal);
	await clock.sleep(MINUTE_OR_SO);
	expect(link.turnWait).toBe(5 * SECOND);
});

it('a wait that was given up is forgotten, and with it all that came before', async () => {
	const {clock, link} = linked();
	const first = link.take('list', signal);
	await clock.sleep(5 * SECOND);
	link.granted(1);
	await first;
	const stopping = new AbortController();
	const second = link.take('list', stopping.signal).catch(() => {});
	await clock.sleep(50 * SECOND);
	stopping.abort(new Error('the gateway is up'));
	await second;
	expect(link.turnWait).toBe(0);
});
