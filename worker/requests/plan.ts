import {alarmInListing} from './alarm.ts';
import {reopened, standingOf, withoutOther} from './answered.ts';
import {noAttempts} from './attempts.ts';
import {digestOf, givesOf, isRevoked, rolesOf} from './gives.ts';
import type {Listing} from './listing.ts';
import {decide, isWithin, type Policy, type RefusalReason} from './policy.ts';
import {
	type Attempt,
	attemptIn,
	hasAll,
	keyOf,
	type Refused,
	type RequestRecord,
	type RequestRecords,
	recordOf,
} from './record.ts';
import {refusalOf, shortHash} from './refusal.ts';
import {asksForRemoved, type Removals} from './removals.ts';
import type {MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

/** What is to be done about one listed request. */
export type Step =
	| {readonly kind: 'approve'; readonly request: PairingRequest}
	| {
			readonly kind: 'refuse';
			readonly request: PairingRequest | MalformedRequest;
			readonly reason: RefusalReason;
			/** What the approval would have given. */
			readonly gives: readonly string[];
	  }
	| {readonly kind: 'reject'; readonly request: PairingRequest | MalformedRequest; readonly requestId: string};

/** A listed request that the policy refuses and that a person may decide. Times are monotonic milliseconds. */
export interface Held {
	readonly request: PairingRequest | MalformedRequest;
	readonly gives: readonly string[];
	readonly reason: RefusalReason;
	readonly digest: string;
	readonly since: number;
	/** When it will be rejected; `null`: never. */
	readonly rejectAt: number | null;
}

/** What became of a request that is listed no more. */
export type Vanished =
	/** Its approval had been begun: it was granted, or nobody knows what became of it. `alarm`: its device has more now than was decided. */
	| {
			readonly kind: 'ours';
			readonly request: PairingRequest;
			readonly by: Attempt['by'];
			readonly granted: boolean;
			/** That it was approved was told before. */
			readonly isTold: boolean;
			readonly alarm: string | null;
	  }
	/** Its device has now what it asked for, and we have not approved it. `roles`: a short hash of each that it is for. */
	| {
			readonly kind: 'foreign';
			readonly requestId: string;
			readonly deviceId: string;
			readonly roles: readonly string[];
	  };

/** What one listing asks for. */
export interface Plan {
	/** In listed order. */
	readonly steps: readonly Step[];
	/** Allowed request ids, whether due or waiting to be tried again. */
	readonly allowed: readonly string[];
	/** How many requests are left to be approved or rejected, waiting ones included. */
	readonly undecided: number;
	/** Told once each. */
	readonly vanished: readonly Vanished[];
	/** In listed order. */
	readonly held: readonly Held[];
	/** Listed requests whose approval was answered with a yes that was not true. Told once a try. */
	readonly unsettled: readonly Unsettled[];
}

/** An approval that was told and has not come true. */
export type Unsettled = Pick<Attempt, 'request' | 'by'>;

/** What a plan depends on besides the listing and what is remembered. */
export interface PlanContext {
	readonly policy: Policy;
	readonly now: number;
	/** The longest wait before a failed request is tried again, in milliseconds. */
	readonly slowInterval: number;
	/** Nothing is to be approved. */
	readonly isAlarmed: boolean;
	/** Ids of requests that our own failed approvals caused. */
	readonly caused: readonly string[];
	/** What a person has removed. */
	readonly removed: Removals;
}

/** What is to be done now, and what to remember of the requests that are listed; what is listed no more is forgotten. Pure. */
export function planFor(
	before: RequestRecords,
	listing: Listing,
	context: PlanContext,
): {readonly plan: Plan; readonly records: RequestRecords} {
	const {policy, now, isAlarmed, removed} = context;
	const {paired} = listing;
	const listed = new Set(listing.pending.map(keyOf));
	const gone = Object.entries(before).flatMap(([key, record]) => (listed.has(key) ? [] : [{key, record}]));
	const predecessors = replacedRefusals(gone.map(({record}) => record));
	const records = new Map(Object.entries(before).filter(([key]) => listed.has(key)));
	const steps: Step[] = [];
	const allowed: string[] = [];
	const held: Held[] = [];
	const unsettled: Unsettled[] = [];
	let undecided = 0;
	for (const request of listing.pending) {
		const key = keyOf(request);
		let known = withoutOther(recordOf(before, key), request);
		if (known?.kind === 'approved') {
			const standing = standingOf(known, request, paired);
			if (standing === 'settled') continue;
			if (standing === 'unsettled') unsettled.push({request: known.request, by: known.by});
			known = standing === 'unsettled' ? reopened(known, now, context.slowInterval) : undefined;
		}
		if (known === undefined) records.delete(key);
		else records.set(key, known);
		const isRemoved = asksForRemoved(request, removed);
		const verdict = decide(request, paired, policy, isRemoved);
		if (verdict.allowed && request.kind === 'request') {
			if (known?.kind === 'refused') records.delete(key);
			if (isAlarmed) continue;
			allowed.push(key);
			undecided++;
			const retryAt = known?.kind === 'attempted' ? known.attempts.retryAt : now;
			if (retryAt <= now) steps.push({kind: 'approve', request});
			continue;
		}
		const reason = verdict.allowed ? 'malformed' : verdict.reason;
		const digest = digestOf(request, paired);
		const gives = request.kind === 'request' ? (givesOf(request, paired) ?? []) : [];
		let refused = known?.kind === 'refused' && known.digest === digest && known.reason === reason ? known : null;
		if (refused === null) {
			const refusal = refusalOf(request, reason, {
				policy,
				now,
				digest,
				had: request.kind === 'malformed' || hasAll(request, paired),
				isRevoked: isRemoved || isRevoked(request, paired),
				isCaused: context.caused.includes(key),
				predecessor: predecessorOf(request, known, predecessors),
			});
			refused = {kind: 'refused', ...refusal, attempt: personsAttempt(known), attempts: noAttempts};
			records.set(key, refused);
			steps.push({kind: 'refuse', request, reason, gives});
		}
		if (refused.rejected) continue;
		held.push({request, gives, reason, digest, since: refused.since, rejectAt: rejectionDueAt(refused)});
		if (request.requestId === null || !isRejectionDue(refused, now)) continue;
		undecided++;
		steps.push({kind: 'reject', request, requestId: request.requestId});
	}
	const vanished = gone.flatMap(({key, record}) => becameOf(key, record, paired, gone));
	return {plan: {steps, allowed, undecided, vanished, held, unsettled}, records: Object.fromEntries(records)};
}

/** Monotonic milliseconds from which a refused request is to be rejected, `null` where it never is, or has been. */
export function rejectionDueAt({rejectAt, rejected, attempts}: Refused): number | null {
	return rejectAt === null || rejected ? null : Math.max(rejectAt, attempts.retryAt);
}

function isRejectionDue(refused: Refused, now: number): boolean {
	const dueAt = rejectionDueAt(refused);
	return dueAt !== null && dueAt <= now;
}

/** By device: the refusal that a new request of that device has replaced. */
function replacedRefusals(gone: readonly RequestRecord[]): ReadonlyMap<string, Refused> {
	return new Map(
		gone.flatMap(record =>
			record.kind === 'refused' && record.deviceId !== null && !record.rejected ? [[record.deviceId, record]] : [],
		),
	);
}

function predecessorOf(
	{deviceId}: PairingRequest | MalformedRequest,
	known: RequestRecord | undefined,
	replaced: ReadonlyMap<string, Refused>,
): Refused | undefined {
	if (deviceId === null) return undefined;
	return known?.kind === 'refused' && known.deviceId === deviceId ? known : replaced.get(deviceId);
}

/** A person's approval may be granted yet, whatever the policy says of the request. */
function personsAttempt(known: RequestRecord | undefined): Attempt | null {
	if (known?.kind === 'refused') return known.attempt;
	return known?.kind === 'attempted' && known.by === 'person' ? attemptIn(known) : null;
}

function becameOf(
	key: string,
	record: RequestRecord,
	paired: readonly PairedDevice[],
	gone: readonly {readonly record: RequestRecord}[],
): Vanished[] {
	// What was answered with a yes and is gone is settled.
	const attempt = record.kind === 'approved' ? null : attemptIn(record);
	if (attempt !== null) {
		const {request, by, had, expected, isTold} = attempt;
		const granted = !had && hasAll(request, paired);
		if (granted && isSomebodyElses(record))
			return foreign(key, {deviceId: request.deviceId, roles: rolesOf(request).map(shortHash)});
		// What a person approved of the same device meanwhile, before our eyes, is no doing of ours.
		const others = gone.flatMap(({record: other}) =>
			other.kind === 'refused' && other.deviceId === request.deviceId ? other.scopes : [],
		);
		const alarm = alarmInListing(request, paired, [...expected, ...others]);
		return [{kind: 'ours', request, by, granted, isTold, alarm}];
	}
	if (record.kind !== 'refused' || record.rejected || record.had) return [];
	return isGranted(record, paired) ? foreign(key, record) : [];
}

/** As {@link hasAll}, by what is remembered of a refused request. */
function isGranted({deviceId, roles, scopes}: Refused, paired: readonly PairedDevice[]): boolean {
	const device = paired.find(known => known.deviceId === deviceId);
	if (!device) return false;
	const live = device.tokens.filter(token => !token.isRevoked).map(token => shortHash(token.role));
	const hasTokens = device.tokens.length === 0 || isWithin(roles, live);
	return hasTokens && isWithin(scopes, device.scopes.map(shortHash));
}

/** How OpenClaw says that a request is gone (docs/cli/devices.md). */
export const GONE = /unknown requestId|no pending device request/i;

/** Our only try to approve it came too late: somebody else had settled it. */
function isSomebodyElses(record: RequestRecord): boolean {
	return record.kind === 'attempted' && record.attempts.failures === 1 && GONE.test(record.attempts.error ?? '');
}

function foreign(requestId: string, {deviceId, roles}: Pick<Refused, 'deviceId' | 'roles'>): Vanished[] {
	return deviceId === null ? [] : [{kind: 'foreign', requestId, deviceId, roles}];
}
