import * as z from 'zod';
import {ROUTES, TRANSPORTS} from '../../worker/protocol.ts';
import {REFUSAL_REASONS} from '../../worker/requests/policy-schema.ts';

const time = z.string().nullable();

/**
 * Why a worker ended: `hang`, it was silent; `stalled`, it beat without making progress; `memory`, it was above its limit; `crash`, a signal or an exit
 * code other than 0; `exit`, exit code 0.
 */
export const EXIT_REASONS = ['crash', 'hang', 'stalled', 'memory', 'exit'] as const;
export type ExitReason = (typeof EXIT_REASONS)[number];

/** What a sandbox can be doing; `idle`: it is not to be watched. */
export const SANDBOX_STATES = ['starting', 'running', 'backoff', 'stopping', 'stopped', 'idle'] as const;

/** One sandbox in the status file; README, "Status and health". */
export const sandboxStatusSchema = z.object({
	state: z.enum(SANDBOX_STATES),
	healthy: z.boolean(),
	/** It has not listed yet, and may take its time: it is too young to be unhealthy. */
	starting: z.boolean().default(false),
	pid: z.number().nullable(),
	mode: z.enum(['fast', 'slow']),
	/** Seconds between polls now. */
	interval: z.number(),
	transport: z.enum(TRANSPORTS),
	/** By which way the gateway is reached; `null` by the CLI. */
	route: z.enum(ROUTES).nullable(),
	transportReason: z.string().nullable(),
	restarts: z.number(),
	crashLooping: z.boolean(),
	lastExit: z
		.object({
			reason: z.enum(EXIT_REASONS),
			code: z.number().nullable(),
			signal: z.string().nullable(),
			at: z.string(),
		})
		.nullable(),
	startedAt: time,
	lastHeartbeatAt: time,
	lastListAt: time,
	nextPollAt: time,
	/** Failed passes in a row. */
	failures: z.number(),
	lastError: z.string().nullable(),
	warnings: z.array(z.string()),
	pending: z.number(),
	/** Paired devices that have more than the policy grants, where there are any; OpenClaw makes such by itself, so it is not a warning. */
	widePaired: z.number().optional(),
	approved: z.number(),
	refused: z.number(),
	lastApproval: z
		.object({
			requestId: z.string(),
			clientId: z.string().nullable(),
			scopes: z.array(z.string()),
			at: z.string(),
			latencyMs: z.number().nullable(),
		})
		.nullable(),
	lastRefusal: z
		.object({
			requestId: z.string(),
			clientId: z.string().nullable(),
			clientMode: z.string().nullable(),
			scopes: z.array(z.string()),
			reason: z.enum(REFUSAL_REASONS),
			at: z.string(),
		})
		.nullable(),
});
export type SandboxStatus = Readonly<z.infer<typeof sandboxStatusSchema>>;

const inventorySchema = z.object({
	inventory: z.string(),
	/** When it last could be read. */
	takenAt: time,
	sandboxes: z.number(),
	/** Why it cannot be used now, or `null`. */
	error: z.string().nullable(),
});
/** What an inventory has given. */
export type InventoryStatus = Readonly<z.infer<typeof inventorySchema>>;

/** The status file, schema 1. Times are ISO 8601 UTC; what has not happened is `null`. It never holds a secret. */
export const statusSchema = z.object({
	schema: z.literal(1),
	supervisor: z.object({
		pid: z.number(),
		version: z.string(),
		host: z.string(),
		state: z.enum(['starting', 'running', 'stopping', 'stopped', 'deadline']),
		startedAt: z.string(),
		updatedAt: z.string(),
		deadlineAt: time,
		config: z.object({path: z.string(), generation: z.number(), loadedAt: z.string(), error: z.string().nullable()}),
		calls: z.object({running: z.number(), waiting: z.number(), limit: z.number()}),
		warnings: z.array(z.string()),
		/** Where several instances share the sandboxes: which one this is, `k/n`, and how many sandboxes are known that are other instances'. */
		shard: z.object({share: z.string(), elsewhere: z.number()}).optional(),
		/** Where the configuration has inventories. */
		discovery: z.array(inventorySchema).optional(),
	}),
	totals: z.object({
		sandboxes: z.number(),
		healthy: z.number(),
		approved: z.number(),
		refused: z.number(),
		restarts: z.number(),
	}),
	sandboxes: z.record(z.string(), sandboxStatusSchema),
});
export type Status = Readonly<z.infer<typeof statusSchema>>;

/** The JSON Schema of the status file. */
export function statusJsonSchema(): object {
	return z.toJSONSchema(statusSchema, {io: 'output'});
}

/** The totals over all configured sandboxes, idle ones included. */
export function totalsOf(sandboxes: Readonly<Record<string, SandboxStatus>>): Status['totals'] {
	const all = Object.values(sandboxes);
	const sum = (pick: (sandbox: SandboxStatus) => number): number =>
		all.reduce((total, sandbox) => total + pick(sandbox), 0);
	return {
		sandboxes: all.length,
		healthy: sum(({healthy}) => (healthy ? 1 : 0)),
		approved: sum(({approved}) => approved),
		refused: sum(({refused}) => refused),
		restarts: sum(({restarts}) => restarts),
	};
}
