import type {Listing} from './listing.ts';
import type {PairedDevice} from './request.ts';

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
 * the connection too, and the roles that a device has no more (`openclaw nodes remove` of 2026.9.6 takes one and its token; a token that is revoked stays
 * listed). Listings over two connections, and the CLI's, each of which makes one of its own, are compared only where they are proof of the same state: a
 * device that both show, first paired at the same time. Whoever is removed may cut the connection before we look. So by the CLI, or where the connection
 * was cut, the removal of a sandbox's only device is not seen. Pure.
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
		return has === undefined ? [{deviceId, role: null}] : rolesGone(had, has).map(role => ({deviceId, role}));
	});
}

function rolesGone(had: SeenDevice, has: SeenDevice): readonly string[] {
	return [...new Set([...gone(had.roles, has.roles), ...gone(had.tokens, has.tokens)])];
}

function gone(had: SeenDevice['roles'], has: SeenDevice['roles']): readonly string[] {
	return had === null || has === null ? [] : [...had].filter(role => !has.has(role));
}
