import {type ClientError, toClientError} from '../client-error.ts';
import type {Clock} from '../clock.ts';
import type {Action, Snapshot} from '../protocol.ts';
import type {OpenClawClient} from '../transport/client.ts';
import {alarmInAnswer} from './alarm.ts';
import {approverScopes} from './approver-scopes.ts';
import type {Ledger} from './ledger.ts';
import type {Listing} from './listing.ts';
import type {Decider, MalformedRequest, PairingRequest} from './request.ts';

/** What is about to be done, or was. */
export interface Deed {
	readonly action: Action;
	readonly by: Decider;
	readonly request: PairingRequest | MalformedRequest;
	readonly transport: Snapshot['transport'];
}

/** What happened to a request at the gateway. */
export type DeedEvent =
	| {readonly kind: 'attempt'; readonly requestId: string}
	/** `isNews`: it was not told before, of a try that proved to have failed. */
	| ({readonly kind: 'approved'; readonly request: PairingRequest; readonly isNews: boolean} & Omit<
			Deed,
			'action' | 'request'
	  >)
	| ({readonly kind: 'rejected'} & Omit<Deed, 'action'>)
	/** It did not succeed, or nobody knows whether it did. */
	| ({readonly kind: 'failed'; readonly error: ClientError} & Deed)
	/** It was not done, since it could not be written down before. */
	| ({readonly kind: 'unrecorded'; readonly error: ClientError} & Deed)
	| {readonly kind: 'alarm'; readonly reason: string};

/** What approving and rejecting work with. */
export interface DeedDeps {
	readonly client: OpenClawClient;
	readonly ledger: Ledger;
	readonly clock: Clock;
	/** By what transport things are done now. */
	readonly via: () => Snapshot['transport'];
	/** Resolves when this is written down, and rejects with a {@link ClientError} where it cannot be. */
	readonly intend: (deed: Deed, signal: AbortSignal) => Promise<void>;
	/** Is told what has happened, as soon as the ledger knows of it, and all of it at once. */
	readonly report: (events: readonly DeedEvent[]) => void;
	readonly signal: AbortSignal;
}

/** How a deed went; what has failed may have been done all the same, what is `unrecorded` was not tried. */
export type DeedResult =
	| {readonly kind: 'done'}
	| {readonly kind: 'failed' | 'unrecorded'; readonly error: ClientError};

/** Why nothing is to be approved, if only from now on, which is told then; `null`: it may be. */
export function whyBlocked({ledger, clock, report}: Pick<DeedDeps, 'ledger' | 'clock' | 'report'>): string | null {
	const before = ledger.alarm;
	const alarm = ledger.blocked(clock.now());
	if (alarm !== null && before === null) report([{kind: 'alarm', reason: alarm}]);
	return alarm;
}

/** Approves a request of this listing. Rejects only with the reason of an aborted signal. */
export async function approve(
	request: PairingRequest,
	{paired}: Listing,
	by: Decider,
	deps: DeedDeps,
): Promise<DeedResult> {
	const {client, ledger, clock, report, signal} = deps;
	const {requestId} = request;
	const deed = {action: 'approve', by, request, transport: deps.via()} as const;
	const unrecorded = await recorded(deed, deps);
	if (unrecorded !== null) return unrecorded;
	const isOnlyTry = !ledger.isInDoubt(requestId);
	ledger.attempt(request, paired, by);
	report([{kind: 'attempt', requestId}]);
	try {
		const answer = await client.approve({requestId, needs: approverScopes(request, paired)}, signal);
		const alarm = alarmInAnswer(answer, request, ledger.expectedOf(requestId));
		const isNews = ledger.approved(request, by, clock.now());
		if (alarm !== null) ledger.raiseAlarm(alarm);
		const alarms = alarm === null ? [] : [{kind: 'alarm', reason: alarm} as const];
		report([{kind: 'approved', request, by, transport: deed.transport, isNews}, ...alarms]);
		return {kind: 'done'};
	} catch (error) {
		const result = failed(deed, error, deps);
		if (by === 'person' && isOnlyTry) ledger.failedForPerson(requestId, clock.now(), result.error.message);
		return result;
	}
}

/** Rejects a request of this id. Rejects only with the reason of an aborted signal. */
export async function reject(
	request: PairingRequest | MalformedRequest,
	requestId: string,
	by: Decider,
	deps: DeedDeps,
): Promise<DeedResult> {
	const {client, ledger, clock, report, signal} = deps;
	const deed = {action: 'reject', by, request, transport: deps.via()} as const;
	const unrecorded = await recorded(deed, deps);
	if (unrecorded !== null) return unrecorded;
	try {
		await client.reject(requestId, signal);
	} catch (error) {
		return failed(deed, error, deps);
	}
	ledger.rejected(requestId, clock.now());
	report([{kind: 'rejected', request, by, transport: deed.transport}]);
	return {kind: 'done'};
}

async function recorded(deed: Deed, {intend, report, signal}: DeedDeps): Promise<DeedResult | null> {
	try {
		await intend(deed, signal);
		return null;
	} catch (thrown) {
		signal.throwIfAborted();
		const error = toClientError(thrown);
		// Who has not answered may have written it down, or do so yet: then it has an outcome too.
		const kind = error.failure === 'timeout' ? 'failed' : 'unrecorded';
		report([{kind, error, ...deed}]);
		return {kind: 'unrecorded', error};
	}
}

function failed(
	deed: Deed,
	thrown: unknown,
	{ledger, clock, report, signal}: DeedDeps,
): Exclude<DeedResult, {kind: 'done'}> {
	signal.throwIfAborted();
	const error = toClientError(thrown);
	const {requestId} = deed.request;
	// What a person wanted is not tried again by itself.
	if (deed.by === 'person') ledger.caused(error.caused.filter(id => id !== requestId));
	else if (requestId !== null) ledger.failed(requestId, clock.now(), error);
	report([{kind: 'failed', error, ...deed}]);
	return {kind: 'failed', error};
}
