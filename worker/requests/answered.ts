import {afterFailure} from './attempts.ts';
import {digestOf} from './gives.ts';
import {type Approved, type Attempted, hasAll, type RequestRecord} from './record.ts';
import type {MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

/** Why a request is not settled that was answered with a yes: a program between us and OpenClaw may swallow its exit code. */
export const STILL_LISTED = 'its approval was answered with a yes, and it is listed all the same';

/**
 * What a listing says of a request that we have asked to be approved. A listing is never begun before the answer to an approval has come, so that an entry in
 * it is no leftover.
 */
export type Standing =
	/** Its device has what it asked for: the entry means nothing any more. */
	| 'settled'
	/** The answer was not true. */
	| 'unsettled'
	/** Something else is asked for under its id. */
	| 'another';

/** How a request stands that was answered with a yes and is listed. Pure. */
export function standingOf(
	{request: approved, had}: Approved,
	listed: PairingRequest | MalformedRequest,
	paired: readonly PairedDevice[],
): Standing {
	if (!isSameAsk(approved, listed)) return 'another';
	return !had && hasAll(approved, paired) ? 'settled' : 'unsettled';
}

/** What is remembered of a listed request, unless something else was asked for under its id when a yes to it was told. Pure. */
export function withoutOther(
	known: RequestRecord | undefined,
	listed: PairingRequest | MalformedRequest,
): RequestRecord | undefined {
	return known?.kind === 'attempted' && known.isTold && !isSameAsk(known.request, listed) ? undefined : known;
}

/** An answer that was not true is one more failed try. Times in monotonic milliseconds. */
export function reopened({attempts, ...attempt}: Approved, now: number, slowInterval: number): Attempted {
	return {
		...attempt,
		kind: 'attempted',
		isTold: true,
		attempts: afterFailure(attempts, STILL_LISTED, now, slowInterval),
	};
}

/** The same device asks for the same; what it would get for that depends on what it has by now. */
export function isSameAsk(one: PairingRequest, other: PairingRequest | MalformedRequest): boolean {
	return digestOf(one, []) === digestOf(other, []);
}
