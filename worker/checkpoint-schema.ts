import * as z from 'zod';
import {ledgerSchema} from './requests/ledger-schema.ts';
import {recordSchema} from './requests/record-schema.ts';
import {cadenceSchema} from './watch/cadence-schema.ts';

/** What a worker hands to its successor. Times are monotonic milliseconds, so it is good until the next boot. */
export const checkpointSchema = z.object({
	/** `null` before the first poll. */
	cadence: cadenceSchema.nullable(),
	/** Failed passes in a row. */
	failures: z.number(),
	/** Why the last pass failed, or `null` where it did not. */
	lastError: z.string().nullable(),
	ledger: ledgerSchema,
});
export type Checkpoint = Readonly<z.infer<typeof checkpointSchema>>;

const ledgerChangesSchema = z
	.object({
		...ledgerSchema.shape,
		/** By request: its record, or `null` where it is forgotten. */
		requests: z.record(z.string(), recordSchema.nullable()),
	})
	.partial();

/** What of a checkpoint is another than before. A field that is absent is as it was; of a cadence where there was none, as in `slowCadence`. */
export const checkpointChangesSchema = z
	.object({...checkpointSchema.shape, cadence: cadenceSchema.partial().nullable(), ledger: ledgerChangesSchema})
	.partial();
export type CheckpointChanges = Readonly<z.infer<typeof checkpointChangesSchema>>;
