import {printable} from '../../worker/text.ts';
import type {SandboxStatus} from '../status/schema.ts';
import {ago} from '../time-text.ts';

type Approval = NonNullable<SandboxStatus['lastApproval']>;
type Refusal = NonNullable<SandboxStatus['lastRefusal']>;
type Exit = NonNullable<SandboxStatus['lastExit']>;

/** By which way a sandbox is reached. */
export function wayOf({transport, route}: Pick<SandboxStatus, 'transport' | 'route'>): string {
	if (transport === 'cli') return 'the CLI';
	switch (route) {
		case 'inside':
			return 'the gateway, from inside the sandbox';
		case 'host':
			return "the gateway, as the host's openclaw.json says";
		default:
			return 'the gateway, by its URL';
	}
}

/** Whether requests are announced, so that polls are only a safety net. */
export function isAnnounced({
	transport,
	transportReason,
}: Pick<SandboxStatus, 'transport' | 'transportReason'>): boolean {
	return transport === 'gateway' && transportReason === null;
}

/** How soon a request is noticed. */
export function paceOf(sandbox: Pick<SandboxStatus, 'mode' | 'interval' | 'transport' | 'transportReason'>): string {
	if (isAnnounced(sandbox)) return 'events';
	const {mode, interval} = sandbox;
	return `${mode}, ${Number(interval.toFixed(1))} s`;
}

/** A client, as it says it is. */
function clientOf({
	clientId,
	clientMode,
}: {
	readonly clientId: string | null;
	readonly clientMode?: string | null;
}): string {
	const names = [clientId, ...(clientMode === undefined ? [] : [clientMode])];
	return names.map(name => printable(name ?? '?')).join(' / ');
}

function scopesIn(scopes: readonly string[]): string {
	return scopes.map(scope => printable(scope)).join(' ') || 'no scopes';
}

/** The last approval, in few words. */
export function approvalInShort(approval: Approval | null, now: number): string {
	return approval === null ? '-' : `${ago(approval.at, now)}: ${clientOf(approval)} ${scopesIn(approval.scopes)}`;
}

/** The last approval, all that is known of it. */
export function approvalInFull(approval: Approval, now: number): string {
	const {requestId, latencyMs, at, scopes} = approval;
	const latency = latencyMs === null ? '' : `, ${latencyMs} ms after it was asked for`;
	return `${ago(at, now)}${latency}: ${clientOf(approval)} got ${scopesIn(scopes)}; request ${printable(requestId)}`;
}

/** The last refusal. */
export function refusalInShort(refusal: Refusal, now: number): string {
	const {reason, at, scopes} = refusal;
	return `last refusal ${ago(at, now)}: ${reason}, ${clientOf(refusal)} asked for ${scopesIn(scopes)}`;
}

/** The last refusal, all that is known of it. */
export function refusalInFull(refusal: Refusal, now: number): string {
	const {reason, at, scopes, requestId} = refusal;
	return `${ago(at, now)}, ${reason}: ${clientOf(refusal)} asked for ${scopesIn(scopes)}; request ${printable(requestId)}`;
}

/** How the last worker ended. */
export function exitInWords({reason, code, signal, at}: Exit, now: number): string {
	return `last worker ended ${ago(at, now)}: ${reason} (${signal ?? `exit code ${code}`})`;
}
