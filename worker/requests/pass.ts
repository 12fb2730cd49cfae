import {ClientError, toClientError} from '../client-error.ts';
import {STILL_LISTED} from './answered.ts';
import {approve, type DeedDeps, type DeedEvent, type DeedResult, reject, whyBlocked} from './carry-out.ts';
import type {Listing} from './listing.ts';
import type {Held, Plan, Step, Unsettled, Vanished} from './plan.ts';
import type {RefusalReason} from './policy.ts';
import type {MalformedRequest, PairingRequest} from './request.ts';

/** How often one pass lists: a failed approval may have replaced the request, so it is looked for again at once, but not for ever. */
const MAX_ROUNDS = 3;

/** What happened to a request, or in a pass. */
export type PassEvent =
	| DeedEvent
	| {
			readonly kind: 'listed';
			readonly pending: number;
			readonly ignored: number;
			readonly held: readonly Held[];
			/** Paired devices that have more than the policy would let any client have. */
			readonly widePaired: number;
	  }
	| {
			readonly kind: 'refused';
			readonly request: PairingRequest | MalformedRequest;
			readonly reason: RefusalReason;
			readonly gives: readonly string[];
	  }
	| {readonly kind: 'superseded'; readonly requestId: string}
	/** A request we had seen pending was approved, and not by us. */
	| {readonly kind: 'foreign-approval'; readonly requestId: string; readonly deviceId: string};

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

/** What a pass works with; its `signal` ends it early, with the signal's reason. */
export interface PassDeps extends Omit<DeedDeps, 'report'> {
	/** Approvals tried in this pass at most, rejections as many again. */
	readonly maxApprovals: number;
	readonly report: (events: readonly PassEvent[]) => void;
}

/** One pass. Never rejects but with the reason of an aborted `signal`. */
export async function runPass(deps: PassDeps): Promise<PassOutcome> {
	const {client, ledger, clock, signal} = deps;
	const tally = new Tally(deps);
	try {
		for (let round = 1; round <= MAX_ROUNDS; round++) {
			const listing = await client.list(signal);
			const plan = ledger.plan(listing, clock.now(), client.connection ?? null);
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
	take(listing: Listing, {steps, allowed, undecided, vanished, held, unsettled}: Plan): void {
		const events: PassEvent[] = vanished.flatMap(each => this.#becameOf(each));
		// After what is listed no more, and before what is.
		const {pending, ignored, paired} = listing;
		const widePaired = this.#deps.ledger.countWide(paired);
		events.push({kind: 'listed', pending: pending.length, ignored, held, widePaired});
		events.push(...unsettled.map(each => this.#failedAfterAll(each)));
		for (const step of steps) {
			if (step.kind !== 'refuse') continue;
			this.#refused++;
			events.push({...step, kind: 'refused'});
		}
		this.#paired = listing.paired.length > 0;
		this.#undecided = undecided;
		for (const id of allowed) this.#allowed.add(id);
		this.#deps.report(events);
	}

	/** Whether all that was due is done; `false` asks for another round. */
	async carryOut(steps: readonly Step[], listing: Listing): Promise<boolean> {
		const {client, ledger, clock, maxApprovals} = this.#deps;
		for (const step of steps) {
			if (step.kind === 'refuse') continue;
			if (client.isStale) return false;
			if (ledger.isSpent(clock.now())) return true;
			if (step.kind === 'approve' && whyBlocked(this.#deps) !== null) continue;
			const tried = step.kind === 'reject' ? this.#rejections++ : this.#approvals++;
			if (tried >= maxApprovals) {
				this.#hasMore = true;
				continue;
			}
			const {kind} = await this.#carryOut(step, listing);
			if (kind === 'done') continue;
			this.#retries++;
			// What cannot be written down is not for another round to try.
			return kind === 'unrecorded';
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

	async #carryOut(step: Exclude<Step, {kind: 'refuse'}>, listing: Listing): Promise<DeedResult> {
		const result =
			step.kind === 'reject'
				? await reject(step.request, step.requestId, 'policy', this.#deps)
				: await approve(step.request, listing, 'policy', this.#deps);
		if (result.kind === 'done') {
			this.#undecided--;
			if (step.kind === 'approve') this.#approvedCount++;
		}
		return result;
	}

	#failedAfterAll({request, by}: Unsettled): PassEvent {
		this.#retries++;
		const error = new ClientError('unreadable', STILL_LISTED);
		return {kind: 'failed', action: 'approve', by, request, transport: this.#deps.via(), error};
	}

	#becameOf(vanished: Vanished): PassEvent[] {
		if (vanished.kind === 'foreign') {
			const {requestId, deviceId} = vanished;
			return [{kind: 'foreign-approval', requestId, deviceId}];
		}
		const {ledger, clock, via} = this.#deps;
		const {request, by, granted, isTold, alarm} = vanished;
		this.#retries = Math.max(this.#retries - 1, 0);
		if (alarm !== null) ledger.raiseAlarm(alarm);
		const alarms: PassEvent[] = alarm === null ? [] : [{kind: 'alarm', reason: alarm}];
		if (!granted) return [{kind: 'superseded', requestId: request.requestId}, ...alarms];
		if (isTold) return alarms;
		this.#approvedCount++;
		ledger.approved(request, by, clock.now());
		return [{kind: 'approved', request, by, transport: via(), isNews: true}, ...alarms];
	}
}
