import {messageOf} from './text.ts';

/**
 * How an exchange with OpenClaw can fail. `refused`: the gateway or a command said no; `unsafe`: we would not do it; `hostile`: we broke it off; `unfit`: it cannot work that way until
 * somebody changes something, so there is no use in trying again soon. */
export const CLIENT_FAILURES = [
	'timeout',
	'refused',
	'unreadable',
	'unreachable',
	'unsafe',
	'hostile',
	'unfit',
] as const;
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
