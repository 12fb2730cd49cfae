import type {Decision, HeldRequest, Snapshot, ToSupervisor, ToWorker} from '../../worker/protocol.ts';
import type {RememberedAlarm} from '../instance/alarm-file.ts';
import type {LogLevel} from '../log/log.ts';
import type {ExitReason} from '../status/schema.ts';
import type {LivenessFailure} from './liveness.ts';
import type {SandboxRecord} from './record.ts';
import type {SandboxSpec} from './spec.ts';

/** All there is to know of a sandbox: what it should be, what is remembered of it, and how its worker is. */
export interface SandboxState {
	readonly spec: SandboxSpec;
	readonly record: SandboxRecord;
	readonly life: Life;
	readonly held: HeldKnown;
}

/** The requests that wait for a person, as a worker has told them last. */
export interface HeldKnown {
	readonly requests: readonly HeldRequest[];
	/** So many more wait, which were too many to be told. */
	readonly omitted: number;
	/** The worker that told them lives; what has become of them since another one ended is not known. */
	readonly isFresh: boolean;
}

/** Where a sandbox is in its life; one with a worker has exactly one. */
export type Life =
	/** Disabled in the configuration. */
	| {readonly kind: 'idle'}
	/** To be started, when it is its turn. */
	| {readonly kind: 'waiting'}
	/** The worker is forked and has not been heard of. */
	| {readonly kind: 'starting'; readonly worker: WorkerView}
	| {readonly kind: 'running'; readonly worker: WorkerView}
	/** The worker has been asked to end. */
	| {readonly kind: 'stopping'; readonly worker: WorkerView}
	/** The worker ended by itself, and the next one is to come. */
	| {readonly kind: 'backoff'}
	| {readonly kind: 'stopped'};

/** What the supervisor knows of a living worker. Times are monotonic milliseconds, but for those called wall. */
export interface WorkerView {
	readonly pid: number | null;
	readonly startedAt: number;
	readonly startedWall: number;
	readonly lastBeatAt: number;
	readonly lastBeatWall: number | null;
	/** The loop's own count of what it has done, and when it last grew. */
	readonly progress: number;
	readonly lastProgressAt: number;
	readonly snapshot: Snapshot | null;
	/** Why it is being killed, or `null`. */
	readonly failure: LivenessFailure | null;
}

export type SandboxEvent =
	| {readonly kind: 'start'}
	| {readonly kind: 'forked'; readonly pid: number | null}
	| {readonly kind: 'fork-failed'; readonly error: string}
	| {readonly kind: 'heard'; readonly message: Extract<ToSupervisor, {kind: 'heartbeat' | 'alive' | 'checkpoint'}>}
	| {readonly kind: 'held'; readonly requests: readonly HeldRequest[]; readonly omitted?: number | undefined}
	/** A turn among the host's calls has begun or ended: whatever the worker waited for, it waits no more. */
	| {readonly kind: 'turned'}
	| {readonly kind: 'observed'; readonly rss: number | null; readonly isWaitingForTurn: boolean}
	/** The supervisor itself was held up: a worker's silence meanwhile proves nothing. */
	| {readonly kind: 'forgiven'}
	| {
			readonly kind: 'exited';
			readonly code: number | null;
			readonly signal: string | null;
			readonly isOutOfMemory?: boolean;
	  }
	| {readonly kind: 'backoff-over'}
	/** `timeout`: milliseconds until the worker is killed. */
	| {readonly kind: 'stop'; readonly timeout: number}
	/** A worker that cannot go on under the new spec must have been stopped before. `record`: what is remembered of its gateway, if that is another one. */
	| {readonly kind: 'adopt'; readonly spec: SandboxSpec; readonly record?: SandboxRecord | null}
	/** A pass without a supervisor has raised it, under this configuration of the sandbox; before the first worker. */
	| ({readonly kind: 'recall-alarm'} & Omit<RememberedAlarm, 'sandbox'>)
	| {readonly kind: 'clear-alarm'};

/** What is to be done about a transition, in this order. */
export type Effect =
	| {readonly kind: 'fork'}
	| {readonly kind: 'send'; readonly message: ToWorker}
	/** SIGKILL, after so many milliseconds; a later one replaces an earlier one. */
	| {readonly kind: 'kill'; readonly after: number}
	| {readonly kind: 'back-off'; readonly delay: number}
	| {readonly kind: 'cancel-back-off'}
	| {readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: Fields}
	| {readonly kind: 'log-decision'; readonly decision: Decision}
	/** The worker has ended by itself, and the next one is to come. */
	| {readonly kind: 'record-restart'; readonly reason: ExitReason}
	/** The worker is gone, and its calls with it. `isAtFault`: it was killed for what it did. */
	| {readonly kind: 'forget-turns'; readonly isAtFault: boolean}
	/** The status shows something else than before. */
	| {readonly kind: 'show'};
/** What a line of the log says besides its message. */
export type Fields = Readonly<Record<string, unknown>>;

/** When a transition happens, and by what chance. `now`: monotonic milliseconds; `wall`: milliseconds since the epoch. */
export interface Moment {
	readonly now: number;
	readonly wall: number;
	readonly random: () => number;
}

export interface Transition {
	readonly state: SandboxState;
	readonly effects: readonly Effect[];
}

/** The worker there is, or `null`. */
export function workerIn(life: Life): WorkerView | null {
	return 'worker' in life ? life.worker : null;
}
