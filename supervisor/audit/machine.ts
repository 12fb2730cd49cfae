import {lateIntent} from './line.ts';
import {enqueue, giveUp, settle} from './waiting.ts';
import {
	andThen,
	type FileNumber,
	type Phase,
	type Place,
	same,
	type WriterEffect,
	type WriterEvent,
	type WriterState,
	type WriterTransition,
	withEffects,
} from './writing.ts';

/** A file that cannot be written is tried again this often, in milliseconds, besides with every line. */
const RETRY_GAP = 5000;

/** The most lines in one write. */
const MAX_BATCH = 500;

/** What an event makes of a file that is being written. Pure. `next`: the number of a file, if one is opened. */
export function transition(state: WriterState, event: WriterEvent, next: FileNumber): WriterTransition {
	const {phase} = state;
	switch (event.kind) {
		case 'begin':
			return phase.kind === 'closed' ? open(state, next) : same(state);
		case 'add':
			return andThen(enqueue(state, event.entry), later => goOn(later, next));
		case 'retry':
			return goOn(state, next);
		case 'opened':
			return onOpened(state, event, next);
		case 'open-failed':
			return phase.kind === 'opening' && phase.file === event.file
				? failed({...state, phase: {kind: 'closed'}}, event.error)
				: same(state);
		case 'open-late':
			return failed(phase.kind === 'opening' ? {...state, phase: {kind: 'closed'}} : state, event.error);
		case 'written':
			return onWritten(state, event.file, event.unsynced, next);
		case 'missing':
			return onMissing(state, event.file, next);
		case 'write-failed':
			return onWriteFailed(state, event.file, event.error, next);
		case 'out-of-patience':
			return andThen(noticed(state, event.error), later => giveUp(later, id => id === event.id));
		case 'replace':
			return onReplace(state, event.place, next);
		case 'replace-late':
			return phase.kind === 'writing' && phase.successor ? leave(state, phase, phase.successor, next) : same(state);
		case 'configure':
			return same({...state, config: event.config});
		case 'not-reopened':
			return same({...state, reopenProblem: event.error});
		case 'close':
			return goOn({...state, isClosing: true}, next);
		case 'close-late':
			return end(state);
	}
}

/** Begins what can be begun: nothing while something is under way. */
function goOn(state: WriterState, next: FileNumber): WriterTransition {
	const {phase, queue, isClosing} = state;
	if (phase.kind !== 'closed' && phase.kind !== 'open') return same(state);
	if (queue.length === 0) return isClosing ? end(state) : same(state);
	if (phase.kind === 'closed') return open(state, next);
	const batch = queue.slice(0, MAX_BATCH);
	const {file} = phase;
	return {
		state: {...state, queue: queue.slice(batch.length), phase: {kind: 'writing', file, batch, successor: null}},
		effects: [{kind: 'write', file, entries: batch}],
	};
}

function open(state: WriterState, file: FileNumber): WriterTransition {
	return {state: {...state, phase: {kind: 'opening', file}}, effects: [{kind: 'open', file, path: state.path}]};
}

/** One that comes late is as good as another, unless one stands in its place by then. */
function onOpened(
	state: WriterState,
	{file, path}: Extract<WriterEvent, {kind: 'opened'}>,
	next: FileNumber,
): WriterTransition {
	const {phase} = state;
	const isLate = phase.kind === 'closed' && state.path === path;
	const isWanted = isLate || (phase.kind === 'opening' && phase.file === file);
	return isWanted
		? goOn({...state, phase: {kind: 'open', file}}, next)
		: {state, effects: [{kind: 'close-file', file}]};
}

function onWritten(state: WriterState, file: FileNumber, unsynced: string | null, next: FileNumber): WriterTransition {
	const {phase} = state;
	if (phase.kind !== 'writing' || phase.file !== file) return answered(state, file, null, next);
	const settled: WriterTransition =
		unsynced === null
			? {state: {...state, problem: null}, effects: settle(phase.batch)}
			: andThen(noticed(state, unsynced), later => giveUp(later, id => phase.batch.some(entry => entry.id === id)));
	return andThen(settled, later => atRest(later, phase, next));
}

/** It is made anew; the lines are those of that one. */
function onMissing(state: WriterState, file: FileNumber, next: FileNumber): WriterTransition {
	const {phase} = state;
	if (phase.kind !== 'writing' || phase.file !== file) return answered(state, file, 'it was removed', next);
	const back = withBatchBack(state, phase);
	if (phase.successor) return atRest(back, phase, next);
	return withEffects([{kind: 'close-file', file}], open({...back, phase: {kind: 'closed'}}, next));
}

function onWriteFailed(state: WriterState, file: FileNumber, error: string, next: FileNumber): WriterTransition {
	const {phase} = state;
	if (phase.kind !== 'writing' || phase.file !== file) return answered(state, file, error, next);
	const back = withBatchBack(state, phase);
	// The other one takes them.
	if (phase.successor) return atRest(back, phase, next);
	const ids = new Set(phase.batch.filter(({isAwaited}) => isAwaited).map(({id}) => id));
	return andThen(failed({...back, phase: {kind: 'open', file}}, error), later => giveUp(later, id => ids.has(id)));
}

function withBatchBack(state: WriterState, {batch}: Extract<Phase, {kind: 'writing'}>): WriterState {
	return {...state, queue: [...batch, ...state.queue]};
}

/** The write is over, and nothing is held up by it any more. */
function atRest(
	state: WriterState,
	{file, successor}: Extract<Phase, {kind: 'writing'}>,
	next: FileNumber,
): WriterTransition {
	if (successor === null) return goOn({...state, phase: {kind: 'open', file}}, next);
	return withEffects([{kind: 'close-file', file}], settleIn(state, successor, next));
}

/** Lines go there from now on. */
function settleIn(state: WriterState, {path, config, file}: Place, next: FileNumber): WriterTransition {
	const moved = {...state, path, config, phase: {kind: 'open', file}, problem: null, reopenProblem: null} as const;
	return goOn(moved, next);
}

function onReplace(state: WriterState, place: Place, next: FileNumber): WriterTransition {
	const {phase} = state;
	switch (phase.kind) {
		case 'writing': {
			const effects: WriterEffect[] = phase.successor ? [{kind: 'close-file', file: phase.successor.file}] : [];
			return {state: {...state, phase: {...phase, successor: place}}, effects};
		}
		case 'open':
			return withEffects([{kind: 'close-file', file: phase.file}], settleIn(state, place, next));
		case 'closed':
		case 'opening':
			return settleIn(state, place, next);
		case 'ended':
			return {state, effects: [{kind: 'close-file', file: place.file}]};
	}
}

/**
 * A disk that hangs is left for another file. What it was given last may stand on it, so it is not written again; what becomes of it shows when the disk
 * answers.
 */
function leave(
	state: WriterState,
	{file, batch}: Extract<Phase, {kind: 'writing'}>,
	successor: Place,
	next: FileNumber,
): WriterTransition {
	const given = giveUp(state, id => batch.some(entry => entry.id === id));
	return andThen(given, later => {
		const entries = batch.map(entry => ({...entry, isAwaited: false}));
		const unanswered = [...later.unanswered, {file, path: later.path, entries}];
		return settleIn({...later, unanswered}, successor, next);
	});
}

/** A file that was left answers after all. `error`: why its lines are not in it; they go into the present one then. */
function answered(state: WriterState, file: FileNumber, error: string | null, next: FileNumber): WriterTransition {
	const left = state.unanswered.find(each => each.file === file);
	if (!left) return same(state);
	const unanswered = state.unanswered.filter(each => each !== left);
	const close: WriterEffect = {kind: 'close-file', file};
	if (error === null) return {state: {...state, unanswered}, effects: [close]};
	if (state.phase.kind === 'ended')
		return {state: {...state, unanswered, lost: state.lost + left.entries.length}, effects: [close]};
	const late = left.entries.map(entry =>
		entry.line.phase === 'intent' ? {...entry, line: lateIntent(entry.line, left.path)} : entry,
	);
	return withEffects([close], goOn({...state, unanswered, queue: [...late, ...state.queue]}, next));
}

/** Nothing could be written now; nobody comes back to it where all is to end. */
function failed(state: WriterState, error: string): WriterTransition {
	return andThen(noticed(state, error), later =>
		later.isClosing ? end(later) : {state: later, effects: [{kind: 'retry', after: RETRY_GAP}]},
	);
}

/** Told once, as long as it lasts. */
function noticed(state: WriterState, problem: string): WriterTransition {
	const fields = {file: state.path, error: problem};
	const log: WriterEffect = {kind: 'log', level: 'error', message: 'the audit file cannot be written', fields};
	return {state: {...state, problem}, effects: state.problem === null ? [log] : []};
}

/** What is not written by now never is, and what no file has answered for is told. */
function end(state: WriterState): WriterTransition {
	if (state.phase.kind === 'ended') return same(state);
	return andThen(
		giveUp(state, () => true),
		({phase, queue, ...later}) => {
			const inFlight = phase.kind === 'writing' ? [{file: phase.file, path: later.path, entries: phase.batch}] : [];
			const unanswered = [...later.unanswered, ...inFlight];
			const lost = later.lost + queue.length;
			const doubtful = unanswered.reduce((sum, {entries}) => sum + entries.length, 0);
			return {
				state: {...later, phase: {kind: 'ended'}, queue: [], lost, unanswered},
				effects: [
					{kind: 'cancel-retry'},
					...openFilesOf(phase).map(file => ({kind: 'close-file', file}) as const),
					...(lost > 0 ? [told('lines of the audit file are lost', lost)] : []),
					...(doubtful > 0 ? [told('lines may be missing in the audit file, which did not answer', doubtful)] : []),
				],
			};
		},
	);
}

/** Those that nothing is under way to. */
function openFilesOf(phase: Phase): readonly FileNumber[] {
	if (phase.kind === 'writing') return phase.successor ? [phase.successor.file] : [];
	return phase.kind === 'open' ? [phase.file] : [];
}

function told(message: string, lines: number): WriterEffect {
	return {kind: 'log', level: 'error', message, fields: {lines}};
}
