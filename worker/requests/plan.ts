import {noAttempts} from './attempts.ts';
import type {Listing} from './listing.ts';
import {decide, type MalformedRequest, type PairingRequest, type Policy, type RefusalReason} from './policy.ts';
import {hasAll, keyOf, type Refused, type RequestRecord, type RequestRecords, recordOf} from './record.ts';
import {refusalOf} from './refusal.ts';

/** What is to be done about one listed request. */
export type Step =
	| {readonly kind: 'approve'; readonly request: PairingRequest}
	| {
			readonly kind: 'refuse';
			readonly request: PairingRequest | MalformedRequest;
			readonly reason: RefusalReason;
	  }
	| {readonly kind: 'reject'; readonly request: PairingRequest | MalformedRequest; readonly requestId: string};

/** What one listing asks for. */
export interface Plan {
	/** In listed order. */
	readonly steps: readonly Step[];
	/** Allowed request ids, whether due or waiting to be tried again. */
	readonly allowed: readonly string[];
	/** How many requests are left to be approved or rejected, waiting ones included. */
	readonly undecided: number;
	/** Requests whose approval had been begun and that are listed no more, told once. */
	readonly vanished: readonly {readonly request: PairingRequest; readonly granted: boolean}[];
}

/** What a plan depends on besides the listing and what is remembered. */
export interface PlanContext {
	readonly policy: Policy;
	readonly now: number;
	/** Nothing is to be approved. */
	readonly isAlarmed: boolean;
	/** Ids of requests that our own failed approvals caused. */
	readonly caused: readonly string[];
}

/** What is to be done now, and what to remember of the requests that are listed; what is listed no more is forgotten. Pure. */
export function planFor(
	before: RequestRecords,
	listing: Listing,
	context: PlanContext,
): {readonly plan: Plan; readonly records: RequestRecords} {
	const {policy, now, isAlarmed} = context;
	const listed = new Set(listing.pending.map(keyOf));
	const gone = Object.entries(before).flatMap(([key, record]) => (listed.has(key) ? [] : record));
	const predecessors = replacedRefusals(gone);
	const records = new Map(Object.entries(before).filter(([key]) => listed.has(key)));
	const steps: Step[] = [];
	const allowed: string[] = [];
	let undecided = 0;
	for (const request of listing.pending) {
		const key = keyOf(request);
		const known = recordOf(before, key);
		if (known?.kind === 'approved') continue;
		let refused = known?.kind === 'refused' ? known : null;
		if (refused === null) {
			const verdict = decide(request, listing.paired, policy);
			if (verdict.allowed && request.kind === 'request') {
				if (isAlarmed) continue;
				allowed.push(key);
				undecided++;
				if ((known?.attempts.retryAt ?? now) <= now) steps.push({kind: 'approve', request});
				continue;
			}
			const reason = verdict.allowed ? 'malformed' : verdict.reason;
			const predecessor = request.deviceId === null ? undefined : predecessors.get(request.deviceId);
			const refusal = refusalOf(request, reason, {policy, now, isCaused: context.caused.includes(key), predecessor});
			refused = {kind: 'refused', ...refusal, attempts: noAttempts};
			records.set(key, refused);
			steps.push({kind: 'refuse', request, reason});
		}
		if (request.requestId === null || !isRejectionDue(refused, now)) continue;
		undecided++;
		steps.push({kind: 'reject', request, requestId: request.requestId});
	}
	return {plan: {steps, allowed, undecided, vanished: vanished(gone, listing)}, records: Object.fromEntries(records)};
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

function vanished(gone: readonly RequestRecord[], {paired}: Listing): Plan['vanished'] {
	return gone.flatMap(record =>
		record.kind === 'attempted'
			? [{request: record.request, granted: !record.had && hasAll(record.request, paired)}]
			: [],
	);
}
