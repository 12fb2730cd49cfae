import {createHash} from 'node:crypto';
import * as z from 'zod';
import type {Listing} from './listing.ts';
import {
	type Decision,
	decide,
	grantableScopes,
	isWithin,
	type MalformedRequest,
	matchingEntry,
	type PairedDevice,
	type PairingRequest,
	type Policy,
	type RefusalReason,
	requestSchema,
} from './policy.ts';

/** The first wait after a failed approval of one request, in milliseconds; it doubles up to the slow interval. */
const FIRST_BACKOFF = 1000;

/** So many failures of one request in a row are worth a warning. */
const TROUBLED_AFTER = 3;

/** How many ids that our own failed approvals caused are remembered. */
const MAX_CAUSED = 32;

const refusalSchema = z.object({
	reason: z.enum(['unknown-client', 'disallowed-scope', 'disallowed-role', 'first-pairing', 'malformed']),
	deviceId: z.string().nullable(),
	/** A short hash of each: a ledger goes to the supervisor at every approval, so what a sandbox can put into it is kept small. */
	scopes: z.array(z.string()),
	/** Monotonic milliseconds from which it is rejected; `null`: never. */
	rejectAt: z.number().nullable(),
	rejected: z.boolean(),
});

/** An approval or rejection that was begun and is not settled. */
const attemptSchema = z.object({
	/** How often it has failed. */
	failures: z.number(),
	/** Why, the last time. */
	error: z.string().nullable(),
	/** Monotonic milliseconds from which it is due again. */
	retryAt: z.number(),
	/** What was to be approved; `null` for a rejection. */
	request: requestSchema.nullable(),
	/** The device had all it asked for before we approved, so that its scopes prove nothing. */
	had: z.boolean(),
});

/** What one worker hands to the next about the requests it has met. Times are monotonic milliseconds. */
export const ledgerSchema = z.object({
	/** The policy the refusals were decided by; under another one they are decided anew. */
	policy: z.string(),
	approved: z.array(z.string()),
	refused: z.record(z.string(), refusalSchema),
	attempts: z.record(z.string(), attemptSchema),
	caused: z.array(z.string()),
	/** Something has been approved here at some time. */
	hasApproved: z.boolean(),
	/** Why nothing is approved in this sandbox any more, until a reload. */
	alarm: z.string().nullable(),
});
export type LedgerState = z.infer<typeof ledgerSchema>;
type Refusal = z.infer<typeof refusalSchema>;
type Attempt = z.infer<typeof attemptSchema>;

const NEW_ATTEMPT: Attempt = {failures: 0, error: null, retryAt: 0, request: null, had: false};

/** What is to be done about one listed request. */
export type Step =
	| {readonly kind: 'approve'; readonly request: PairingRequest}
	| {readonly kind: 'refuse'; readonly request: PairingRequest | MalformedRequest; readonly reason: RefusalReason}
	| {readonly kind: 'reject'; readonly requestId: string};

/** The plan of one round, in listed order. */
export interface Plan {
	readonly steps: readonly Step[];
	/** Allowed requests in the listing that are not settled, whether or not they are due now. */
	readonly allowed: readonly string[];
	/** Requests that are still to be approved or rejected, now or after a wait: while there are any, a poll is not quiet. */
	readonly undecided: number;
	/** Requests whose approval was begun, not confirmed, and which are pending no more: granted after all, or replaced. */
	readonly vanished: readonly {readonly request: PairingRequest; readonly granted: boolean}[];
}

/**
 * What a worker remembers about requests: which are settled, which failed and when they are due again.
 * It remembers a request only while the gateway lists it, so it stays as small as the listing.
 */
export class Ledger {
	readonly #policy: Policy;
	readonly #policyKey: string;
	readonly #slowInterval: number;
	readonly #approved: Set<string>;
	readonly #caused: Set<string>;
	readonly #refused: Map<string, Refusal>;
	readonly #attempts: Map<string, Attempt>;
	#hasApproved: boolean;
	#alarm: string | null;

	/** `slowInterval` in milliseconds: the longest wait before a failed request is tried again. */
	constructor(policy: Policy, slowInterval: number, state: LedgerState | null = null) {
		this.#policy = policy;
		this.#policyKey = JSON.stringify(policy);
		this.#slowInterval = slowInterval;
		this.#approved = new Set(state?.approved);
		this.#caused = new Set(state?.caused);
		this.#refused = new Map(state?.policy === this.#policyKey ? Object.entries(state.refused) : []);
		this.#attempts = new Map(Object.entries(state?.attempts ?? {}));
		this.#hasApproved = state?.hasApproved ?? false;
		this.#alarm = state?.alarm ?? null;
	}

	/** For the next worker. */
	get state(): LedgerState {
		return {
			policy: this.#policyKey,
			approved: [...this.#approved],
			refused: Object.fromEntries(this.#refused),
			attempts: Object.fromEntries(this.#attempts),
			caused: [...this.#caused],
			hasApproved: this.#hasApproved,
			alarm: this.#alarm,
		};
	}

	/** Whether this sandbox has seen an approval of ours. */
	get hasApproved(): boolean {
		return this.#hasApproved;
	}

	/** Why nothing is approved any more, or `null`. */
	get alarm(): string | null {
		return this.#alarm;
	}

	/** Whether the policy would let this request's client have the scope. */
	mayGrant(request: PairingRequest, scope: string): boolean {
		const entry = matchingEntry(request, this.#policy);
		return entry !== undefined && grantableScopes(entry, this.#policy).includes(scope);
	}

	/** No more approvals until {@link clearAlarm}. */
	raiseAlarm(reason: string): void {
		this.#alarm = reason;
	}

	clearAlarm(): void {
		this.#alarm = null;
	}

	/** Takes in what the gateway lists, forgets what it lists no more, and says what is to be done now. */
	plan(listing: Listing, now: number): Plan {
		const vanished = this.#vanished(listing);
		const predecessors = this.#forgetUnlisted(listing);
		const steps: Step[] = [];
		const allowed: string[] = [];
		let undecided = 0;
		for (const request of listing.pending) {
			const key = keyOf(request);
			if (this.#approved.has(key)) continue;
			const known = this.#refused.get(key);
			const decision = known ? null : decide(request, listing.paired, this.#policy);
			if (decision?.allowed && request.kind === 'request') {
				if (this.#alarm !== null) continue;
				allowed.push(key);
				undecided++;
				if (this.#isDue(key, now)) steps.push({kind: 'approve', request});
				continue;
			}
			const refusal = known ?? this.#refuse(request, decision, predecessors, now);
			if (!known) steps.push({kind: 'refuse', request, reason: refusal.reason});
			if (refusal.rejected || refusal.rejectAt === null || request.requestId === null) continue;
			if (refusal.rejectAt <= now && this.#isDue(key, now)) {
				undecided++;
				steps.push({kind: 'reject', requestId: request.requestId});
			}
		}
		return {steps, allowed, undecided, vanished};
	}

	/** The approval is about to be sent: from here on the gateway may grant it, whatever becomes of us. */
	attempt(request: PairingRequest, paired: readonly PairedDevice[]): void {
		const failed = this.#attempts.get(request.requestId) ?? NEW_ATTEMPT;
		this.#attempts.set(request.requestId, {...failed, request, had: hasAll(request, paired)});
	}

	/** The gateway said yes. */
	approved(requestId: string): void {
		this.#approved.add(requestId);
		this.#hasApproved = true;
		this.#attempts.delete(requestId);
	}

	/** The gateway took our no. */
	rejected(requestId: string): void {
		const refusal = this.#refused.get(requestId);
		if (refusal) refusal.rejected = true;
		this.#attempts.delete(requestId);
	}

	/** An approval or rejection failed: the request stays open and is due again after its own wait. `caused` are the ids that the failed call created. */
	failed(
		requestId: string,
		now: number,
		error: {readonly message?: string; readonly caused?: readonly string[]} = {},
	): void {
		const {message = null, caused = []} = error;
		const attempt = this.#attempts.get(requestId) ?? NEW_ATTEMPT;
		const wait = Math.min(FIRST_BACKOFF * 2 ** attempt.failures, Math.max(this.#slowInterval, FIRST_BACKOFF));
		this.#attempts.set(requestId, {...attempt, failures: attempt.failures + 1, error: message, retryAt: now + wait});
		for (const id of caused) {
			if (id === requestId) continue;
			this.#caused.add(id);
			if (this.#caused.size > MAX_CAUSED) this.#caused.delete(this.#caused.values().next().value ?? '');
		}
	}

	/** What has failed again and again, in a line each; the first few. */
	get troubles(): readonly string[] {
		return [...this.#attempts]
			.filter(([, {failures}]) => failures >= TROUBLED_AFTER)
			.slice(0, 3)
			.map(([id, {failures, error}]) => `request ${id} could not be settled in ${failures} tries: ${error}`);
	}

	/** Milliseconds until something that is not settled is due again, or `null` when nothing is. */
	untilDue(now: number): number | null {
		const attempts = [...this.#attempts]
			.filter(([key]) => this.#alarm === null || this.#refused.has(key))
			.map(([, {retryAt}]) => retryAt);
		const rejections = [...this.#refused].flatMap(([key, {rejectAt, rejected}]) =>
			rejectAt === null || rejected ? [] : [Math.max(rejectAt, this.#attempts.get(key)?.retryAt ?? 0)],
		);
		const next = Math.min(...attempts, ...rejections);
		return Number.isFinite(next) ? Math.max(next - now, 0) : null;
	}

	#isDue(key: string, now: number): boolean {
		return (this.#attempts.get(key)?.retryAt ?? now) <= now;
	}

	#vanished({pending, paired}: Listing): Plan['vanished'] {
		const listed = new Set(pending.map(({requestId}) => requestId));
		return [...this.#attempts].flatMap(([requestId, {request, had}]) =>
			request === null || listed.has(requestId) ? [] : [{request, granted: !had && hasAll(request, paired)}],
		);
	}

	/** The refusals just forgotten, by device: what a new request of that device has replaced. */
	#forgetUnlisted(listing: Listing): Map<string, Refusal> {
		const listed = new Set(listing.pending.map(keyOf));
		const gone = new Map<string, Refusal>();
		for (const [key, refusal] of this.#refused) {
			if (listed.has(key)) continue;
			this.#refused.delete(key);
			if (refusal.deviceId !== null && !refusal.rejected) gone.set(refusal.deviceId, refusal);
		}
		for (const key of this.#approved) if (!listed.has(key)) this.#approved.delete(key);
		for (const key of this.#attempts.keys()) if (!listed.has(key)) this.#attempts.delete(key);
		return gone;
	}

	#refuse(
		request: PairingRequest | MalformedRequest,
		decision: Decision | null,
		predecessors: ReadonlyMap<string, Refusal>,
		now: number,
	): Refusal {
		const reason = decision && !decision.allowed ? decision.reason : 'malformed';
		const scopes = (request.scopes ?? []).map(shortHash);
		const refusal: Refusal = {reason, deviceId: request.deviceId, scopes, rejectAt: null, rejected: false};
		// An unknown client is somebody else's business: never touched. Nor can be what has no id.
		if (request.requestId !== null && matchingEntry(request, this.#policy)) {
			const predecessor = request.deviceId === null ? undefined : predecessors.get(request.deviceId);
			refusal.rejectAt = this.#rejectAt(keyOf(request), scopes, predecessor, now);
		}
		this.#refused.set(keyOf(request), refusal);
		return refusal;
	}

	/**
	 * A refused request poisons its device: the gateway merges the device's later, harmless asks into it, so it is rejected in the end.
	 * A human has `refusalHold` to approve it, unless the device asked again meanwhile (the merged ask is wider) or we caused it ourselves.
	 */
	#rejectAt(key: string, scopes: readonly string[], predecessor: Refusal | undefined, now: number): number | null {
		if (this.#policy.onRefused === 'ignore') return null;
		if (this.#policy.onRefused === 'reject' || this.#caused.has(key)) return now;
		if (predecessor && isWithin(predecessor.scopes, scopes) && !isWithin(scopes, predecessor.scopes)) return now;
		// 2026.5.27 gives the same ask a new id each time; the human's time runs from the first.
		if (predecessor && isWithin(predecessor.scopes, scopes)) return predecessor.rejectAt;
		return now + this.#policy.refusalHold;
	}
}

function shortHash(text: string): string {
	return createHash('sha256').update(text).digest('base64url').slice(0, 12);
}

/** The device is paired and has every scope the request names. */
function hasAll({deviceId, scopes}: PairingRequest, paired: readonly PairedDevice[]): boolean {
	const device = paired.find(known => known.deviceId === deviceId);
	return device !== undefined && isWithin(scopes ?? [], device.scopes);
}

/** What a listed entry is remembered by. */
export function keyOf(request: PairingRequest | MalformedRequest): string {
	return request.kind === 'request' ? request.requestId : request.key;
}
