import type {Decision, Subject} from '../../worker/protocol.ts';
import type {RefusalReason} from '../../worker/requests/policy.ts';
import type {FinishedCall} from '../calls/turns.ts';
import type {ExitReason} from '../status/schema.ts';

/** What is counted when it happens, since no later look at the status would find it. */
export type Counted =
	/** `latencyMs`: from the request's creation, in milliseconds; `null` when the gateway gave no time. */
	| {readonly kind: 'approved'; readonly by: Subject['by']; readonly latencyMs: number | null}
	| {readonly kind: 'rejected'; readonly by: Subject['by']}
	| {readonly kind: 'refused'; readonly reason: RefusalReason}
	/** An approve or a reject did not succeed, as far as is known. */
	| {readonly kind: 'failed'; readonly action: Subject['action']}
	| {readonly kind: 'restarted'; readonly reason: ExitReason}
	| {readonly kind: 'called'; readonly call: FinishedCall};

/** Takes what is to be counted; neither takes time nor throws. */
export type Tally = (counted: Counted) => void;

/** What of a decision is counted; `null` for one that was counted before, or is none that is. */
export function countedIn(decision: Decision): Counted | null {
	switch (decision.kind) {
		case 'approved':
			return decision.isAgain ? null : {kind: 'approved', by: decision.by, latencyMs: decision.latencyMs};
		case 'rejected':
			return {kind: 'rejected', by: decision.by};
		case 'refused':
			return {kind: 'refused', reason: decision.reason};
		case 'failed':
			return {kind: 'failed', action: decision.action};
		case 'alarm':
			return null;
	}
}
