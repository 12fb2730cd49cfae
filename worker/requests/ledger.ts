import {hasSameValues} from '../same.ts';
import {expectedScopes} from './alarm.ts';
import {isSameAsk} from './answered.ts';
import {afterFailure, isTroubled, noAttempts} from './attempts.ts';
import {rolesOf} from './gives.ts';
import type {LedgerState} from './ledger-schema.ts';
import type {Listing} from './listing.ts';
import {GONE, type Plan, planFor, rejectionDueAt} from './plan.ts';
import {grantableScopes, matchingEntry, PAIRING_SCOPE, type Policy} from './policy.ts';
import {type Attempt, attemptIn, hasAll, type RequestRecord, type RequestRecords, recordOf} from './record.ts';
import {shortHash} from './refusal.ts';
import {mostUrgent, withoutGiven, withRemovals} from './removals.ts';
import {removedBetween, type Sighting, sightingOf} from './removed.ts';
import type {PairedDevice, PairingRequest} from './request.ts';

export type {LedgerState} from './ledger-schema.ts';

/** How many ids that our own failed approvals caused are remembered. */
const MAX_CAUSED = 32;

/** How many devices, and single roles of devices, that a person has removed are remembered; more of them are an alarm, since none may be forgotten for another. */
const MAX_REMOVED = 256;

/** Why nothing is approved where more were removed. */
const TOO_MANY_REMOVED = `more than ${MAX_REMOVED} devices, or roles of devices, were removed, and no more are remembered`;

/** More approvals than this in an hour are an alarm: no sandbox has so many clients. */
export const MAX_APPROVALS_AN_HOUR = 600;

/**
 * More rejections, and approvals that fail, are not tried in an hour: each stands on record, twice, and is no more than a gateway has to list something for.
 * A client that asks anew every 2 s, and is never approved in time, comes to half as many.
 */
export const MAX_FUTILE_AN_HOUR = 3600;

/** Approvals are counted in stretches of this length, in milliseconds, so that there is little to remember. */
const STRETCH = 5 * 60_000;
const HOUR = 3_600_000;

/** How long a foreign approval is told of, in milliseconds. */
const FOREIGN_NEWS = HOUR;

/** The ledger of a sandbox that nobody has looked at yet. */
export const emptyLedger: LedgerState = {
	policy: '',
	requests: {},
	caused: [],
	hasApproved: false,
	approvals: [],
	futile: [],
	removed: [],
	foreign: null,
	alarm: null,
};

/** The ledger of a sandbox whose approvals may go on: somebody has looked at what raised the alarm. */
export function withoutAlarm(state: LedgerState): LedgerState {
	if (state.alarm === null) return state;
	const cleared = {...state, alarm: null, approvals: []};
	// Whoever has looked at another alarm has not been told that there are more removals than are remembered.
	if (state.alarm !== TOO_MANY_REMOVED) return cleared;
	// Those that ask for what was taken away stand among the refused.
	const asking = Object.values(state.requests).flatMap(record => (record.kind === 'refused' ? record.deviceId : []));
	return {...cleared, removed: mostUrgent(state.removed, asking, MAX_REMOVED)};
}

/**
 * What has been decided about the requests that are listed now, and what is still to be done about them. Its state is a value that is replaced with every
 * change, so that two of them can be compared.
 */
export class Ledger {
	readonly #policy: Policy;
	readonly #slowInterval: number;
	#state: LedgerState;
	/** What the last listing showed; a worker's first one has nothing to be compared with. */
	#sighting: Sighting | null = null;

	/** `slowInterval` in milliseconds: the longest wait before a failed request is tried again. */
	constructor(policy: Policy, slowInterval: number, state: LedgerState | null = null) {
		this.#policy = policy;
		this.#slowInterval = slowInterval;
		this.#state = underPolicy(state ?? emptyLedger, policy);
	}

	/** For the next worker. */
	get state(): LedgerState {
		return this.#state;
	}

	/** Whether this sandbox has seen an approval of ours. */
	get hasApproved(): boolean {
		return this.#state.hasApproved;
	}

	/** Why nothing is approved any more, or `null`. */
	get alarm(): string | null {
		return this.#state.alarm;
	}

	/** A request we had seen pending was approved by somebody else within the last hour: its id, or `null`. */
	foreignApproval(now: number): string | null {
		const {foreign} = this.#state;
		return foreign !== null && now - foreign.at < FOREIGN_NEWS ? foreign.requestId : null;
	}

	/** No more approvals until {@link clearAlarm}. */
	raiseAlarm(reason: string): void {
		this.#change({alarm: reason});
	}

	/** Approvals may go on. */
	clearAlarm(): void {
		this.#change(withoutAlarm(this.#state));
	}

	/** Why not even an allowed request may be approved now, or `null`; more approvals in the hour than there may be raise the alarm, as do more removals. */
	blocked(now: number): string | null {
		const spent = recent(this.#state.approvals, now).reduce((sum, {count}) => sum + count, 0);
		if (this.alarm === null && spent >= MAX_APPROVALS_AN_HOUR)
			this.raiseAlarm(`more than ${MAX_APPROVALS_AN_HOUR} approvals within an hour`);
		if (this.alarm === null && this.#state.removed.length > MAX_REMOVED) this.raiseAlarm(TOO_MANY_REMOVED);
		return this.alarm;
	}

	/** The hour's tries that lead to no approval are used up: what the policy wants is not tried before some of them are an hour ago. */
	isSpent(now: number): boolean {
		return recent(this.#state.futile, now).reduce((sum, {count}) => sum + count, 0) >= MAX_FUTILE_AN_HOUR;
	}

	/** Takes in what the gateway lists, forgets what it lists no more, and says what is to be done now. */
	plan(listing: Listing, now: number, connection: number | null = null): Plan {
		this.#look(listing, connection);
		const {requests, caused, alarm, removed} = this.#state;
		const context = {
			policy: this.#policy,
			now,
			slowInterval: this.#slowInterval,
			isAlarmed: alarm !== null,
			caused,
			removed,
		};
		const {plan, records} = planFor(requests, listing, context);
		if (!hasSameValues(requests, records)) this.#change({requests: records});
		for (const each of plan.vanished) {
			if (each.kind !== 'foreign') continue;
			// Whoever approves what a removed device asks for gives it back.
			this.#giveBack(each.deviceId, each.roles);
			this.#change({foreign: {requestId: each.requestId, at: now}});
		}
		return plan;
	}

	/** How many paired devices have more than the policy would let any client have. */
	countWide(paired: readonly PairedDevice[]): number {
		const grantable = new Set(this.#policy.clients.flatMap(entry => grantableScopes(entry, this.#policy)));
		return paired.filter(({tokens}) =>
			tokens.some(token => !token.isRevoked && token.scopes.some(scope => !grantable.has(scope))),
		).length;
	}

	/** The approval is about to be sent: from here on the gateway may grant it, whatever becomes of us. */
	attempt(request: PairingRequest, paired: readonly PairedDevice[], by: Attempt['by'] = 'policy'): void {
		const known = this.#recordOf(request.requestId);
		const entry = matchingEntry(request, this.#policy);
		// 2026.5.27's CLI may approve, in the same call, the replacement that its own approve has caused, which adds pairing.
		const added = entry && grantableScopes(entry, this.#policy).includes(PAIRING_SCOPE) ? [PAIRING_SCOPE] : [];
		const expected = expectedScopes(request, paired, added);
		const before = attemptIn(known);
		const isTold =
			before !== null && (before.isTold || known?.kind === 'approved') && isSameAsk(before.request, request);
		const attempt: Attempt = {request, by, had: hasAll(request, paired), expected, isTold};
		if (known?.kind === 'refused') {
			this.#record(request.requestId, {...known, attempt});
			return;
		}
		const attempts = known?.attempts ?? noAttempts;
		this.#record(request.requestId, {kind: 'attempted', ...attempt, attempts});
	}

	/** What the device may have after the approval that was begun last. */
	expectedOf(requestId: string): readonly string[] {
		const known = this.#recordOf(requestId);
		return attemptIn(known)?.expected ?? [];
	}

	/** The gateway said yes, or has shown that it did. Returns whether that is news: it is not where an earlier yes, told and counted, proved untrue. */
	approved(request: PairingRequest, by: Attempt['by'], now: number): boolean {
		const {requestId, deviceId} = request;
		const known = this.#recordOf(requestId);
		const attempt = attemptIn(known);
		const isNews = attempt?.isTold !== true;
		if (isNews) this.#change({hasApproved: true, approvals: withOneMore(this.#state.approvals, now)});
		if (deviceId !== null && by === 'person') this.#giveBack(deviceId, rolesOf(request).map(shortHash));
		const attempts = known?.kind === 'attempted' ? known.attempts : noAttempts;
		if (attempt !== null) this.#record(requestId, {kind: 'approved', ...attempt, attempts});
		return isNews;
	}

	/** The gateway took our no. */
	rejected(requestId: string, now: number): void {
		this.#change({futile: withOneMore(this.#state.futile, now)});
		const known = this.#recordOf(requestId);
		if (known?.kind === 'refused') this.#record(requestId, {...known, rejected: true});
	}

	/** An approval or rejection failed: the request stays open and is due again after its own wait. `caused` are the ids that the failed call created. */
	failed(
		requestId: string,
		now: number,
		error: {readonly message?: string; readonly caused?: readonly string[]} = {},
	): void {
		const {message = null, caused = []} = error;
		this.#change({futile: withOneMore(this.#state.futile, now)});
		const known = this.#recordOf(requestId);
		if (known && known.kind !== 'approved') {
			const attempts = afterFailure(known.attempts, message, now, this.#slowInterval);
			this.#record(requestId, {...known, attempts});
		}
		this.caused(caused.filter(id => id !== requestId));
	}

	/** Its approval has been begun, and nobody knows what became of it. */
	isInDoubt(requestId: string): boolean {
		return attemptIn(this.#recordOf(requestId)) !== null;
	}

	/** The only approval that a person has tried came to nothing. Where the request was gone by then, whoever has granted it is somebody else. */
	failedForPerson(requestId: string, now: number, message: string): void {
		const known = this.#recordOf(requestId);
		if (!GONE.test(message)) return;
		if (known?.kind === 'refused') this.#record(requestId, {...known, attempt: null});
		if (known?.kind !== 'attempted') return;
		this.#record(requestId, {...known, attempts: afterFailure(known.attempts, message, now, this.#slowInterval)});
	}

	/** A failed call of ours has made the gateway list these. */
	caused(ids: readonly string[]): void {
		if (ids.length === 0) return;
		this.#change({caused: [...new Set([...this.#state.caused, ...ids])].slice(-MAX_CAUSED)});
	}

	/** What has failed again and again, in a line each; the first few. */
	get troubles(): readonly string[] {
		const futile = this.#state.futile.reduce((sum, {count}) => sum + count, 0);
		const spent =
			futile < MAX_FUTILE_AN_HOUR
				? []
				: [`${futile} requests within an hour were rejected, or could not be settled; nothing is tried for a while`];
		const troubled = Object.entries(this.#state.requests)
			.flatMap(([id, record]) => {
				if (!isTroubled(record.attempts)) return [];
				// A yes may be as untrue as the one before it.
				if (record.kind === 'approved' && !record.isTold) return [];
				if (record.kind === 'refused' && record.rejected) return [];
				const {failures, error} = record.attempts;
				return [`request ${id} could not be settled in ${failures} tries: ${error}`];
			})
			.slice(0, 3);
		return [...spent, ...troubled];
	}

	/** Milliseconds until something that is not settled is due again, or `null` when nothing is. */
	untilDue(now: number): number | null {
		if (this.isSpent(now)) return null;
		const isAlarmed = this.alarm !== null;
		const times = Object.values(this.#state.requests).flatMap(record => dueAt(record, isAlarmed) ?? []);
		return times.length === 0 ? null : Math.max(Math.min(...times) - now, 0);
	}

	/** What a person has removed is not given again for the rest of the shift. */
	#look(listing: Listing, connection: number | null): void {
		const sighting = sightingOf(listing, connection);
		const gone = removedBetween(this.#sighting, sighting);
		this.#sighting = sighting;
		if (gone.length === 0) return;
		const asking = listing.pending.map(({deviceId}) => deviceId);
		this.#change({removed: withRemovals(this.#state.removed, gone, asking, MAX_REMOVED + 1)});
	}

	/** `roles`: a short hash of each. Where too many were removed, some are forgotten: then none is given back before the alarm of that. */
	#giveBack(deviceId: string, roles: readonly string[]): void {
		if (this.#state.removed.length > MAX_REMOVED) return;
		this.#change({removed: withoutGiven(this.#state.removed, shortHash(deviceId), roles)});
	}

	#recordOf(requestId: string): RequestRecord | undefined {
		return recordOf(this.#state.requests, requestId);
	}

	#record(requestId: string, record: RequestRecord): void {
		this.#change({requests: {...this.#state.requests, [requestId]: record}});
	}

	#change(change: Partial<LedgerState>): void {
		this.#state = {...this.#state, ...change};
	}
}

/** Those of the last hour. */
function recent(approvals: LedgerState['approvals'], now: number): LedgerState['approvals'] {
	return approvals.filter(({from}) => from > now - HOUR);
}

function withOneMore(approvals: LedgerState['approvals'], now: number): LedgerState['approvals'] {
	const kept = recent(approvals, now);
	const last = kept.at(-1);
	if (!last || last.from <= now - STRETCH) return [...kept, {from: now, count: 1}];
	return [...kept.slice(0, -1), {...last, count: last.count + 1}];
}

/** Refusals by another policy are forgotten, so that those requests are decided anew. */
function underPolicy(state: LedgerState, policy: Policy): LedgerState {
	const hash = shortHash(JSON.stringify(policy));
	if (state.policy === hash) return state;
	const requests: RequestRecords = Object.fromEntries(
		Object.entries(state.requests).filter(([, {kind}]) => kind !== 'refused'),
	);
	return {...state, policy: hash, requests};
}

function dueAt(record: RequestRecord, isAlarmed: boolean): number | null {
	switch (record.kind) {
		case 'approved':
			// After a yes that was not true, the next one is soon looked into.
			return record.isTold ? record.attempts.retryAt : null;
		case 'attempted':
			return isAlarmed ? null : record.attempts.retryAt;
		case 'refused':
			return rejectionDueAt(record);
	}
}
