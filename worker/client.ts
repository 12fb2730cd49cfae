import type {ApprovalAnswer, Listing} from './listing.ts';
import {messageOf} from './text.ts';

/** What a transport can ask a gateway. Every method is bounded in time by itself and rejects with a {@link ClientError}, or at once when `signal` aborts. */
export interface OpenClawClient {
	/** What was listed last must not be acted on any more: it has to be listed again. */
	readonly isStale: boolean;
	/** What is pending and paired. */
	list(signal: AbortSignal): Promise<Listing>;
	approve(requestId: string, signal: AbortSignal): Promise<ApprovalAnswer>;
	reject(requestId: string, signal: AbortSignal): Promise<void>;
}

/** How an exchange with OpenClaw can fail. `refused`: the gateway or a command said no; `unsafe`: we would not do it; `hostile`: we broke it off. */
export const CLIENT_FAILURES = ['timeout', 'refused', 'unreadable', 'unreachable', 'unsafe', 'hostile'] as const;
export type ClientFailure = (typeof CLIENT_FAILURES)[number];

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

/** The error itself if it is a {@link ClientError}; anything else is one by which OpenClaw could not be reached. */
export function toClientError(error: unknown): ClientError {
	return error instanceof ClientError ? error : new ClientError('unreachable', messageOf(error), {cause: error});
}
