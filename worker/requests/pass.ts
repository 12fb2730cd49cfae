import {type ClientError, toClientError} from '../client-error.ts';
import type {Clock} from '../clock.ts';
import {printableList} from '../text.ts';
import type {OpenClawClient} from '../transport/client.ts';
import {approverScopes} from './approver-scopes.ts';
import type {Ledger} from './ledger.ts';
import type {ApprovalAnswer, Listing} from './listing.ts';
import type {Plan, Step} from './plan.ts';
import {type MalformedRequest, PAIRING_SCOPE, type PairingRequest, type RefusalReason} from './policy.ts';

/** How often one pass lists: a failed approval may have replaced the request, so it is looked for again at once, but not for ever. */
const MAX_ROUNDS = 3;

/** What happened to a request, or in a pass. */
export type PassEvent =
	| {readonly kind: 'listed'; readonly pending: number; readonly ignored: number}
	| {readonly kind: 'attempt'; readonly requestId: string}
	| {readonly kind: 'approved'; readonly request: PairingRequest}
	| {readonly kind: 'refused'; readonly request: PairingRequest | MalformedRequest; readonly reason: RefusalReason}
	| {readonly kind: 'rejected'; readonly requestId: string}
	| {readonly kind: 'superseded'; readonly requestId: string}
	| {readonly kind: 'retry'; readonly requestId: string; readonly error: ClientError}
	| {readonly kind: 'alarm'; readonly reason: string};

/** The result of one pass: one to three rounds of list, decide, approve. */
export interface PassOutcome {
	/** Why the pass failed, or `null`: a list that failed; a failed approval is no failed pass, its request is due again. */
	readonly error: ClientError | null;
	readonly approved: number;
	readonly refused: number;
	/** Approvals and rejections that failed and were not settled by a later round. */
	readonly retries: number;
	/** Allowed request ids met, approved ones included. */
	readonly allowed: readonly string[];
	/** Requests that a later pass has to settle. */
	readonly undecided: number;
	/** More was due than one pass may do. */
	readonly hasMore: boolean;
	/** The gateway knows at least one device. */
	readonly paired: boolean;
}

/** What a pass works with. */
export interface PassDeps {
	readonly client: OpenClawClient;
	readonly ledger: Ledger;
	readonly clock: Clock;
	/** Approvals tried in this pass at most, rejections as many again. */
	readonly maxApprovals: number;
	/** Is told what has happened, as soon as the ledger knows of it, and all of it at once, so that nothing is lost with the worker. */
	readonly report: (events: readonly PassEvent[]) => void;
	/** Ends the pass early with the signal's reason. */
	readonly signal: AbortSignal;
}

/** One pass. Never rejects but with the reason of an aborted `signal`. */
export async function runPass(deps: PassDeps): Promise<PassOutcome> {
	const {client, ledger, clock, signal} = deps;
	const tally = new Tally(deps);
	try {
		for (let round = 1; round <= MAX_ROUNDS; round++) {
			const listing = await client.list(signal);
			const plan = ledger.plan(listing, clock.now());
			tally.take(listing, plan);
			const isDone = await tally.carryOut(plan.steps, listing);
			if (isDone) break;
		}
	} catch (error) {
		signal.throwIfAborted();
		return tally.outcome(toClientError(error));
	}
	return tally.outcome(null);
}

/** Carries out the steps of a pass and keeps its count. */
class Tally {
	readonly #deps: PassDeps;
	readonly #allowed = new Set<string>();
	#approvals = 0;
	#rejections = 0;
	#approvedCount = 0;
	#refused = 0;
	#retries = 0;
	#undecided = 0;
	#hasMore = false;
	#paired = false;

	constructor(deps: PassDeps) {
		this.#deps = deps;
	}

	/** Tells what a listing says, before anything is done about it: what is refused, and what became of the approvals that were in doubt. */
	take(listing: Listing, {steps, allowed, undecided, vanished}: Plan): void {
		const events: PassEvent[] = [];
		for (const {request, granted} of vanished) {
			this.#retries = Math.max(this.#retries - 1, 0);
			events.push(granted ? this.#approved(request) : {kind: 'superseded', requestId: request.requestId});
		}
		// After what is listed no more, and before what is.
		events.push({kind: 'listed', pending: listing.pending.length, ignored: listing.ignored});
		for (const step of steps) {
			if (step.kind !== 'refuse') continue;
			this.#refused++;
			events.push({kind: 'refused', request: step.request, reason: step.reason});
		}
		this.#paired = listing.paired.length > 0;
		this.#undecided = undecided;
		for (const id of allowed) this.#allowed.add(id);
		this.#deps.report(events);
	}

	/** Whether all that was due is done; `false` asks for another round. */
	async carryOut(steps: readonly Step[], listing: Listing): Promise<boolean> {
		const {client, ledger, maxApprovals} = this.#deps;
		for (const step of steps) {
			if (step.kind === 'refuse') continue;
			if (client.isStale) return false;
			if (step.kind === 'reject') {
				if (this.#rejections++ >= maxApprovals) this.#hasMore = true;
				else if (!(await this.#reject(step.requestId))) return false;
			} else if (ledger.alarm === null) {
				if (this.#approvals++ >= maxApprovals) this.#hasMore = true;
				else if (!(await this.#approve(step.request, listing))) return false;
			}
		}
		return true;
	}

	outcome(error: ClientError | null): PassOutcome {
		return {
			error,
			approved: this.#approvedCount,
			refused: this.#refused,
			retries: this.#retries,
			allowed: [...this.#allowed],
			undecided: this.#undecided,
			hasMore: this.#hasMore,
			paired: this.#paired,
		};
	}

	async #approve(request: PairingRequest, listing: Listing): Promise<boolean> {
		const {client, ledger, clock, report, signal} = this.#deps;
		const {requestId} = request;
		ledger.attempt(request, listing.paired);
		report([{kind: 'attempt', requestId}]);
		let answer: ApprovalAnswer;
		try {
			answer = await client.approve({requestId, needs: approverScopes(request, listing.paired)}, signal);
		} catch (error) {
			signal.throwIfAborted();
			this.#failed(requestId, toClientError(error), clock.now());
			return false;
		}
		const events = [this.#approved(request)];
		const alarm = alarmIn(answer, request, listing, ledger);
		if (alarm !== null) {
			ledger.raiseAlarm(alarm);
			events.push({kind: 'alarm', reason: alarm});
		}
		this.#undecided--;
		report(events);
		return true;
	}

	async #reject(requestId: string): Promise<boolean> {
		const {client, ledger, clock, report, signal} = this.#deps;
		try {
			await client.reject(requestId, signal);
		} catch (error) {
			signal.throwIfAborted();
			this.#failed(requestId, toClientError(error), clock.now());
			return false;
		}
		this.#undecided--;
		ledger.rejected(requestId);
		report([{kind: 'rejected', requestId}]);
		return true;
	}

	#approved(request: PairingRequest): PassEvent {
		this.#approvedCount++;
		this.#deps.ledger.approved(request.requestId);
		return {kind: 'approved', request};
	}

	#failed(requestId: string, error: ClientError, now: number): void {
		this.#retries++;
		this.#deps.ledger.failed(requestId, now, error);
		this.#deps.report([{kind: 'retry', requestId, error}]);
	}
}

/** Why an answer to approve cannot be trusted, or `null`. The device keeps what it had, so that is no widening. */
function alarmIn(answer: ApprovalAnswer, request: PairingRequest, {paired}: Listing, ledger: Ledger): string | null {
	const {requestId, deviceId} = request;
	if (answer.deviceId !== null && deviceId !== null && answer.deviceId !== deviceId) {
		return `approving ${requestId} was answered for another device than the one decided on`;
	}
	const had = paired.find(device => device.deviceId === deviceId)?.scopes ?? [];
	// 2026.5.27's CLI may approve, in the same call, the replacement that its own approve has caused, which adds pairing.
	const added = ledger.mayGrant(request, PAIRING_SCOPE) ? [PAIRING_SCOPE] : [];
	const decided = [...had, ...(request.scopes ?? []), ...added];
	const extra = (answer.scopes ?? []).filter(scope => !decided.includes(scope));
	if (extra.length > 0)
		return `approving ${requestId} granted more than was decided: ${printableList(extra).slice(0, 4).join(' ')}`;
	return null;
}
