import * as z from 'zod';
import {MAX_APPROVE_TIMEOUT} from './bounds.ts';

/** What a client may ask over the control socket: one JSON object on a line, answered by one on a line. */
export const controlRequestSchema = z.discriminatedUnion('op', [
	z.strictObject({
		op: z.literal('approve'),
		sandbox: z.string().max(63),
		/** Milliseconds. */
		timeout: z.number().min(0).max(MAX_APPROVE_TIMEOUT),
	}),
	z.strictObject({op: z.literal('kick'), sandboxes: z.array(z.string().max(63)).max(10_000)}),
	z.strictObject({op: z.literal('reload')}),
]);
export type ControlRequest = z.infer<typeof controlRequestSchema>;

/** The answer. `refused`: what was asked is at fault, such as an unknown sandbox or an invalid configuration. `detail` tells a person what was done, or why not. */
export const controlResponseSchema = z.object({result: z.enum(['done', 'failed', 'refused']), detail: z.string()});
export type ControlResponse = z.infer<typeof controlResponseSchema>;

/** The longest line either side reads, in bytes. */
export const MAX_LINE = 2 ** 20;
