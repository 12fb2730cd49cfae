import type {Listing} from './listing.ts';

/** Which devices a listing showed, and over which connection it came; `null`: by the CLI, whose every call makes one of its own. */
export interface Sighting {
	readonly connection: number | null;
	/** By id: when the device was first paired, if the gateway says. */
	readonly devices: ReadonlyMap<string, number | undefined>;
}

/** What a listing shows of paired devices; `null` where it shows only some of them, so that nothing follows from one that is missing. */
export function sightingOf(listing: Listing, connection: number | null): Sighting | null {
	if (listing.ignoredPaired > 0) return null;
	return {connection, devices: new Map(listing.paired.map(({deviceId, createdAt}) => [deviceId, createdAt]))};
}

/**
 * The devices that a person has removed between two listings: those that are gone within one connection, since a gateway that lost its state would have
 * lost the connection too. Listings over two connections, and the CLI's, each of which makes one of its own, are compared only where they are proof of the
 * same state: a device that both show, first paired at the same time. Whoever is removed may cut the connection before we look. So by the CLI, or where
 * the connection was cut, the removal of a sandbox's only device is not seen. Pure.
 */
export function removedBetween(before: Sighting | null, after: Sighting | null): readonly string[] {
	if (before === null || after === null) return [];
	const isSameState =
		(after.connection !== null && before.connection === after.connection) ||
		[...before.devices].some(([id, createdAt]) => createdAt !== undefined && after.devices.get(id) === createdAt);
	return isSameState ? [...before.devices.keys()].filter(id => !after.devices.has(id)) : [];
}
