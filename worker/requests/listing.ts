import {createHash} from 'node:crypto';
import {isDeepStrictEqual} from 'node:util';
import {isRecord} from '../json.ts';
import {printable} from '../text.ts';
import type {DeviceToken, MalformedRequest, PairedDevice, PairingRequest} from './policy.ts';

/** A request id that may be named to OpenClaw: never an option, never more than one word. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** How many pending and paired entries of one listing are looked at; a gateway keeps far fewer. */
const MAX_PENDING = 256;
const MAX_PAIRED = 4096;
const MAX_LIST = 32;
const MAX_STRING = 128;

/** What a gateway says is pending and paired, read from untrusted data. */
export interface Listing {
	readonly pending: readonly (PairingRequest | MalformedRequest)[];
	readonly paired: readonly PairedDevice[];
	/** Pending entries beyond the bound, which were not looked at. */
	readonly ignored: number;
}

/** What an approval answered: the device and scopes it names, `null` where it names none. */
export interface ApprovalAnswer {
	readonly deviceId: string | null;
	readonly scopes: readonly string[] | null;
}

/** A listing from `openclaw devices list --json` or `device.pair.list`, or `null` where `value` is not shaped like one. */
export function readListing(value: unknown): Listing | null {
	if (!isRecord(value)) return null;
	const {pending = [], paired = []} = value;
	if (!Array.isArray(pending) || !Array.isArray(paired)) return null;
	if (value.pending === undefined && value.paired === undefined) return null;
	return {
		pending: withoutAmbiguity(pending.slice(0, MAX_PENDING)),
		paired: paired.slice(0, MAX_PAIRED).flatMap(readPaired),
		ignored: Math.max(pending.length - MAX_PENDING, 0),
	};
}

/** The device and scopes in an answer to approve; a field of the wrong type counts as absent. */
export function readApproval(value: unknown): ApprovalAnswer {
	const device = isRecord(value) && isRecord(value.device) ? value.device : {};
	const scopes = [device.scopes, device.approvedScopes].filter(isStringList).flat();
	return {
		deviceId: typeof device.deviceId === 'string' ? device.deviceId : null,
		scopes: isStringList(device.scopes) || isStringList(device.approvedScopes) ? scopes : null,
	};
}

/** Whether this is an id that may be named to OpenClaw. */
export function isRequestId(value: unknown): value is string {
	return typeof value === 'string' && REQUEST_ID.test(value);
}

/** One pending entry, checked. Absent fields are allowed; present ones of the wrong type, `null` included, make it malformed. */
export function readRequest(entry: unknown): PairingRequest | MalformedRequest {
	const record = isRecord(entry) ? entry : {};
	const request = {
		deviceId: text(record.deviceId),
		publicKey: text(record.publicKey),
		clientId: text(record.clientId),
		clientMode: text(record.clientMode),
		role: text(record.role),
		roles: list(record.roles),
		scopes: list(record.scopes),
	};
	const {requestId} = record;
	const isSound = Object.values(request).every(field => field !== undefined);
	if (isRequestId(requestId) && isSound) {
		const ts = typeof record.ts === 'number' && Number.isFinite(record.ts) ? record.ts : null;
		return {
			kind: 'request',
			requestId,
			ts,
			...(request as {[K in keyof typeof request]: NonNullable<(typeof request)[K]> | null}),
		};
	}
	return malformed(entry, {
		requestId: isRequestId(requestId) ? requestId : null,
		deviceId: request.deviceId ?? null,
		clientId: request.clientId ?? null,
		clientMode: request.clientMode ?? null,
		scopes: request.scopes ?? null,
	});
}

/** The same entry twice is one request; two different ones under one id cannot be told apart when approving, so neither is trusted. */
function withoutAmbiguity(entries: readonly unknown[]): (PairingRequest | MalformedRequest)[] {
	const byKey = new Map<string, PairingRequest | MalformedRequest>();
	for (const entry of entries) {
		const request = readRequest(entry);
		const key = request.kind === 'request' ? request.requestId : request.key;
		const twin = byKey.get(key);
		const isClash = twin !== undefined && !isDeepStrictEqual(twin, request);
		byKey.set(key, isClash ? {...malformed(entry, {...request, requestId: null}), key: `?${key}`} : request);
	}
	return [...byKey.values()];
}

type Known = Pick<MalformedRequest, 'requestId' | 'deviceId' | 'clientId' | 'clientMode' | 'scopes'>;

function malformed(entry: unknown, {requestId, deviceId, clientId, clientMode, scopes}: Known): MalformedRequest {
	return {kind: 'malformed', key: requestId ?? keyOf(entry), requestId, deviceId, clientId, clientMode, scopes};
}

/** A name for an entry that has no usable id: what it calls itself, else a hash of what it is. */
function keyOf(entry: unknown): string {
	const id = isRecord(entry) ? entry.requestId : undefined;
	if (typeof id === 'string' && id !== '') return `?${printable(id, 60)}#${hash(id)}`;
	return `?#${hash(shallowText(entry))}`;
}

/** An entry's own fields as text. What is nested in them is left out, since a recursive walk of hostile depth would overflow the stack. */
function shallowText(value: unknown): string {
	if (!isRecord(value)) return Array.isArray(value) ? `array of ${value.length}` : String(value);
	return Object.entries(value)
		.slice(0, MAX_LIST)
		.map(([key, field]) => `${key}=${typeof field === 'object' ? 'object' : String(field)}`)
		.join();
}

function hash(value: string): string {
	return createHash('sha256').update(value).digest('hex').slice(0, 12);
}

function readPaired(entry: unknown): PairedDevice[] {
	if (!isRecord(entry) || typeof entry.deviceId !== 'string') return [];
	return [
		{
			deviceId: entry.deviceId,
			publicKey: typeof entry.publicKey === 'string' ? entry.publicKey : null,
			scopes: isStringList(entry.scopes) ? entry.scopes : [],
			tokens: Array.isArray(entry.tokens) ? entry.tokens.slice(0, MAX_LIST).flatMap(readToken) : [],
		},
	];
}

function readToken(entry: unknown): DeviceToken[] {
	if (!isRecord(entry) || typeof entry.role !== 'string') return [];
	const {role, scopes, revokedAtMs} = entry;
	return [
		{role, scopes: isStringList(scopes) ? scopes : [], isRevoked: revokedAtMs !== undefined && revokedAtMs !== null},
	];
}

/** A short string, `null` when absent, `undefined` when it is neither. */
function text(value: unknown): string | null | undefined {
	if (value === undefined) return null;
	return typeof value === 'string' && value.length <= MAX_STRING ? value : undefined;
}

function list(value: unknown): readonly string[] | null | undefined {
	if (value === undefined) return null;
	return isStringList(value) ? value : undefined;
}

function isStringList(value: unknown): value is readonly string[] {
	return (
		Array.isArray(value) &&
		value.length <= MAX_LIST &&
		value.every(item => typeof item === 'string' && item.length <= MAX_STRING)
	);
}
