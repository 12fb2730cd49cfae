import * as z from 'zod';
import {ACTIONS} from '../../worker/protocol.ts';
import {MAX_APPROVE_TIMEOUT} from './bounds.ts';
import {pendingSchema} from './pending.ts';

const sandbox = z.string().max(63);
/** Milliseconds. */
const timeout = z.number().min(0).max(MAX_APPROVE_TIMEOUT);

/** What a client may ask over the control socket: one JSON object on a line, answered by one on a line. */
export const controlRequestSchema = z.discriminatedUnion('op', [
	z.strictObject({op: z.literal('approve'), sandbox, timeout}),
	z.strictObject({op: z.literal('kick'), sandboxes: z.array(sandbox).max(10_000)}),
	z.strictObject({op: z.literal('reload')}),
	z.strictObject({op: z.literal('pending')}),
	/** A person decides about one request. Not for the group's socket. */
	z.strictObject({
		op: z.literal('decide'),
		sandbox,
		action: z.enum(ACTIONS),
		request: z.string().max(128),
		/** Of the request that the person has seen; `null` only to reject. */
		digest: z.string().max(128).nullable(),
		timeout,
	}),
]);
export type ControlRequest = z.infer<typeof controlRequestSchema>;

/** The answer. `refused`: what was asked is at fault, such as an unknown sandbox or an invalid configuration. `detail` tells a person what was done, or why not. */
export const controlResponseSchema = z.object({
	result: z.enum(['done', 'failed', 'refused']),
	detail: z.string(),
	/** The answer to `pending`. */
	pending: z.array(pendingSchema).readonly().optional(),
});
export type ControlResponse = z.infer<typeof controlResponseSchema>;

/** So many requests that wait for a person are told at most; each sandbox has its share. */
export const MAX_PENDING = 1000;

/** The longest line a server reads, in bytes: a kick may name thousands of sandboxes. */
export const MAX_REQUEST = 2 ** 20;

/** The longest line that is read of a group's members, in bytes. */
export const MAX_GROUP_REQUEST = 4096;

/** The longest line a client reads, in bytes. */
export const MAX_RESPONSE = 16 * 2 ** 20;
