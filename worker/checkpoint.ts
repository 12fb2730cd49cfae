import {isDeepStrictEqual} from 'node:util';
import type {Checkpoint, CheckpointChanges} from './checkpoint-schema.ts';
import {emptyLedger, type LedgerState, withoutAlarm} from './requests/ledger.ts';
import {type RequestRecord, recordOf} from './requests/record.ts';
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

/** What there is to say of `after` to whoever knows `before`, or `null` where nothing has changed. Pure. */
export function changesBetween(before: Checkpoint, after: Checkpoint): CheckpointChanges | null {
	const {cadence: _, ledger: __, ...rest} = changedFields(before, after);
	const cadence = cadenceChanges(before.cadence, after.cadence);
	const ledger = ledgerChanges(before.ledger, after.ledger);
	const changes = {
		...rest,
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
	if (after === null) return before === null ? undefined : null;
	const changes = changedFields(before ?? slowCadence, after);
	return before !== null && isEmpty(changes) ? undefined : changes;
}

function withCadenceChanges(before: Cadence | null, changes: CadenceChanges | null): Cadence | null {
	return changes === null ? null : Object.assign({...(before ?? slowCadence)}, changes);
}

function ledgerChanges(before: LedgerState, after: LedgerState): LedgerChanges {
	const {requests: _, ...rest} = changedFields(before, after);
	const forgotten = Object.keys(before.requests).filter(id => !Object.hasOwn(after.requests, id));
	const requests: Record<string, RequestRecord | null> = {
		...Object.fromEntries(forgotten.map(id => [id, null])),
		...Object.fromEntries(changedEntries(before.requests, after.requests)),
	};
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
	const known = new Map<string, unknown>(Object.entries(before));
	return Object.entries(after).filter(
		([key, value]) => !known.has(key) || (known.get(key) !== value && !isDeepStrictEqual(known.get(key), value)),
	);
}

function isEmpty(object: object): boolean {
	return Object.keys(object).length === 0;
}
