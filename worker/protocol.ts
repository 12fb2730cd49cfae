import * as z from 'zod';
import {MAX_HELD} from './bounds.ts';
import {checkpointChangesSchema, checkpointSchema} from './checkpoint-schema.ts';
import {CLIENT_FAILURES} from './client-error.ts';

import {policySchema, REFUSAL_REASONS} from './requests/policy-schema.ts';
import {DECIDERS} from './requests/request-schema.ts';
import {TURN_KINDS} from './turns.ts';
import {cadenceConfigSchema, MODES} from './watch/cadence-schema.ts';

/** How to reach one sandbox's OpenClaw. */
const targetSchema = z.object({
	/** Put before every call; empty: the call runs on the host. */
	exec: z.array(z.string()),
	env: z.record(z.string(), z.string()),
	envFile: z.string().nullable(),
	approveUnset: z.array(z.string()),
	/** Absolute path of the program for calls on the host; `null` where none is made: behind `exec`, or by the gateway alone. */
	openclaw: z.string().nullable(),
});
export type SandboxTarget = Readonly<z.infer<typeof targetSchema>>;

/** A gateway's WebSocket. Exactly one of `tokenFile` and `tokenCommand` says where its token is. */
const gatewaySchema = z.object({
	url: z.string(),
	tokenFile: z.string().nullable(),
	tokenCommand: z.array(z.string()),
	/** SHA-256 of the certificate, for `wss:`. */
	fingerprint: z.string().nullable(),
	/** The user, besides root and us, as whom the gateway may run on this host. */
	listenerUid: z.number().optional(),
	/** `ws:` to other hosts than this one. */
	allowInsecure: z.boolean(),
});
export type GatewayTarget = Readonly<z.infer<typeof gatewaySchema>>;

/**
 * How a gateway is reached from inside its sandbox. `port`: as seen there; `null`: it is found. Where neither `tokenFile` nor `tokenCommand` says where
 * the token is, it is found there too.
 */
const insideSchema = z.object({
	/** Put before the relay: hands its standard input on. */
	execInput: z.array(z.string()),
	port: z.number().nullable(),
	tokenFile: z.string().nullable(),
	tokenCommand: z.array(z.string()),
});
export type InsideTarget = Readonly<z.infer<typeof insideSchema>>;

/** The ways to a gateway's WebSocket: a URL, from inside the sandbox, or what the host's own configuration of OpenClaw says. */
export const ROUTES = ['url', 'inside', 'host'] as const;
export type RouteKind = (typeof ROUTES)[number];

/** What a gateway is asked by. */
export const TRANSPORTS = ['cli', 'gateway'] as const;

/** All a worker needs to know. Durations in milliseconds. */
const workerConfigSchema = z.object({
	name: z.string(),
	target: targetSchema,
	gateway: gatewaySchema.nullable(),
	/** Only where `gateway` is `null`. */
	inside: insideSchema.nullable(),
	transport: z.enum(['auto', ...TRANSPORTS]),
	policy: policySchema,
	maxApprovals: z.number(),
	/** Every approve and reject is written down before it is made: the worker asks for it with `intent`. */
	isAudited: z.boolean(),
	runTimeout: z.number(),
	/** Further variables of our environment that what is started for the sandbox gets. */
	passEnv: z.array(z.string()),
	/** How often the worker shows that its event loop turns. */
	heartbeatInterval: z.number(),
	cadence: cadenceConfigSchema,
});
export type WorkerConfig = Readonly<z.infer<typeof workerConfigSchema>>;

/** What may be done about a request at the gateway. */
export const ACTIONS = ['approve', 'reject'] as const;
export type Action = (typeof ACTIONS)[number];

/** What a person wants of one request. `digest`: of the request that the person has seen; `null` only for a reject, which takes nothing from anybody. */
const personalDecision = z.object({action: z.enum(ACTIONS), requestId: z.string(), digest: z.string().nullable()});
export type PersonalDecision = Readonly<z.infer<typeof personalDecision>>;

/** What became of it; `detail` is safe to show. */
const decisionResult = z.object({result: z.enum(['done', 'failed']), detail: z.string()});
export type DecisionResult = Readonly<z.infer<typeof decisionResult>>;

/** What a worker is forked for: the whole shift, one bounded pass, or one list to see whether the sandbox answers. */
const taskSchema = z.discriminatedUnion('kind', [
	z.object({kind: z.literal('watch')}),
	/** To be done by the monotonic millisecond `until`: what the start of the process takes is part of it. */
	z.object({kind: z.literal('pass'), until: z.number()}),
	z.object({kind: z.literal('probe'), until: z.number()}),
	/** One decision of a person, as the message `decide`; answered by `decided` with the id `once`. */
	z.object({kind: z.literal('decide'), until: z.number(), ...personalDecision.shape}),
]);
export type Task = Readonly<z.infer<typeof taskSchema>>;

/** The supervisor's messages to a worker, which trusts them: it has their types, and no schema is loaded in its process. */
export const toWorkerSchema = z.discriminatedUnion('kind', [
	/** There is no sandbox for it yet: what it will need is loaded meanwhile, that for a gateway where `hasRoute`. */
	z.object({kind: z.literal('stand-by'), hasRoute: z.boolean()}),
	z.object({
		kind: z.literal('start'),
		config: workerConfigSchema,
		owner: z.string(),
		task: taskSchema,
		/** Where the predecessor stood. */
		checkpoint: checkpointSchema.nullable(),
		/** Monotonic milliseconds before which the gateway is not to be tried; `null`: at once. */
		avoidGatewayUntil: z.number().nullable(),
	}),
	z.object({kind: z.literal('granted'), turn: z.number()}),
	z.object({kind: z.literal('kick')}),
	z.object({kind: z.literal('pass'), id: z.string()}),
	z.object({kind: z.literal('clear-alarm')}),
	/** A person decides about one request, whatever the policy says of it; answered by `decided`. */
	z.object({kind: z.literal('decide'), id: z.string(), ...personalDecision.shape}),
	/** The answer to `intent`: it is written down, or, with an `error`, it is not to be done. */
	z.object({kind: z.literal('recorded'), intent: z.number(), error: z.string().nullable()}),
	z.object({kind: z.literal('stop')}),
]);
export type ToWorker = Readonly<z.infer<typeof toWorkerSchema>>;

/** For what has started the worker in its process (launcher.cts): to give the code as it is compiled by now; answered by `compiled`. */
export interface ToLauncher {
	readonly kind: 'compile';
}

const failureSchema = z.enum(CLIENT_FAILURES).nullable();
/** How OpenClaw can fail. */
export type Failure = NonNullable<z.infer<typeof failureSchema>>;

const outcomeSchema = z.object({
	error: z.string().nullable(),
	/** What kind of failure `error` was, where it was OpenClaw's. */
	failure: failureSchema,
	approved: z.number(),
	refused: z.number(),
	retries: z.number(),
	pending: z.number(),
	/** Of those pending, how many the policy refuses, by the reason; absent: nothing is known of that. */
	refusals: z.array(z.object({reason: z.enum(REFUSAL_REASONS), count: z.number()})).optional(),
});
/** What a pass came to, as told to whoever waited for it. */
export type PassSummary = Readonly<z.infer<typeof outcomeSchema>>;

/** Milliseconds since the epoch, within what a date can show (ECMAScript: Time Values). */
const wallTime = z.number().min(0).max(8.64e15);

const snapshotSchema = z.object({
	mode: z.enum(MODES),
	/** Seconds between polls now. */
	interval: z.number(),
	transport: z.enum(TRANSPORTS),
	route: z.enum(ROUTES).nullable(),
	transportReason: z.string().nullable(),
	/** Wall-clock milliseconds of the last list that succeeded. */
	lastListAt: wallTime.nullable(),
	nextPollAt: wallTime.nullable(),
	warnings: z.array(z.string()),
	pending: z.number(),
	/** Paired devices whose tokens have more than the policy would let any client have; 2026.5.27 makes such by itself. Absent: nothing was listed yet. */
	widePaired: z.number().optional(),
});
/** What a worker shows of its sandbox, besides its checkpoint. */
export type Snapshot = Readonly<z.infer<typeof snapshotSchema>>;

/** Which request, and who asks. Texts are safe to show, and short. */
const who = {
	requestId: z.string(),
	deviceId: z.string().nullable(),
	clientId: z.string().nullable(),
	clientMode: z.string().nullable(),
	role: z.string().nullable(),
};
const ask = {...who, scopes: z.array(z.string())};

/** What is done at a gateway, or was, about which request, and whose decision it is. */
const subject = {by: z.enum(DECIDERS), ...ask, transport: z.enum(TRANSPORTS)};
const subjectSchema = z.object({action: z.enum(ACTIONS), ...subject});
export type Subject = Readonly<z.infer<typeof subjectSchema>>;

/** A pending request that the policy refuses, so that a person may decide. Texts are safe to show, and short; times are wall-clock milliseconds. */
export const heldRequestSchema = z.object({
	// In the order in which `pending --json` is documented.
	...who,
	roles: z.array(z.string()),
	scopes: ask.scopes,
	/** The scopes that the device would newly have. */
	gives: z.array(z.string()),
	reason: z.enum(REFUSAL_REASONS),
	since: wallTime,
	/** When it is rejected if nobody decides; `null`: never. */
	rejectAt: wallTime.nullable(),
	/** Names what a person has seen: another one means that the request is another one, or would give something else. */
	digest: z.string(),
});
export type HeldRequest = Readonly<z.infer<typeof heldRequestSchema>>;

/** What became of a request, or of the sandbox's approvals. Texts are safe to show, and short; `at` is wall-clock milliseconds. */
const decisionSchema = z.discriminatedUnion('kind', [
	z.object({
		kind: z.literal('approved'),
		action: z.literal('approve'),
		...subject,
		/** From the request's creation to its approval, in milliseconds; `null` when the gateway gave no time. */
		latencyMs: z.number().nullable(),
		at: wallTime,
		/** It was told before, of a try that proved to have failed: an outcome, and nothing to count again. */
		isAgain: z.boolean().optional(),
	}),
	z.object({
		kind: z.literal('refused'),
		...ask,
		reason: z.enum(REFUSAL_REASONS),
		/** What to do where it should have been approved, if there is something. */
		remedy: z.string().nullable(),
		at: wallTime,
	}),
	/** A request was rejected at the gateway: by the policy, so that the next ask of its device is clean, or by a person. */
	z.object({kind: z.literal('rejected'), action: z.literal('reject'), ...subject, at: wallTime}),
	/** An approve or a reject did not succeed, or nobody knows whether it did; a later listing that shows it granted gives an `approved`. */
	z.object({kind: z.literal('failed'), ...subjectSchema.shape, error: z.string(), at: wallTime}),
	/** Nothing more is approved in this sandbox until a reload. */
	z.object({kind: z.literal('alarm'), reason: z.string(), at: wallTime}),
]);
export type Decision = Readonly<z.infer<typeof decisionSchema>>;

/** A worker's messages to the supervisor, about its sandbox. */
export const toSupervisorSchema = z.discriminatedUnion('kind', [
	/** The event loop turns; `progress` grows with whatever the watch loop does. The first message of this or the next kind is a `heartbeat`. */
	z.object({kind: z.literal('heartbeat'), progress: z.number(), snapshot: snapshotSchema}),
	/** A heartbeat whose snapshot is that of the last one: on a full host nearly all are. */
	z.object({kind: z.literal('alive'), progress: z.number()}),
	z.object({kind: z.literal('turn'), turn: z.number(), call: z.enum(TURN_KINDS)}),
	z.object({
		kind: z.literal('turn-over'),
		turn: z.number(),
		outcome: z.enum(['answered', 'failed', 'timeout', 'cancelled']),
	}),
	/**
	 * What was decided, with what has changed of the checkpoint: in one message, so that no successor, of the worker or of the supervisor, knows of the
	 * one without the other. Either may be empty, never both.
	 */
	z.object({kind: z.literal('checkpoint'), changes: checkpointChangesSchema, decisions: z.array(decisionSchema)}),
	z.object({
		kind: z.literal('log'),
		level: z.enum(['error', 'warn', 'info', 'debug']),
		message: z.string(),
		fields: z.record(z.string(), z.unknown()),
	}),
	/** The pending requests that the policy refuses, whenever they are others than before, though not at any rate; so many more for which there is no room. */
	z.object({
		kind: z.literal('held'),
		requests: z.array(heldRequestSchema).max(MAX_HELD),
		omitted: z.number().int().min(0).optional(),
	}),
	/** What became of a person's decision. */
	z.object({kind: z.literal('decided'), id: z.string(), ...decisionResult.shape}),
	/** This is about to be done, and waits for `recorded`. Only where the configuration says `isAudited`. */
	z.object({kind: z.literal('intent'), intent: z.number(), ...subjectSchema.shape}),
	z.object({kind: z.literal('passed'), ids: z.array(z.string()), outcome: outcomeSchema}),
	/** The task is done; the process ends. */
	z.object({kind: z.literal('done')}),
]);
export type ToSupervisor = Readonly<z.infer<typeof toSupervisorSchema>>;

/** All that comes from a worker's process: besides that, its code, compiled, in base64, and of what source: its SHA-256, in hex. */
export const fromWorkerSchema = z.discriminatedUnion('kind', [
	...toSupervisorSchema.options,
	z.object({kind: z.literal('compiled'), code: z.string(), source: z.string()}),
]);
export type FromWorker = Readonly<z.infer<typeof fromWorkerSchema>>;
