import type {Decision, HeldRequest, Snapshot, Subject} from '../../worker/protocol.ts';
import type {ExitReason} from '../status/schema.ts';

/** Whoever keeps a record of what happens to a sandbox's requests, and tells others. None of it may take time, nor throw. */
export interface Witness {
	/**
	 * Something is going to be done; `reason`: what the policy says of the request. Resolves with `null` when it may be done, else with why it must not be.
	 * Never rejects.
	 */
	intent(sandbox: string, subject: Subject, reason: string | null): Promise<string | null>;
	/** Something was decided, or became of what was to be done. */
	decided(sandbox: string, decision: Decision, transport: Snapshot['transport'] | null): void;
	/** Those are all requests now that wait for a person. */
	held(sandbox: string, requests: readonly HeldRequest[]): void;
	/** A worker has ended by itself, and the next one is to come. */
	restarted(sandbox: string, reason: ExitReason): void;
	/** The worker is gone: nobody says any more what became of what it has begun. */
	gone(sandbox: string): void;
}

/** Keeps no record. */
export const nobody: Witness = {
	intent: async () => null,
	decided: () => {},
	held: () => {},
	restarted: () => {},
	gone: () => {},
};

/** What the policy says of what is going to be done. `held`: what it refuses. */
export function reasonOf({action, by, requestId}: Subject, held: readonly HeldRequest[]): string | null {
	return action === 'approve' && by === 'policy'
		? 'allowed'
		: (held.find(request => request.requestId === requestId)?.reason ?? null);
}
