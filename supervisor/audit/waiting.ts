import {
	andThen,
	type Entry,
	type Recorded,
	same,
	type WriterEffect,
	type WriterState,
	type WriterTransition,
} from './writing.ts';

/** So many lines wait for a file that cannot be written; further ones are lost, refusals first. */
const MAX_WAITING = 10_000;

const recorded: Recorded = {kind: 'recorded'};

/** What a sandbox asked for in vain goes before what was done. */
export function enqueue(state: WriterState, entry: Entry): WriterTransition {
	if (state.phase.kind === 'ended')
		return andThen(
			giveUp({...state, queue: [entry]}, () => true),
			later => same({...later, queue: [], lost: later.lost + 1}),
		);
	if (state.queue.length < MAX_WAITING) return same({...state, queue: [...state.queue, entry]});
	const refusal = state.queue.findIndex(({line}) => line.action === 'refuse');
	const dropped = state.queue[Math.max(refusal, 0)];
	const given = giveUp(state, id => id === dropped?.id);
	return andThen(given, later =>
		same({...later, queue: [...later.queue.filter(each => each.id !== dropped?.id), entry], lost: later.lost + 1}),
	);
}

/** Tells those who wait for these lines that they are on disk. */
export function settle(entries: readonly Entry[]): readonly WriterEffect[] {
	return entries.filter(({isAwaited}) => isAwaited).map(settleOf(recorded));
}

/**
 * Those who wait for these lines wait no longer. An intent that is not carried out for that is none; one that is carried out stands in the file as soon
 * as that can be written.
 */
export function giveUp(state: WriterState, isMeant: (id: number) => boolean): WriterTransition {
	const isGivenUp = (entry: Entry) => entry.isAwaited && isMeant(entry.id);
	const forsaken = (entries: readonly Entry[]) =>
		entries.map(entry => (isGivenUp(entry) ? {...entry, isAwaited: false} : entry));
	const {phase, queue, config, problem} = state;
	const inFlight = phase.kind === 'writing' ? phase.batch : [];
	const isStopped = config.auditFailure === 'stop';
	const error = `it cannot be recorded (auditFailure: stop): ${problem ?? 'the audit file cannot be written'}`;
	const outcomeOf = (mayStand: boolean): Recorded => (isStopped ? {kind: 'unrecorded', error, mayStand} : recorded);
	return {
		state: {
			...state,
			queue: isStopped ? queue.filter(entry => !isGivenUp(entry)) : forsaken(queue),
			phase: phase.kind === 'writing' ? {...phase, batch: forsaken(inFlight)} : phase,
		},
		effects: [
			...inFlight.filter(isGivenUp).map(settleOf(outcomeOf(true))),
			...queue.filter(isGivenUp).map(settleOf(outcomeOf(false))),
		],
	};
}

function settleOf(outcome: Recorded): (entry: Entry) => WriterEffect {
	return ({id}) => ({kind: 'settle', id, recorded: outcome});
}
