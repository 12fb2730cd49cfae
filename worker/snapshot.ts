import type {Checkpoint} from './checkpoint.ts';
import type {Snapshot, WorkerConfig} from './protocol.ts';
import type {Held} from './requests/plan.ts';
import {keyOf} from './requests/record.ts';
import {hasSameValues} from './same.ts';
import {stretchOf, stretchWarning} from './stretch.ts';
import {initialTransport} from './transport/way.ts';
import {type Cadence, type CadenceConfig, interval} from './watch/cadence.ts';
import type {WatchEvent} from './watch/watch.ts';

/** All that can happen to a worker. */
export type WorkerEvent =
	| WatchEvent
	/** A call has got its turn. */
	| {readonly kind: 'turn'}
	/** The transport is another one, or is the CLI for another reason. */
	| ({readonly kind: 'transport'} & Pick<Snapshot, 'transport' | 'route' | 'transportReason'>);

/** What a worker has seen so far, besides its ledger. All that it shows is computed from this. */
export interface Observations
	extends Pick<
			Snapshot,
			'transport' | 'route' | 'transportReason' | 'lastListAt' | 'nextPollAt' | 'pending' | 'widePaired'
		>,
		Omit<Checkpoint, 'ledger'> {
	/** Grows with every event. */
	readonly progress: number;
	/** Pending requests beyond those that are looked at. */
	readonly ignored: number;
	/** What waits for a person; `null`: not known yet. */
	readonly held: readonly Held[] | null;
}

/** What a worker knows that has just taken over. */
export function initialObservations(config: WorkerConfig, {cadence, failures, lastError}: Checkpoint): Observations {
	return {
		progress: 0,
		cadence,
		failures,
		lastError,
		...initialTransport(config),
		lastListAt: null,
		nextPollAt: null,
		pending: 0,
		ignored: 0,
		held: null,
	};
}

/** What has been seen once this has happened, at the wall-clock millisecond `wall`. Pure. */
export function observe(before: Observations, event: WorkerEvent, wall: number): Observations {
	const next = {...before, progress: before.progress + 1};
	switch (event.kind) {
		case 'polling':
			return {...next, cadence: event.cadence, nextPollAt: wall};
		case 'listed': {
			const {pending, ignored, held, widePaired} = event;
			return {...next, pending, ignored, held, widePaired, lastListAt: wall};
		}
		case 'approved':
		case 'rejected':
			return {...next, pending: Math.max(before.pending - 1, 0), held: without(before.held, keyOf(event.request))};
		case 'polled': {
			const {cadence, wait, outcome} = event;
			const failures = outcome.error ? before.failures + 1 : 0;
			return {...next, cadence, failures, lastError: outcome.error?.message ?? null, nextPollAt: wall + wait};
		}
		case 'transport':
			return {...next, transport: event.transport, route: event.route, transportReason: event.transportReason};
		default:
			return next;
	}
}

function without(held: Observations['held'], key: string): Observations['held'] {
	return held?.some(({request}) => keyOf(request) === key) ? held.filter(({request}) => keyOf(request) !== key) : held;
}

/** What else a snapshot shows. */
export interface SnapshotContext {
	readonly cadence: CadenceConfig;
	readonly alarm: string | null;
	/** Lines about requests that cannot be settled. */
	readonly troubles: readonly string[];
	/** The id of a request that somebody else has approved lately, or `null`. */
	readonly foreignApproval: string | null;
	readonly transportWarnings: readonly string[];
	/** How long a poll waits for its turn, in milliseconds. */
	readonly turnWait: number;
}

/** What there is to show. Pure. */
export function snapshotOf(observations: Observations, context: SnapshotContext): Snapshot {
	const {cadence, ignored, progress: _, failures: __, lastError: ___, held: ____, ...shown} = observations;
	const {alarm, troubles, foreignApproval, transportWarnings, turnWait} = context;
	const regular = intervalOf(cadence, context.cadence);
	const stretch = stretchOf(regular, turnWait);
	return {
		...shown,
		mode: cadence?.mode ?? 'fast',
		interval: stretch?.seconds ?? regular / 1000,
		warnings: [
			...(alarm === null ? [] : [`alarm: ${alarm}; nothing is approved until a reload`]),
			...(stretch === null ? [] : [stretchWarning(stretch)]),
			...troubles,
			...(foreignApproval === null
				? []
				: [
						`request ${foreignApproval} was approved by somebody else; if that was not a person, another watcher approves here, by rules of its own: disable it`,
					]),
			...transportWarnings,
			...(ignored > 0 ? [`${ignored} pending requests are beyond the limit and were not looked at`] : []),
		],
	};
}

/** Whether two snapshots show the same. Pure; made with every heartbeat. */
export function isSameSnapshot(one: Snapshot, other: Snapshot): boolean {
	const {warnings, ...fields} = one;
	const {warnings: otherWarnings, ...otherFields} = other;
	return hasSameValues(fields, otherFields) && hasSameValues(warnings, otherWarnings);
}

/** Milliseconds between polls; before the first one, as it will be. */
function intervalOf(cadence: Cadence | null, config: CadenceConfig): number {
	return cadence === null ? config.fastInterval : interval(cadence, config);
}
