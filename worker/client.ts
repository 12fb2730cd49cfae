import type {ApprovalAnswer, Listing} from './listing.ts';

/** What a transport can ask a gateway. Every method is bounded in time by itself and rejects with a {@link ClientError}, or at once when `signal` aborts. */
export interface OpenClawClient {
	/** What is pending and paired. */
	list(signal: AbortSignal): Promise<Listing>;
	approve(requestId: string, signal: AbortSignal): Promise<ApprovalAnswer>;
	reject(requestId: string, signal: AbortSignal): Promise<void>;
}

/** How an exchange with OpenClaw failed. `refused`: the gateway or the CLI said no; `unsafe`: we would not run it. */
export type ClientFailure = 'timeout' | 'refused' | 'unreadable' | 'unreachable' | 'unsafe';

/** An exchange with OpenClaw failed; the message is safe to show. */
export class ClientError extends Error {
	override readonly name = 'ClientError';
	readonly failure: ClientFailure;
	/** Ids of pending requests that the failed exchange itself created or replaced, as it said. */
	readonly caused: readonly string[];

	constructor(
		failure: ClientFailure,
		message: string,
		{cause, caused = []}: {cause?: unknown; caused?: readonly string[]} = {},
	) {
		super(message, cause === undefined ? undefined : {cause});
		this.failure = failure;
		this.caused = caused;
	}
}
