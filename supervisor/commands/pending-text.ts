import {printable} from '../../worker/text.ts';
import type {PendingRequest} from '../control/pending.ts';
import {span} from '../time-text.ts';
import {fits, table} from './table.ts';

/** What can stand as it is beside other words. */
const PLAIN = /^[A-Za-z0-9._:-]+$/;

/** What a request is for that names no role, and nearly every one that does. */
const USUAL_ROLE = 'operator';

/** An id from elsewhere, safe to show; quoted where it could be taken for something else. */
export function shownId(text: string | null): string {
	if (text === null) return '-';
	const safe = printable(text, 128);
	return PLAIN.test(safe) ? safe : JSON.stringify(safe);
}

/** Foreign ids side by side, each as {@link shownId} shows it; `-` where there are none. */
export function shownIds(texts: readonly string[]): string {
	return texts.length === 0 ? '-' : texts.map(shownId).join(' ');
}

/** How long ago, or how far ahead, a time is from `now` (wall-clock milliseconds). */
export function shownSpan(time: string, now: number): string {
	const ms = Math.abs(Date.parse(time) - now);
	return Number.isFinite(ms) ? span(ms) : '?';
}

/** What becomes of a request when nobody decides. */
export function shownEnd({rejectAt}: PendingRequest, now: number): string {
	if (rejectAt === null) return 'stays, until it expires';
	return Date.parse(rejectAt) <= now ? 'rejected now' : `rejected in ${shownSpan(rejectAt, now)}`;
}

/** What is asked for, the roles too where they are not the usual one alone. */
export function shownAsk(request: PendingRequest): string {
	const roles = rolesOf(request);
	const scopes = shownIds(request.scopes);
	return roles.every(role => role === USUAL_ROLE) ? scopes : `${scopes}; for roles: ${shownIds(roles)}`;
}

/** Every role that it is for: a request may name one by itself that is not in its list. */
function rolesOf({role, roles}: PendingRequest): readonly string[] {
	return [...new Set([...(role === null ? [] : [role]), ...roles])];
}

/** All that a person needs to know to decide, a line each. */
export function describeRequest(request: PendingRequest, now: number): string[] {
	const {requestId, sandbox, deviceId, clientId, clientMode, scopes, gives, reason, since, digest} = request;
	return [
		`request   ${shownId(requestId)} in ${shownId(sandbox)}, for ${shownSpan(since, now)}`,
		`client    ${shownId(clientId)} / ${shownId(clientMode)} (it says so itself)`,
		`device    ${shownId(deviceId)}`,
		`roles     ${shownIds(rolesOf(request))}`,
		`asks for  ${shownIds(scopes)}`,
		`gives     ${gives.length === 0 ? 'no new scopes' : shownIds(gives)}`,
		`refused   ${shownId(reason)}; ${shownEnd(request, now)}`,
		`digest    ${shownId(digest)}`,
	];
}

/** What waits for a person: a table, or where that is wider than `width` cells each request in lines, since an id that is cut is of no use. */
export function pendingText(requests: readonly PendingRequest[], now: number, width: number): string {
	if (requests.length === 0) return 'nothing waits for a person';
	const whole = pendingTable(requests, now);
	if (fits(whole, width)) return whole;
	return requests.map(request => describeRequest(request, now).join('\n')).join('\n\n');
}

function pendingTable(requests: readonly PendingRequest[], now: number): string {
	return table(
		['SANDBOX', 'REQUEST', 'CLIENT', 'ASKS FOR', 'GIVES', 'REASON', 'AGE', 'THEN', 'DIGEST'],
		requests.map(request => [
			shownId(request.sandbox),
			shownId(request.requestId),
			`${shownId(request.clientId)} / ${shownId(request.clientMode)}`,
			shownAsk(request),
			shownIds(request.gives),
			shownId(request.reason),
			shownSpan(request.since, now),
			shownEnd(request, now),
			shownId(request.digest),
		]),
		Number.POSITIVE_INFINITY,
	);
}
