import * as z from 'zod';

/** The cadence's knobs; durations in milliseconds. */
export const cadenceConfigSchema = z.object({
	fastDeadline: z.number(),
	fastInterval: z.number(),
	slowInterval: z.number(),
	fastReentryPolls: z.number(),
	fastReentryInterval: z.number(),
});
export type CadenceConfig = Readonly<z.infer<typeof cadenceConfigSchema>>;

/** How eagerly a sandbox is polled. */
export const MODES = ['fast', 'slow'] as const;

/** Where a sandbox's polling stands; handed from a worker to the next. Times are monotonic milliseconds. */
export const cadenceSchema = z.object({
	mode: z.enum(MODES),
	quietPolls: z.number(),
	/** Fast polls still bought in slow mode. */
	reentryPolls: z.number(),
	/** When the present fast polling began, or `null` while it is slow. */
	fastSince: z.number().nullable(),
	/** Finished stretches of fast polling of the last hour. */
	spent: z.array(z.object({from: z.number(), to: z.number()})),
	/** The first of the failures in a row, or `null`. */
	failingSince: z.number().nullable(),
	/** Request ids that have bought fast polls already. */
	bought: z.array(z.string()),
});
export type Cadence = Readonly<z.infer<typeof cadenceSchema>>;
