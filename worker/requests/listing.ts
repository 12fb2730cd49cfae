import {createHash} from 'node:crypto';
import {isDeepStrictEqual} from 'node:util';
import {isRecord} from '../json.ts';
import {printable} from '../text.ts';
import {
	type DeviceToken,
	isRequestId,
	type MalformedRequest,
	type PairedDevice,
	type PairingRequest,
} from './request.ts';

/** How many pending and paired entries of one listing are looked at; a gateway keeps far fewer. */
const MAX_PENDING = 256;
const MAX_PAIRED = 4096;
const MAX_LIST = 32;
const MAX_STRING = 128;

/**
 * A device's record gathers what was granted in its whole life. All that is listed of one device together has no more: what an approval may come to is
 * remembered scope by scope, for every request that is tried, and a gateway may list as much of one device as a frame has room for.
 */
const MAX_RECORD = 256;

/** What a gateway says is pending and paired, read from untrusted data. */
export interface Listing {
	readonly pending: readonly (PairingRequest | MalformedRequest)[];
	readonly paired: readonly PairedDevice[];
	/** Pending entries beyond the bound, which were not looked at. */
	readonly ignored: number;
	/** Paired devices beyond the bound, which were not looked at. None of them asks for anything. */
	readonly ignoredPaired: number;
}

/** What an approval answered: the device and scopes it names, `null` where it names none. */
export interface ApprovalAnswer {
	readonly deviceId: string | null;
	/** Of the device's record and of its live tokens. */
	readonly scopes: readonly string[] | null;
	/** It names something, and what cannot be read: too much of it, or of the wrong type. */
	readonly isUnreadable?: boolean;
}

/** A listing from `openclaw devices list --json` or `device.pair.list`, or `null` where `value` is not shaped like one. */
export function readListing(value: unknown): Listing | null {
	if (!isRecord(value)) return null;
	const {pending = [], paired = []} = value;
	if (!Array.isArray(pending) || !Array.isArray(paired)) return null;
	if (value.pending === undefined && value.paired === undefined) return null;
	const requests = withoutAmbiguity(pending.slice(0, MAX_PENDING));
	const asking = new Set(requests.flatMap(({deviceId}) => deviceId ?? []));
	const [first, others] = partition(
		paired,
		entry => isRecord(entry) && typeof entry.deviceId === 'string' && asking.has(entry.deviceId),
	);
	return {
		pending: requests,
		// Those that ask come first, so that nobody can hide what one of them has behind a crowd.
		paired: withoutExcess([...first, ...others].slice(0, MAX_PAIRED).flatMap(readPaired)),
		ignored: Math.max(pending.length - MAX_PENDING, 0),
		ignoredPaired: Math.max(paired.length - MAX_PAIRED, 0),
	};
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
	const {first = [], second = []} = Object.groupBy(items, item => (isFirst(item) ? 'first' : 'second'));
	return [first, second];
}

/** The device and scopes in an answer to approve. */
export function readApproval(value: unknown): ApprovalAnswer {
	if (value === undefined || value === null) return namesNone;
	if (!isRecord(value)) return unreadable;
	if (value.device === undefined) return namesNone;
	if (!isRecord(value.device)) return unreadable;
	const {device} = value;
	const lists = [device.scopes, device.approvedScopes].filter(list => list !== undefined);
	const tokens = readTokens(device.tokens);
	const deviceId = text(device.deviceId);
	if (deviceId === undefined || tokens === null || !lists.every(list => isStringList(list))) return unreadable;
	const live = tokens.flatMap(token => (token.isRevoked ? [] : token.scopes));
	const scopes = [...lists.flat(), ...live];
	return {deviceId, scopes: lists.length === 0 && scopes.length === 0 ? null : scopes};
}

const namesNone: ApprovalAnswer = {deviceId: null, scopes: null};
const unreadable: ApprovalAnswer = {...namesNone, isUnreadable: true};

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
	if (!isRecord(entry) || typeof entry.deviceId !== 'string' || entry.deviceId.length > MAX_STRING) return [];
	const {scopes = [], roles, createdAtMs} = entry;
	const tokens = readTokens(entry.tokens);
	const isReadable = isStringList(scopes, MAX_RECORD) && tokens !== null;
	return [
		{
			deviceId: entry.deviceId,
			publicKey: typeof entry.publicKey === 'string' ? entry.publicKey : null,
			scopes: isStringList(scopes, MAX_RECORD) ? scopes : [],
			...(isStringList(roles) ? {roles} : {}),
			tokens: tokens ?? [],
			...(typeof createdAtMs === 'number' ? {createdAt: createdAtMs} : {}),
			...(isReadable ? {} : {isUnreadable: true}),
		},
	];
}

/** Of a device of which too much is listed nobody can say what it has, however many entries that is spread over. */
function withoutExcess(devices: readonly PairedDevice[]): readonly PairedDevice[] {
	const sizes = new Map<string, number>();
	for (const device of devices) sizes.set(device.deviceId, (sizes.get(device.deviceId) ?? 0) + sizeOf(device));
	return devices.map(device =>
		(sizes.get(device.deviceId) ?? 0) <= MAX_RECORD ? device : {...device, scopes: [], tokens: [], isUnreadable: true},
	);
}

/** How many scopes are listed of it. */
function sizeOf({scopes, tokens}: PairedDevice): number {
	return tokens.reduce((sum, token) => sum + token.scopes.length, scopes.length);
}

/** A device's tokens, none where none are listed; `null` where they cannot be read. */
function readTokens(value: unknown): readonly DeviceToken[] | null {
	if (value === undefined) return [];
	if (!Array.isArray(value) || value.length > MAX_LIST) return null;
	const tokens = value.flatMap(readToken);
	return tokens.length === value.length ? tokens : null;
}

function readToken(entry: unknown): DeviceToken[] {
	if (!isRecord(entry) || typeof entry.role !== 'string') return [];
	const {role, scopes = [], revokedAtMs} = entry;
	if (role.length > MAX_STRING || !isStringList(scopes, MAX_RECORD)) return [];
	return [{role, scopes, isRevoked: revokedAtMs !== undefined && revokedAtMs !== null}];
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

function isStringList(value: unknown, length = MAX_LIST): value is readonly string[] {
	return (
		Array.isArray(value) &&
		value.length <= length &&
		value.every(item => typeof item === 'string' && item.length <= MAX_STRING)
	);
}
