import {heldCounts, type PendingRequest} from '../control/pending.ts';
import {conditionOf, countsOf} from '../status/condition.ts';
import type {Health} from '../status/health.ts';
import type {SandboxStatus, Status} from '../status/schema.ts';

/** So many requests that wait for a person are on the page at most. */
const MAX_PENDING_SHOWN = 100;

/**
 * The status as everybody may see it who can connect to a port: when something was approved or refused, and for what reason, but not who asked for what,
 * which is empty. Pure.
 */
export function withoutAskers(status: Status): Status {
	const sandboxes = Object.entries(status.sandboxes).map(([name, sandbox]) => [name, anonymous(sandbox)] as const);
	return {...status, sandboxes: Object.fromEntries(sandboxes)};
}

function anonymous(sandbox: SandboxStatus): SandboxStatus {
	const {lastApproval, lastRefusal} = sandbox;
	const nobody = {requestId: '', clientId: null, scopes: []};
	return {
		...sandbox,
		lastApproval: lastApproval && {...lastApproval, ...nobody},
		lastRefusal: lastRefusal && {...lastRefusal, ...nobody, clientMode: null},
	};
}

/** A sandbox as a row of the page. */
export type Row = ReturnType<typeof rowOf>;

/** What the page shows, besides the last hour. */
export interface View {
	readonly head: ReturnType<typeof headOf>;
	readonly rows: readonly Row[];
	/** What waits for a person, the first ones; `null` where it is not to be seen who asks for what. */
	readonly pending: readonly PendingRequest[] | null;
}

/** What the page is made of. `isPrivate`: whoever looks may see who asks for what. Pure. */
export function viewOf(
	status: Status,
	health: Health,
	pending: readonly PendingRequest[],
	{isPrivate}: {readonly isPrivate: boolean},
): View {
	const held = heldCounts(pending);
	return {
		head: headOf(status, health, pending.length),
		rows: Object.entries(status.sandboxes).map(([name, sandbox]) =>
			rowOf(name, sandbox, held.get(name) ?? 0, isPrivate),
		),
		pending: isPrivate ? pending.slice(0, MAX_PENDING_SHOWN) : null,
	};
}

function headOf(status: Status, {level, text}: Health, held: number) {
	const {supervisor, totals} = status;
	return {...supervisor, health: {level, text}, counts: {...countsOf(status), held}, totals};
}

function rowOf(name: string, sandbox: SandboxStatus, held: number, isPrivate: boolean) {
	const {state, mode, interval, transport, route, transportReason, lastListAt, failures, lastError, warnings} = sandbox;
	const {pending, approved, refused, restarts, crashLooping, lastExit, lastApproval, lastRefusal} = sandbox;
	return {
		name,
		condition: conditionOf(sandbox),
		...{state, mode, interval, transport, route, transportReason, lastListAt, failures, lastError, warnings},
		...{pending, held, approved, refused, restarts, crashLooping, lastExit},
		lastApproval: lastApproval && {
			at: lastApproval.at,
			latencyMs: lastApproval.latencyMs,
			client: isPrivate ? lastApproval.clientId : null,
		},
		lastRefusal: lastRefusal && {
			at: lastRefusal.at,
			reason: lastRefusal.reason,
			client: isPrivate ? lastRefusal.clientId : null,
		},
	};
}
