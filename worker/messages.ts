import type {Decision, PassSummary, ToSupervisor, WorkerConfig} from './protocol.ts';
import type {PassOutcome} from './requests/pass.ts';
import {
	ADMIN_SCOPE,
	adminRemedy,
	type MalformedRequest,
	matchingEntry,
	type PairingRequest,
	type Policy,
	type RefusalReason,
} from './requests/policy.ts';
import {keyOf} from './requests/record.ts';
import type {Observations, WorkerEvent} from './snapshot.ts';
import {printable, printableList} from './text.ts';
import {interval} from './watch/cadence.ts';

/** A line for the log. */
export type LogMessage = Extract<ToSupervisor, {kind: 'log'}>;

/** What an event decides, made safe to show; `at` in wall-clock milliseconds. */
export function decisionsIn(event: WorkerEvent, policy: Policy, at: number): Decision[] {
	switch (event.kind) {
		case 'approved': {
			const {requestId, deviceId, clientId, scopes, ts} = event.request;
			const latencyMs = ts === null ? null : Math.max(Math.round(at - ts), 0);
			const ids = {requestId, deviceId: shownId(deviceId), clientId: shownId(clientId)};
			return [{kind: 'approved', ...ids, scopes: printableList(scopes), latencyMs, at}];
		}
		case 'refused': {
			const {request, reason} = event;
			return [
				{
					kind: 'refused',
					requestId: printable(keyOf(request), 128),
					deviceId: shownId(request.deviceId),
					clientId: shownId(request.clientId),
					clientMode: shownId(request.clientMode),
					scopes: printableList(request.scopes),
					reason,
					remedy: remedyFor(request, reason, policy),
					at,
				},
			];
		}
		case 'rejected':
			return [{kind: 'rejected', requestId: event.requestId, at}];
		case 'alarm':
			return [{kind: 'alarm', reason: event.reason, at}];
		default:
			return [];
	}
}

/** What an event gives to log, once per change: `before` is what had been seen by then. What a sandbox says stands in fields, never in a message. */
export function logLinesOf(event: WorkerEvent, before: Observations, config: WorkerConfig): LogMessage[] {
	switch (event.kind) {
		case 'polling':
			return modeLine(event, before, config);
		case 'polled':
			return [...failureLine(event.outcome, before), ...modeLine(event, before, config)];
		case 'superseded':
			return [
				line('info', 'request is gone: replaced, expired or settled by somebody else', {requestId: event.requestId}),
			];
		case 'retry': {
			const {requestId, error} = event;
			return [line('warn', 'request is not settled and will be tried again', {requestId, error: error.message})];
		}
		case 'transport': {
			const {transport, route, transportReason: reason} = event;
			// What nobody has asked for is not missed.
			const isWanted = config.transport !== 'cli' && (config.transport === 'gateway' || config.gateway !== null);
			const fields = {...(route === null ? {} : {route}), ...(reason === null ? {} : {reason})};
			const isMissed = reason !== null && isWanted;
			const isWorthALine = reason === null || before.transport === 'gateway';
			return [line(isMissed ? 'warn' : isWorthALine ? 'info' : 'debug', `transport: ${transport}`, fields)];
		}
		default:
			return [];
	}
}

/** What a pass came to. `pending` and `alarm` are as they are at its end. */
export function summaryOf(
	{approved, refused, retries, error}: Pick<PassOutcome, 'approved' | 'refused' | 'retries' | 'error'>,
	{pending, alarm}: {readonly pending: number; readonly alarm: string | null},
): PassSummary {
	const failure = error?.failure ?? null;
	return {approved, refused, retries, pending, error: error?.message ?? alarm, failure};
}

function modeLine(
	{cadence}: Extract<WorkerEvent, {kind: 'polling' | 'polled'}>,
	before: Observations,
	config: WorkerConfig,
): LogMessage[] {
	if (cadence.mode === (before.cadence?.mode ?? 'fast')) return [];
	return [line('info', `${cadence.mode} mode`, {interval: interval(cadence, config.cadence) / 1000})];
}

function failureLine({error}: PassOutcome, {lastError, failures}: Observations): LogMessage[] {
	if (error && error.message !== lastError)
		return [line('warn', 'the sandbox cannot be polled', {error: error.message})];
	return !error && failures > 0 ? [line('info', 'the sandbox answers again', {failures})] : [];
}

function line(level: LogMessage['level'], message: string, fields: LogMessage['fields']): LogMessage {
	return {kind: 'log', level, message, fields};
}

/** The one refusal that a host meets on its first day. */
function remedyFor(request: PairingRequest | MalformedRequest, reason: RefusalReason, policy: Policy): string | null {
	const entry = matchingEntry(request, policy);
	if (reason !== 'disallowed-scope' || entry?.id === undefined || !request.scopes?.includes(ADMIN_SCOPE)) return null;
	return adminRemedy(entry.id, request.scopes);
}

function shownId(text: string | null): string | null {
	return text === null ? null : printable(text, 64);
}
