import type {LogLevel} from '../log/log.ts';
import type {AuditLine} from './line.ts';

/** What is done where a decision cannot be recorded: `stop` approves nothing then. */
export type AuditFailure = 'continue' | 'stop';

/** How a file is written. */
export interface WriterConfig {
	readonly auditFailure: AuditFailure;
	/** Whoever asks for an intent waits no longer, in milliseconds. */
	readonly runTimeout: number;
}

/** What became of an intent. */
export type Recorded =
	/** It may be carried out. */
	| {readonly kind: 'recorded'}
	/** It must not be. `mayStand`: its line may stand in the file all the same, and needs an outcome then. */
	| {readonly kind: 'unrecorded'; readonly error: string; readonly mayStand: boolean};

/** A line on its way into a file. */
export interface Entry {
	readonly id: number;
	readonly line: AuditLine;
	/** Somebody waits to hear what becomes of it: it is an intent, and nothing was said of it yet. */
	readonly isAwaited: boolean;
}

/** A file that was opened, or is being opened: a number of whoever does that. */
export type FileNumber = number;

/** Where lines go from now on. */
export interface Place {
	readonly path: string;
	readonly config: WriterConfig;
	readonly file: FileNumber;
}

/** Where the writer stands with its file; there is one at most that lines go to, and one write at most under way to it. */
export type Phase =
	/** No file is open. */
	| {readonly kind: 'closed'}
	| {readonly kind: 'opening'; readonly file: FileNumber}
	/** No write is under way. */
	| {readonly kind: 'open'; readonly file: FileNumber}
	/** `successor`: another one is open, and takes the place of this one when the write has ended, or takes too long. */
	| {
			readonly kind: 'writing';
			readonly file: FileNumber;
			readonly batch: readonly Entry[];
			readonly successor: Place | null;
	  }
	/** Nothing is written any more. */
	| {readonly kind: 'ended'};

/** Lines that a file was given which was left since it did not answer: whether they stand in it is not known until it does. */
export interface Unanswered {
	readonly file: FileNumber;
	readonly path: string;
	readonly entries: readonly Entry[];
}

/** All there is to know of an audit file that is being written. */
export interface WriterState {
	readonly path: string;
	readonly config: WriterConfig;
	readonly phase: Phase;
	/** The lines that no write was given yet, in the order in which they came. */
	readonly queue: readonly Entry[];
	readonly unanswered: readonly Unanswered[];
	/** Why it cannot be written; `null`: nothing is wrong. */
	readonly problem: string | null;
	/** Why it could not be opened anew, as after `logrotate`. */
	readonly reopenProblem: string | null;
	/** So many lines were never written, and never will be. */
	readonly lost: number;
	/** It ends when all is written, or the first thing goes wrong. */
	readonly isClosing: boolean;
}

/** What can happen. An event that is about a file which is not in place any more is about what that one was given. */
export type WriterEvent =
	/** It is to be opened, though there is no line yet. */
	| {readonly kind: 'begin'}
	| {readonly kind: 'add'; readonly entry: Entry}
	| {readonly kind: 'opened'; readonly file: FileNumber; readonly path: string}
	| {readonly kind: 'open-failed'; readonly file: FileNumber; readonly error: string}
	/** It takes too long to be opened, or to be read. */
	| {readonly kind: 'open-late'; readonly error: string}
	/** `unsynced`: why those lines may not survive a crash of the host. */
	| {readonly kind: 'written'; readonly file: FileNumber; readonly unsynced: string | null}
	/** Somebody has removed it; nothing was written. */
	| {readonly kind: 'missing'; readonly file: FileNumber}
	| {readonly kind: 'write-failed'; readonly file: FileNumber; readonly error: string}
	/** Whoever waits for that line waits no longer. `error`: what to say of the file. */
	| {readonly kind: 'out-of-patience'; readonly id: number; readonly error: string}
	/** What failed is tried again. */
	| {readonly kind: 'retry'}
	/** Another file is open, which is to take the place of this one. */
	| {readonly kind: 'replace'; readonly place: Place}
	/** That is waited for no longer. */
	| {readonly kind: 'replace-late'}
	| {readonly kind: 'configure'; readonly config: WriterConfig}
	/** It could not be opened anew; the old one stays. */
	| {readonly kind: 'not-reopened'; readonly error: string}
	| {readonly kind: 'close'}
	/** The end is waited for no longer. */
	| {readonly kind: 'close-late'};

/** What is to be done about it, in this order. */
export type WriterEffect =
	| {readonly kind: 'open'; readonly file: FileNumber; readonly path: string}
	| {readonly kind: 'write'; readonly file: FileNumber; readonly entries: readonly Entry[]}
	| {readonly kind: 'close-file'; readonly file: FileNumber}
	/** Somebody waits for what is said of this line, once. */
	| {readonly kind: 'settle'; readonly id: number; readonly recorded: Recorded}
	/** `after` milliseconds; takes the place of an earlier one. */
	| {readonly kind: 'retry'; readonly after: number}
	| {readonly kind: 'cancel-retry'}
	| {
			readonly kind: 'log';
			readonly level: LogLevel;
			readonly message: string;
			readonly fields: Readonly<Record<string, unknown>>;
	  };

export interface WriterTransition {
	readonly state: WriterState;
	readonly effects: readonly WriterEffect[];
}

/** A file of which nothing is known yet. */
export function initialWriting(path: string, config: WriterConfig): WriterState {
	return {
		path,
		config,
		phase: {kind: 'closed'},
		queue: [],
		unanswered: [],
		problem: null,
		reopenProblem: null,
		lost: 0,
		isClosing: false,
	};
}

/** What is wrong with the file, in words for the status. Pure. */
export function warningsOf({config, problem, reopenProblem, queue, lost, unanswered}: WriterState): readonly string[] {
	const waiting = queue.length > 0 ? `; ${queue.length} lines wait for it` : '';
	const consequence =
		config.auditFailure === 'stop' ? 'nothing is approved until it can be written' : 'approving goes on all the same';
	return [
		...(problem === null ? [] : [`auditFile: ${consequence}: ${problem}${waiting}`]),
		...(reopenProblem === null ? [] : [`auditFile: it cannot be opened anew: ${reopenProblem}`]),
		...unanswered.map(
			({path, entries}) =>
				`auditFile: ${entries.length} lines were given to ${path}, which has not answered since; they may be missing there`,
		),
		...(lost > 0 ? [`auditFile: ${lost} lines are lost, since it could not be written`] : []),
	];
}

/** Nothing is to be done. */
export function same(state: WriterState): WriterTransition {
	return {state, effects: []};
}

/** One transition after the other. */
export function andThen(
	{state, effects}: WriterTransition,
	step: (state: WriterState) => WriterTransition,
): WriterTransition {
	return withEffects(effects, step(state));
}

/** These effects first. */
export function withEffects(effects: readonly WriterEffect[], later: WriterTransition): WriterTransition {
	return {state: later.state, effects: [...effects, ...later.effects]};
}
