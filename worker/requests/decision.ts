import {toClientError} from '../client-error.ts';
import type {DecisionResult, PersonalDecision} from '../protocol.ts';
import {approve, type DeedDeps, type DeedResult, reject, whyBlocked} from './carry-out.ts';
import {digestOf, givesOf} from './gives.ts';
import type {Listing} from './listing.ts';
import {keyOf} from './record.ts';
import {isRequestId} from './request.ts';

/** How often it is listed anew because another transport has taken over meanwhile. */
const MAX_LISTS = 3;

/** More scopes than this nobody has been shown, so nobody has agreed to them. */
export const MAX_SHOWN = 64;

/**
 * Does what a person wants of one request, whatever the policy says of it, if a fresh listing still has what the person has seen. An alarm stands above it:
 * somebody has to look at what raised it first. Rejects only with the reason of an aborted signal.
 */
export async function carryOutDecision(decision: PersonalDecision, deps: DeedDeps): Promise<DecisionResult> {
	const {client, signal} = deps;
	if (!isRequestId(decision.requestId)) return failure('that is not the id of a request that can be decided');
	try {
		for (let tries = 0; tries < MAX_LISTS; tries++) {
			const listing = await client.list(signal);
			if (!client.isStale) return await decideIn(listing, decision, deps);
		}
		return failure('the way to the gateway changes all the time; try again');
	} catch (error) {
		signal.throwIfAborted();
		return failure(`the sandbox cannot be asked: ${toClientError(error).message}`);
	}
}

async function decideIn(listing: Listing, decision: PersonalDecision, deps: DeedDeps): Promise<DecisionResult> {
	const {action, requestId, digest} = decision;
	const request = listing.pending.find(each => keyOf(each) === requestId && each.requestId !== null);
	if (!request)
		return failure('no such request is pending: it was replaced or settled, or has expired; see pairkeeper pending');
	if (digest !== null && digest !== digestOf(request, listing.paired))
		return failure('the request is another one by now, or would give something else; see pairkeeper pending');
	if (action === 'reject') return outcomeOf(await reject(request, requestId, 'person', deps), 'rejected');
	if (digest === null) return failure('an approval needs the digest of what was seen; see pairkeeper pending');
	if (request.kind === 'malformed') return failure('the request cannot be read, so nobody can say what it would give');
	const gives = givesOf(request, listing.paired);
	if (gives === null || gives.length > MAX_SHOWN)
		return failure('nobody can say what the request would give: what its device has cannot be read or shown');
	const alarm = whyBlocked(deps);
	if (alarm !== null)
		return failure(
			`nothing is approved in this sandbox (alarm: ${alarm}); look at what raised it, then clear it: pairkeeper reload`,
		);
	const result = outcomeOf(await approve(request, listing, 'person', deps), 'approved');
	const raised = deps.ledger.alarm;
	return raised === null ? result : {...result, detail: `${result.detail}; alarm: ${raised}`};
}

function outcomeOf(deed: DeedResult, done: string): DecisionResult {
	switch (deed.kind) {
		case 'done':
			return {result: 'done', detail: done};
		case 'failed':
			return failure(deed.error.message);
		case 'unrecorded':
			return failure(`not done: ${deed.error.message}`);
	}
}

function failure(detail: string): DecisionResult {
	return {result: 'failed', detail};
}
