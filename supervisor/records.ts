import type {Clock} from '../worker/clock.ts';
import type {Decision, HeldRequest, Snapshot, Subject} from '../worker/protocol.ts';
import type {Audit} from './audit/audit.ts';
import {type PendingRequest, pendingRequest} from './control/pending.ts';
import {countedIn, type Tally} from './monitoring/tally.ts';
import type {NotifyKind} from './notify/event.ts';
import {HealthWatch} from './notify/health-watch.ts';
import type {Notifier} from './notify/notifier.ts';
import type {Witness} from './sandbox/witness.ts';
import type {ExitReason, SandboxStatus} from './status/schema.ts';

export interface RecordsDeps {
	readonly audit: Pick<Audit, 'intent' | 'outcome' | 'refusal' | 'gone'>;
	readonly notifier: Pick<Notifier, 'put'>;
	readonly clock: Pick<Clock, 'now'>;
	/** Counts it; nobody does where it is not given. */
	readonly tally?: Tally;
	/** Nothing more is approved in a sandbox. */
	readonly onAlarm?: (sandbox: string, reason: string) => void;
}

/** What happens to requests and sandboxes, on record and told to whoever wants to know. */
export class Records implements Witness {
	readonly #deps: RecordsDeps;
	readonly #health = new HealthWatch();
	/** What waits for a person, by sandbox; told once, whichever worker tells it. */
	readonly #held = new Map<string, ReadonlySet<string>>();

	constructor(deps: RecordsDeps) {
		this.#deps = deps;
	}

	intent(sandbox: string, subject: Subject, reason: string | null): Promise<string | null> {
		return this.#deps.audit.intent(sandbox, subject, reason);
	}

	decided(sandbox: string, decision: Decision, transport: Snapshot['transport'] | null): void {
		recordDecision(this.#deps.audit, sandbox, decision, transport);
		const counted = countedIn(decision);
		if (counted) this.#deps.tally?.(counted);
		if (decision.kind !== 'alarm') return;
		this.#deps.onAlarm?.(sandbox, decision.reason);
		this.#tell(sandbox, 'alarm', `${decision.reason}; nothing more is approved there`);
	}

	held(sandbox: string, requests: readonly HeldRequest[]): void {
		const known = this.#held.get(sandbox);
		this.#held.set(sandbox, new Set(requests.map(nameOf)));
		const fresh = requests.filter(request => !known?.has(nameOf(request)));
		// Of many the first and the last one can be told; those between are counted, and need no words.
		for (const request of fresh.length > 2 ? [fresh[0], fresh.at(-1)] : fresh) {
			if (!request) continue;
			const entry = pendingRequest(sandbox, request);
			const passedOver = request === fresh[0] ? 0 : fresh.length - 2;
			this.#tell(sandbox, 'refused', refusalText(entry), entry, passedOver);
		}
	}

	restarted(_: string, reason: ExitReason): void {
		this.#deps.tally?.({kind: 'restarted', reason});
	}

	gone(sandbox: string): void {
		this.#deps.audit.gone(sandbox);
	}

	/** Looks at how the sandboxes are. To be called about once a second. `runTimeout`: of a call, in milliseconds. */
	look(sandboxes: Readonly<Record<string, SandboxStatus>>, runTimeout: number): void {
		for (const {sandbox, event} of this.#health.look(sandboxes, {now: this.#deps.clock.now(), runTimeout}))
			this.#tell(sandbox, event, healthText(event, sandboxes[sandbox]));
	}

	#tell(
		sandbox: string,
		event: NotifyKind,
		message: string,
		request: PendingRequest | null = null,
		passedOver = 0,
	): void {
		this.#deps.notifier.put({event, sandbox, message, request}, passedOver);
	}
}

/** Writes down what a decision is for the audit file, if it is for that. */
function recordDecision(
	audit: Pick<Audit, 'outcome' | 'refusal'>,
	sandbox: string,
	decision: Decision,
	transport: Snapshot['transport'] | null,
): void {
	switch (decision.kind) {
		case 'approved': {
			const {kind: _, at: __, isAgain: ___, ...subject} = decision;
			audit.outcome(sandbox, {...subject, result: 'done', error: null});
			break;
		}
		case 'rejected': {
			const {kind: _, at: __, ...subject} = decision;
			audit.outcome(sandbox, {...subject, result: 'done', latencyMs: null, error: null});
			break;
		}
		case 'failed': {
			const {kind: _, at: __, ...subject} = decision;
			audit.outcome(sandbox, {...subject, result: 'failed', latencyMs: null});
			break;
		}
		case 'refused': {
			const {kind: _, at: __, remedy: ___, ...refusal} = decision;
			audit.refusal(sandbox, {...refusal, transport});
			break;
		}
		case 'alarm':
			break;
		default:
			decision satisfies never;
	}
}

function nameOf({requestId, digest}: HeldRequest): string {
	return `${requestId} ${digest}`;
}

function refusalText({clientId, clientMode, scopes, reason, rejectAt}: PendingRequest): string {
	const who = `${clientId ?? '?'} / ${clientMode ?? '?'}`;
	const end = rejectAt === null ? '' : `; it is rejected at ${rejectAt} if nobody decides`;
	return `${who} asks for ${scopes.join(' ') || 'no scopes'} (${reason})${end}; see pairkeeper pending`;
}

function healthText(event: NotifyKind, sandbox: SandboxStatus | undefined): string {
	switch (event) {
		case 'crash-loop':
			return `its worker ends again and again${sandbox?.lastExit ? ` (${sandbox.lastExit.reason})` : ''}`;
		case 'healthy':
			return 'it is healthy again';
		default:
			return `it is not healthy (${sandbox?.state ?? 'gone'}${sandbox?.lastError ? `: ${sandbox.lastError}` : ''})`;
	}
}
