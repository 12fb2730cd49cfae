import {rolesOf} from './gives.ts';
import type {Listing} from './listing.ts';
import {shortHash} from './refusal.ts';
import type {LetIn, MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

/** Of devices that OpenClaw let in later than this before another one it takes none away, in milliseconds (2026.9.6; docs/gateway/pairing.md has a minute). */
const GRACE = 60_000;

/** What a person has taken away: a device, or one role of a device that has others (`role` is `null` for the whole device). */
export interface Removal {
	readonly deviceId: string;
	readonly role: string | null;
}

/** What a listing showed of one paired device. */
export interface SeenDevice {
	/** When it was first paired, if the gateway says. */
	readonly createdAt: number | undefined;
	/** The roles that its record names; `null` where the gateway does not say. */
	readonly roles: readonly string[] | null;
	/** The roles that it has a token for, be it revoked; `null` where nobody can say. */
	readonly tokens: readonly string[] | null;
	/** `null`: the gateway does not say. */
	readonly letIn: LetIn | null;
}

/** Which devices a listing showed, and over which connection it came; `null`: by the CLI, whose every call makes one of its own. */
export interface Sighting {
	readonly connection: number | null;
	readonly devices: ReadonlyMap<string, SeenDevice>;
}

/** What a listing shows of paired devices; `null` where it shows only some of them, so that nothing follows from one that is missing. */
export function sightingOf(listing: Listing, connection: number | null): Sighting | null {
	if (listing.ignoredPaired > 0) return null;
	const entries = Map.groupBy(listing.paired, ({deviceId}) => deviceId);
	return {connection, devices: new Map(Array.from(entries, ([id, devices]) => [id, seenIn(devices)]))};
}

/** A hostile gateway may list a device more than once, so all of its entries count. */
function seenIn(entries: readonly PairedDevice[]): SeenDevice {
	const isUnreadable = entries.some(entry => entry.isUnreadable);
	const [entry, ...others] = entries;
	return {
		createdAt: entries.at(-1)?.createdAt,
		letIn: others.length === 0 ? (entry?.letIn ?? null) : null,
		roles: entries.some(({roles}) => roles === undefined) ? null : entries.flatMap(({roles = []}) => roles),
		tokens: isUnreadable ? null : entries.flatMap(({tokens}) => tokens.map(({role}) => role)),
	};
}

/**
 * What a person has removed between two listings: the devices that are gone within one connection, since a gateway that lost its state would have lost
 * the connection too, and the roles that a device has no more (`openclaw nodes remove` of 2026.9.6 takes one and its token; a token that is revoked stays
 * listed). What OpenClaw has taken away itself, as far as that can be told, is not among them. Listings over two connections, and the CLI's, each of which
 * makes one of its own, are compared only where they are proof of the same state: a device that both show, first paired at the same time. Whoever is
 * removed may cut the connection before we look. So by the CLI, or where the connection was cut, the removal of a sandbox's only device is not seen. Pure.
 */
export function removedBetween(before: Sighting | null, after: Sighting | null): readonly Removal[] {
	if (before === null || after === null) return [];
	const isSameState =
		(after.connection !== null && before.connection === after.connection) ||
		[...before.devices].some(
			([id, {createdAt}]) => createdAt !== undefined && after.devices.get(id)?.createdAt === createdAt,
		);
	if (!isSameState) return [];
	const tidied = tidiedBetween(before, after);
	return [...before.devices].flatMap(([deviceId, had]): readonly Removal[] => {
		const has = after.devices.get(deviceId);
		if (has === undefined) return isTidied(had, tidied) ? [] : [{deviceId, role: null}];
		return rolesGone(had, has).map(role => ({deviceId, role}));
	});
}

/**
 * By client: when OpenClaw let a new device of it in by itself, between two looks, and so took away those of its older ones that {@link isTidied} names.
 * Where one of those is listed all the same, it did not. (2026.9.6; docs/gateway/pairing.md: *Silent pairing supersede cleanup*.) A new device shows
 * besides that this gateway lets in whoever has its token, so that a removal which falls into the same moment would have kept nobody out.
 */
function tidiedBetween(before: Sighting, after: Sighting): ReadonlyMap<string, number> {
	const silent = [...after.devices].flatMap(([id, {letIn}]) => (isSilent(letIn) ? [{id, ...letIn}] : []));
	const tidied = new Map<string, number>();
	for (const [client, devices] of Map.groupBy(silent, each => each.client)) {
		const latest = devices
			.filter(({id}) => !before.devices.has(id))
			.reduce((max, {at}) => Math.max(max, at), Number.NEGATIVE_INFINITY);
		if (devices.every(({at, isConnected}) => isConnected || latest - at < GRACE)) tidied.set(client, latest);
	}
	return tidied;
}

/** OpenClaw would have taken this device away by then: it let it in itself, and nobody else since, and it was not connected. */
function isTidied({letIn}: SeenDevice, tidied: ReadonlyMap<string, number>): boolean {
	if (!isSilent(letIn) || letIn.isConnected) return false;
	return (tidied.get(letIn.client) ?? Number.NEGATIVE_INFINITY) - letIn.at >= GRACE;
}

function isSilent(letIn: LetIn | null): letIn is LetIn & {readonly client: string} {
	return letIn !== null && letIn.via === 'silent' && letIn.client !== null;
}

function rolesGone(had: SeenDevice, has: SeenDevice): readonly string[] {
	return [...new Set([...gone(had.roles, has.roles), ...gone(had.tokens, has.tokens)])];
}

function gone(had: SeenDevice['roles'], has: SeenDevice['roles']): readonly string[] {
	return had === null || has === null ? [] : had.filter(role => !has.includes(role));
}

/** What a removal is remembered by. What is remembered of a sandbox is kept small. */
export function removalKey({deviceId, role}: Removal): string {
	return keyOf(shortHash(deviceId), role === null ? null : shortHash(role));
}

/** The short hash of the device that a removal with this key is of. */
export function deviceOfRemoval(key: string): string {
	return key.split('.', 1)[0] ?? key;
}

/** Whether what is remembered as removed is asked for. Of a request that cannot be read, any role may be meant. Pure. */
export function asksForRemoved(request: PairingRequest | MalformedRequest, removed: readonly string[]): boolean {
	if (request.deviceId === null || removed.length === 0) return false;
	const device = shortHash(request.deviceId);
	if (request.kind === 'malformed') return removed.some(key => deviceOfRemoval(key) === device);
	return removalsGivenBack(device, rolesOf(request).map(shortHash)).some(key => removed.includes(key));
}

/** The keys of the removals that end when a person gives a device these roles; all are short hashes. */
export function removalsGivenBack(device: string, roles: readonly string[]): readonly string[] {
	return [keyOf(device, null), ...roles.map(role => keyOf(device, role))];
}

/** A short hash has no dot. */
function keyOf(device: string, role: string | null): string {
	return role === null ? device : `${device}.${role}`;
}
