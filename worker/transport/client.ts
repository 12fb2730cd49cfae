import type {ApprovalAnswer, Listing} from '../requests/listing.ts';

/** An approval that is to be made. */
export interface Approval {
	readonly requestId: string;
	/** The scopes that the gateway wants its approver to have (`approverScopes`). */
	readonly needs: readonly string[];
}

/** What a transport can ask a gateway. Every method is bounded in time by itself and rejects with a `ClientError`, or at once when `signal` aborts. */
export interface OpenClawClient {
	/** What was listed last must not be acted on any more: it has to be listed again. */
	readonly isStale: boolean;
	/** What is pending and paired. */
	list(signal: AbortSignal): Promise<Listing>;
	approve(approval: Approval, signal: AbortSignal): Promise<ApprovalAnswer>;
	reject(requestId: string, signal: AbortSignal): Promise<void>;
}
