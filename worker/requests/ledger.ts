import * as z from 'zod';
import {afterFailure, isTroubled, noAttempts} from './attempts.ts';
import type {Listing} from './listing.ts';
import {type Plan, planFor, rejectionDueAt} from './plan.ts';
import {grantableScopes, matchingEntry, type PairedDevice, type PairingRequest, type Policy} from './policy.ts';
import {hasAll, type RequestRecord, type RequestRecords, recordOf, recordsSchema} from './record.ts';
import {shortHash} from './refusal.ts';

/** How many ids that our own failed approvals caused are remembered. */
const MAX_CAUSED = 32;

/** What one worker hands to the next about the requests it has met. Times are monotonic milliseconds. */
export const ledgerSchema = z.object({
	/** A hash of the policy by which requests were refused; under another one they are decided anew. */
	policy: z.string(),
	requests: recordsSchema,
	/** Ids of requests that our own failed approvals caused, the latest ones. */
	caused: z.array(z.string()).readonly(),
	/** Something has been approved here at some time. */
	hasApproved: z.boolean(),
	/** Why nothing is approved in this sandbox any more, until a reload. */
	alarm: z.string().nullable(),
});
export type LedgerState = Readonly<z.infer<typeof ledgerSchema>>;

/** The ledger of a sandbox that nobody has looked at yet. */
export const emptyLedger: LedgerState = {policy: '', requests: {}, caused: [], hasApproved: false, alarm: null};

/**
 * What has been decided about the requests that are listed now, and what is still to be done about them. A request stays settled as long as it is
 * listed. Its state is a value that is replaced with every change, so that two of them can be compared.
 */
export class Ledger {
	readonly #policy: Policy;
	readonly #slowInterval: number;
	#state: LedgerState;

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

	/** Whether the policy would let this request's client have the scope. */
	mayGrant(request: PairingRequest, scope: string): boolean {
		const entry = matchingEntry(request, this.#policy);
		return entry !== undefined && grantableScopes(entry, this.#policy).includes(scope);
	}

	/** No more approvals until {@link clearAlarm}. */
	raiseAlarm(reason: string): void {
		this.#change({alarm: reason});
	}

	/** Approvals may go on. */
	clearAlarm(): void {
		this.#change({alarm: null});
	}

	/** Takes in what the gateway lists, forgets what it lists no more, and says what is to be done now. */
	plan(listing: Listing, now: number): Plan {
		const {requests, caused, alarm} = this.#state;
		const context = {policy: this.#policy, now, isAlarmed: alarm !== null, caused};
		const {plan, records} = planFor(requests, listing, context);
		this.#change({requests: records});
		return plan;
	}

	/** The approval is about to be sent: from here on the gateway may grant it, whatever becomes of us. */
	attempt(request: PairingRequest, paired: readonly PairedDevice[]): void {
		const known = this.#recordOf(request.requestId);
		const attempts = known?.kind === 'attempted' ? known.attempts : noAttempts;
		this.#record(request.requestId, {kind: 'attempted', request, had: hasAll(request, paired), attempts});
	}

	/** The gateway said yes, or has shown that it did. */
	approved(requestId: string): void {
		this.#change({hasApproved: true});
		this.#record(requestId, {kind: 'approved'});
	}

	/** The gateway took our no. */
	rejected(requestId: string): void {
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
		const known = this.#recordOf(requestId);
		if (known && known.kind !== 'approved') {
			const attempts = afterFailure(known.attempts, message, now, this.#slowInterval);
			this.#record(requestId, {...known, attempts});
		}
		const others = caused.filter(id => id !== requestId);
		if (others.length > 0) {
			this.#change({caused: [...new Set([...this.#state.caused, ...others])].slice(-MAX_CAUSED)});
		}
	}

	/** What has failed again and again, in a line each; the first few. */
	get troubles(): readonly string[] {
		return Object.entries(this.#state.requests)
			.flatMap(([id, record]) => {
				if (record.kind === 'approved' || !isTroubled(record.attempts)) return [];
				if (record.kind === 'refused' && record.rejected) return [];
				const {failures, error} = record.attempts;
				return [`request ${id} could not be settled in ${failures} tries: ${error}`];
			})
			.slice(0, 3);
	}

	/** Milliseconds until something that is not settled is due again, or `null` when nothing is. */
	untilDue(now: number): number | null {
		const isAlarmed = this.alarm !== null;
		const times = Object.values(this.#state.requests).flatMap(record => dueAt(record, isAlarmed) ?? []);
		return times.length === 0 ? null : Math.max(Math.min(...times) - now, 0);
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
			return null;
		case 'attempted':
			return isAlarmed ? null : record.attempts.retryAt;
		case 'refused':
			return rejectionDueAt(record);
	}
}
