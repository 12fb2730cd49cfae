import {rolesOf} from './gives.ts';
import type {Listing} from './listing.ts';
import {shortHash} from './refusal.ts';
import type {MalformedRequest, PairedDevice, PairingRequest} from './request.ts';

/** What a person has taken away: a device, or one role of a device that has others (`role` is `null` for the whole device). */
export interface Removal {
	readonly deviceId: string;
	readonly role: string | null;
}

/** Of a device that is listed with more roles than this, nobody says which it has: OpenClaw knows two, and a gateway could name any number. */
const MAX_ROLES = 16;

/** What a listing showed of one paired device. */
export interface SeenDevice {
	/** When it was first paired, if the gateway says. */
	readonly createdAt: number | undefined;
	/** The roles that its record names; `null` where nobody can say. */
	readonly roles: ReadonlySet<string> | null;
	/** The roles that it has a token for, be it revoked; `null` where nobody can say. */
	readonly tokens: ReadonlySet<string> | null;
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
	const hasNoRoles = entries.some(({roles}) => roles === undefined);
	return {
		createdAt: entries.at(-1)?.createdAt,
		roles: hasNoRoles ? null : fewRoles(entries.flatMap(({roles = []}) => roles)),
		tokens: isUnreadable ? null : fewRoles(entries.flatMap(({tokens}) => tokens.map(({role}) => role))),
	};
}

function fewRoles(roles: readonly string[]): ReadonlySet<string> | null {
	const set = new Set(roles);
	return set.size > MAX_ROLES ? null : set;
}

/**
 * What a person has removed between two listings: the devices that are gone within one connection, since a gateway that lost its state would have lost
 * the connection too, and the roles that a device has no more (`openclaw nodes remove` of 2026.9.6 takes one and its
 * token; a token that is revoked stays listed). Listings over two connections, and the CLI's, each of which makes one of its own, are compared only where
 * they are proof of the same state: a device that both show, first paired at the same time. Whoever is removed may cut the connection before we look. So by
 * the CLI, or where the connection was cut, the removal of a sandbox's only device is not seen. Pure.
 */
export function removedBetween(before: Sighting | null, after: Sighting | null): readonly Removal[] {
	if (before === null || after === null) return [];
	const isSameState =
		(after.connection !== null && before.connection === after.connection) ||
		[...before.devices].some(
			([id, {createdAt}]) => createdAt !== undefined && after.devices.get(id)?.createdAt === createdAt,
		);
	if (!isSameState) return [];
	return [...before.devices].flatMap(([deviceId, had]): readonly Removal[] => {
		const has = after.devices.get(deviceId);
		const roles = rolesGone(had, has).map(role => ({deviceId, role}));
		if (has !== undefined) return roles;
		// The only role that it had is given back with the device; of several, whoever gives back one has said nothing of the others.
		return [{deviceId, role: null}, ...(roles.length > 1 ? roles : [])];
	});
}

/** `has` is `undefined` where the whole device is gone. */
function rolesGone(had: SeenDevice, has: SeenDevice | undefined): readonly string[] {
	const none: ReadonlySet<string> = new Set();
	const {roles, tokens} = has ?? {roles: none, tokens: none};
	return [...new Set([...gone(had.roles, roles), ...gone(had.tokens, tokens)])];
}

function gone(had: SeenDevice['roles'], has: SeenDevice['roles']): readonly string[] {
	return had === null || has === null ? [] : [...had].filter(role => !has.has(role));
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
