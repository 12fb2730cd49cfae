import * as z from 'zod';
import {recordsSchema} from './record-schema.ts';

/** What one worker hands to the next about the requests it has met. Times are monotonic milliseconds. */
export const ledgerSchema = z.object({
	/** A hash of the policy by which requests were refused; under another one they are decided anew. */
	policy: z.string(),
	requests: recordsSchema,
	/** Ids of requests that our own failed approvals caused, the latest ones. */
	caused: z.array(z.string()).readonly(),
	/** Something has been approved here at some time. */
	hasApproved: z.boolean(),
	/** How many were approved in each stretch of the last hour. */
	approvals: z.array(z.object({from: z.number(), count: z.number()})).readonly(),
	/** How many were rejected, or could not be settled, in each stretch of the last hour. */
	futile: z
		.array(z.object({from: z.number(), count: z.number()}))
		.readonly()
		.default([]),
	/** What a person has removed in this shift, devices and single roles of them, as `Removals` has it; as many as are remembered. */
	removed: z.array(z.string()).readonly(),
	/** The last approval of a request we had seen pending that was not ours. */
	foreign: z.object({requestId: z.string(), at: z.number()}).nullable(),
	/** Why nothing is approved in this sandbox any more, until a reload. */
	alarm: z.string().nullable(),
});
export type LedgerState = Readonly<z.infer<typeof ledgerSchema>>;
