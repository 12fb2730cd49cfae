import type {Decision, PassSummary, Subject, ToSupervisor, WorkerConfig} from './protocol.ts';
import type {Deed} from './requests/carry-out.ts';
import {namedRoles} from './requests/gives.ts';
import type {PassOutcome} from './requests/pass.ts';
import {ADMIN_SCOPE, adminRemedy, matchingEntry, type Policy, type RefusalReason} from './requests/policy.ts';
import {keyOf, type RequestRecords} from './requests/record.ts';
import type {MalformedRequest, PairingRequest} from './requests/request.ts';
import type {Observations, WorkerEvent} from './snapshot.ts';
import {printable, printableList} from './text.ts';
import {interval} from './watch/cadence.ts';

/** No scope or role has a longer name, in characters. */
const MAX_NAME = 128;

/** A line for the log. */
export type LogMessage = Extract<ToSupervisor, {kind: 'log'}>;

/** What an event decides, made safe to show; `at` in wall-clock milliseconds. */
export function decisionsIn(event: WorkerEvent, policy: Policy, at: number): Decision[] {
	switch (event.kind) {
		case 'approved': {
			const {ts} = event.request;
			const latencyMs = ts === null ? null : Math.max(Math.round(at - ts), 0);
			const {by, transport, isNews} = event;
			const again = isNews ? {} : {isAgain: true};
			return [
				{kind: 'approved', action: 'approve', by, ...shownWhole(event.request), transport, latencyMs, at, ...again},
			];
		}
		case 'refused': {
			const {request, reason, gives} = event;
			return [
				{
					kind: 'refused',
					...shown(request),
					reason,
					remedy: remedyFor(request, reason, gives, policy),
					at,
				},
			];
		}
		case 'rejected':
			return [
				{
					kind: 'rejected',
					action: 'reject',
					by: event.by,
					...shownWhole(event.request),
					transport: event.transport,
					at,
				},
			];
		case 'failed':
			return [{kind: 'failed', ...subjectOf(event), error: printable(event.error.message, 400), at}];
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
		case 'failed': {
			const {by, action, request, error} = event;
			const fields = {action, requestId: shown(request).requestId, error: error.message};
			if (by === 'person') return [line('warn', 'what a person decided did not succeed', fields)];
			return [line('warn', 'request is not settled and will be tried again', fields)];
		}
		case 'unrecorded': {
			const {action, request, error} = event;
			const fields = {action, requestId: shown(request).requestId, error: error.message};
			return [line('error', 'not done, since it cannot be recorded', fields)];
		}
		case 'foreign-approval': {
			const {requestId, deviceId} = event;
			const fields = {requestId, deviceId: shownId(deviceId)};
			return [line('warn', 'a request that we had seen pending was approved by somebody else', fields)];
		}
		case 'listed': {
			const {widePaired} = event;
			if (widePaired === (before.widePaired ?? 0)) return [];
			return [line('info', 'paired devices that have more than the policy grants', {count: widePaired})];
		}
		case 'transport': {
			const {transport, route, transportReason: reason} = event;
			// What nobody has asked for is not missed.
			const isWanted = config.transport !== 'cli' && (config.transport === 'gateway' || config.gateway !== null);
			const fields = {...(route === null ? {} : {route}), ...(reason === null ? {} : {reason})};
			const isMissed = reason !== null && isWanted;
			const isWorthALine = reason === null || before.transport === 'gateway';
			const isLost = transport === 'gateway' && reason !== null;
			const message = isLost ? 'transport: the gateway is not connected' : `transport: ${transport}`;
			return [line(isMissed ? 'warn' : isWorthALine ? 'info' : 'debug', message, fields)];
		}
		default:
			return [];
	}
}

/** What a pass came to. `pending`, `alarm` and `requests` are as they are at its end. */
export function summaryOf(
	{approved, refused, retries, error}: Pick<PassOutcome, 'approved' | 'refused' | 'retries' | 'error'>,
	{
		pending,
		alarm,
		requests,
	}: {readonly pending: number; readonly alarm: string | null; readonly requests: RequestRecords},
): PassSummary {
	const failure = error?.failure ?? null;
	const refusals = refusalsIn(requests);
	const summary = {approved, refused, retries, pending, error: error?.message ?? alarm, failure};
	return refusals.length === 0 ? summary : {...summary, refusals};
}

/** How many of the listed requests are refused and still there, by the reason. */
function refusalsIn(requests: RequestRecords): NonNullable<PassSummary['refusals']> {
	const reasons = Object.values(requests).flatMap(record =>
		record.kind === 'refused' && !record.rejected ? record.reason : [],
	);
	return [...Map.groupBy(reasons, reason => reason)].map(([reason, alike]) => ({reason, count: alike.length}));
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

/** What to do about the refusals that a host meets, where it should have been approved. */
function remedyFor(
	request: PairingRequest | MalformedRequest,
	reason: RefusalReason,
	gives: readonly string[],
	policy: Policy,
): string | null {
	if (reason === 'revoked')
		return 'a person took this from the device, and only a person gives it back: pairkeeper pending, then pairkeeper approve';
	if (reason !== 'disallowed-scope') return null;
	const entry = matchingEntry(request, policy);
	if (entry?.id !== undefined && request.scopes?.includes(ADMIN_SCOPE)) return adminRemedy(entry.id, request.scopes);
	const revived = gives.filter(scope => !request.scopes?.includes(scope));
	if (revived.length === 0) return null;
	return `the device has no live token, and would get those of its record again: ${printableList(revived).join(' ')}`;
}

/** What is about to be done, or was, safe to show. */
export function subjectOf({action, by, request, transport}: Deed): Subject {
	return {action, by, ...shownWhole(request), transport};
}

/** As {@link shown}, with every scope and its whole name: what is done stands on record, however often a request names something else. */
function shownWhole(request: PairingRequest | MalformedRequest): ReturnType<typeof shown> {
	return {...shown(request), scopes: scopesOf(request).map(scope => printable(scope, MAX_NAME))};
}

/** Who asks for what, safe to show. */
function shown(
	request: PairingRequest | MalformedRequest,
): Pick<Subject, 'requestId' | 'deviceId' | 'clientId' | 'clientMode' | 'role' | 'scopes'> {
	return {
		requestId: printable(keyOf(request), 128),
		deviceId: shownId(request.deviceId),
		clientId: shownId(request.clientId),
		clientMode: shownId(request.clientMode),
		role: request.kind === 'request' ? shownRoles(request) : null,
		scopes: printableList(scopesOf(request)),
	};
}

/** Each once: nobody can hide one behind another that is named again and again. */
function scopesOf({scopes}: Pick<PairingRequest, 'scopes'>): readonly string[] {
	return [...new Set(scopes)];
}

/** All that it is for, the one that it names first. */
function shownRoles(request: PairingRequest): string | null {
	const roles = namedRoles(request);
	return roles.length === 0 ? null : roles.map(role => printable(role, 64)).join(',');
}

function shownId(text: string | null): string | null {
	return text === null ? null : printable(text, 64);
}
