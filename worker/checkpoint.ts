import {isDeepStrictEqual} from 'node:util';
import type {Checkpoint, CheckpointChanges} from './checkpoint-schema.ts';
import {emptyLedger, type LedgerState, withoutAlarm} from './requests/ledger.ts';
import {type RequestRecord, recordOf} from './requests/record.ts';
import {hasSameValues} from './same.ts';
import {type Cadence, slowCadence} from './watch/cadence.ts';

export type {Checkpoint, CheckpointChanges} from './checkpoint-schema.ts';

/** Nothing has happened yet. */
export const emptyCheckpoint: Checkpoint = {cadence: null, failures: 0, lastError: null, ledger: emptyLedger};

/** Nothing more is approved, for a reason that was found before. */
export function checkpointWithAlarm(checkpoint: Checkpoint, alarm: string): Checkpoint {
	return {...checkpoint, ledger: {...checkpoint.ledger, alarm}};
}

/** Approvals may go on: somebody has looked at what raised the alarm. */
export function checkpointWithoutAlarm(checkpoint: Checkpoint): Checkpoint {
	return {...checkpoint, ledger: withoutAlarm(checkpoint.ledger)};
}

type CadenceChanges = NonNullable<CheckpointChanges['cadence']>;
type LedgerChanges = NonNullable<CheckpointChanges['ledger']>;

/** What there is to say to whoever knows that much, or `null` where nothing has changed. Pure. */
export function changesBetween(known: Checkpoint, now: Checkpoint): CheckpointChanges | null {
	// Of most polls that is so.
	if (hasSameValues(known, now)) return null;
	const {cadence: cadenceBefore, ledger: ledgerBefore, ...before} = known;
	const {cadence: cadenceAfter, ledger: ledgerAfter, ...after} = now;
	const cadence = cadenceChanges(cadenceBefore, cadenceAfter);
	const ledger = ledgerChanges(ledgerBefore, ledgerAfter);
	const changes = {
		...changedFields(before, after),
		...(cadence === undefined ? {} : {cadence}),
		...(isEmpty(ledger) ? {} : {ledger}),
	};
	return isEmpty(changes) ? null : changes;
}

/**
 * Whether all that these changes say to whoever knows `before` is that settled approvals are remembered no more. Of any other request that has gone, whoever
 * comes next would judge anew what has become of it, by what is there then.
 */
export function isOnlySettled({ledger, ...others}: CheckpointChanges, before: Checkpoint): boolean {
	if (ledger?.requests === undefined || !isEmpty(others)) return false;
	const {requests, ...rest} = ledger;
	const isSettled = (id: string) => recordOf(before.ledger.requests, id)?.kind === 'approved';
	return isEmpty(rest) && Object.entries(requests).every(([id, record]) => record === null && isSettled(id));
}

/** The checkpoint with these changes. Pure. */
export function applyChanges(checkpoint: Checkpoint, changes: CheckpointChanges): Checkpoint {
	const {cadence, ledger, ...rest} = changes;
	return {
		...Object.assign({...checkpoint}, rest),
		cadence: cadence === undefined ? checkpoint.cadence : withCadenceChanges(checkpoint.cadence, cadence),
		ledger: ledger === undefined ? checkpoint.ledger : withLedgerChanges(checkpoint.ledger, ledger),
	};
}

/** `undefined` where nothing has changed. */
function cadenceChanges(before: Cadence | null, after: Cadence | null): CadenceChanges | null | undefined {
	if (after === before) return undefined;
	if (after === null) return null;
	const changes = changedFields(before ?? slowCadence, after);
	return before !== null && isEmpty(changes) ? undefined : changes;
}

function withCadenceChanges(before: Cadence | null, changes: CadenceChanges | null): Cadence | null {
	return changes === null ? null : Object.assign({...(before ?? slowCadence)}, changes);
}

function ledgerChanges(before: LedgerState, after: LedgerState): LedgerChanges {
	if (before === after) return {};
	const {requests: requestsBefore, ...restBefore} = before;
	const {requests: requestsAfter, ...restAfter} = after;
	const forgotten = Object.keys(requestsBefore).filter(id => !Object.hasOwn(requestsAfter, id));
	const requests: Record<string, RequestRecord | null> = {
		...Object.fromEntries(forgotten.map(id => [id, null])),
		...Object.fromEntries(changedEntries(requestsBefore, requestsAfter)),
	};
	const rest = changedFields(restBefore, restAfter);
	return isEmpty(requests) ? rest : {...rest, requests};
}

function withLedgerChanges(before: LedgerState, {requests: changed = {}, ...rest}: LedgerChanges): LedgerState {
	const requests = new Map(Object.entries(before.requests));
	for (const [id, record] of Object.entries(changed)) {
		if (record === null) requests.delete(id);
		else requests.set(id, record);
	}
	return {...Object.assign({...before}, rest), requests: Object.fromEntries(requests)};
}

function changedFields<T extends object>(before: T, after: T): Partial<T> {
	return Object.fromEntries(changedEntries(before, after)) as Partial<T>;
}

/** The entries of `after` that are others in `before`. What is the same object is not looked into. */
function changedEntries<V>(before: Readonly<Record<string, V>>, after: Readonly<Record<string, V>>): [string, V][];
function changedEntries(before: object, after: object): [string, unknown][];
function changedEntries(before: object, after: object): [string, unknown][] {
	const known = before as Readonly<Record<string, unknown>>;
	return Object.entries(after).filter(
		([key, value]) => !Object.hasOwn(known, key) || (known[key] !== value && !isDeepStrictEqual(known[key], value)),
	);
}

function isEmpty(object: object): boolean {
	return Object.keys(object).length === 0;
}
