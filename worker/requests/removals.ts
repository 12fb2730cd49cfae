import {rolesOf} from './gives.ts';
import {shortHash} from './refusal.ts';
import type {Removal} from './removed.ts';
import type {MalformedRequest, PairingRequest} from './request.ts';

/**
 * What is remembered of what a person has removed, in the order in which it was: a line for each device that was removed as a whole, and one for each
 * single role of another. What is in it is hashed, so that it stays small whatever a gateway names.
 */
export type Removals = readonly string[];

/** So many roles that were given back are told apart; a device to which more are given has none of them back. */
const MAX_GIVEN = 16;

/** A line of {@link Removals}, taken apart; all are short hashes, which are equally long and have neither a dot nor an exclamation mark. */
interface Remembered {
	readonly device: string;
	/** The one role that was removed; `null`: the device was, with every role but those in `given`, which a person has given back since. */
	readonly role: string | null;
	readonly given: readonly string[];
}

function parse(line: string): Remembered {
	const [device = '', role] = line.split('.');
	if (role !== undefined) return {device, role, given: []};
	const [whole = '', ...given] = line.split('!');
	return {device: whole, role: null, given};
}

function lineOf({device, role, given}: Remembered): string {
	return role === null ? [device, ...given].join('!') : `${device}.${role}`;
}

/** So many at most, in their order: the urgent ones before all others, then the latest. */
function mostUrgentOf<T>(items: readonly T[], isUrgent: (item: T) => boolean, limit: number): ReadonlySet<T> {
	const leastFirst = items.toSorted((one, other) => Number(isUrgent(one)) - Number(isUrgent(other)));
	return new Set(leastFirst.slice(-limit));
}

/**
 * With what one listing shows to be removed, which is the latest; so many at most, as {@link mostUrgent} has it. A gateway may take away any number at once:
 * hashes are made of no more devices than can be remembered. Pure.
 */
export function withRemovals(
	removals: Removals,
	more: readonly Removal[],
	asking: readonly (string | null)[],
	limit: number,
): Removals {
	const asks = new Set(asking);
	const devices = mostUrgentOf([...new Set(more.map(({deviceId}) => deviceId))], id => asks.has(id), limit);
	const latest = more.flatMap(({deviceId, role}) =>
		devices.has(deviceId) ? {device: shortHash(deviceId), role: role === null ? null : shortHash(role), given: []} : [],
	);
	// Who is removed as a whole has nothing left of what was given back, nor single roles.
	const whole = new Set(latest.flatMap(({device, role}) => (role === null ? device : [])));
	const others = removals.filter(line => !whole.has(parse(line).device));
	return mostUrgent([...new Set([...others, ...latest.map(lineOf)])], asking, limit);
}

/** Without what is given back with these roles of a device, be it by a person or by somebody else's approval; all are short hashes. Pure. */
export function withoutGiven(removals: Removals, device: string, roles: readonly string[]): Removals {
	return removals.flatMap(line => {
		const removed = parse(line);
		if (removed.device !== device) return line;
		if (removed.role !== null) return roles.includes(removed.role) ? [] : line;
		const given = [...new Set([...removed.given, ...roles])];
		return given.length > MAX_GIVEN ? line : lineOf({...removed, given});
	});
}

/** Whether this asks for what is remembered as removed. Of a request that cannot be read, any role may be meant. Pure. */
export function asksForRemoved(request: PairingRequest | MalformedRequest, removals: Removals): boolean {
	if (request.deviceId === null || removals.length === 0) return false;
	const device = shortHash(request.deviceId);
	const its = removals.filter(line => line.startsWith(device)).map(parse);
	if (its.length === 0) return false;
	if (request.kind === 'malformed') return true;
	const roles = rolesOf(request).map(shortHash);
	return its.some(({role, given}) => roles.some(each => (role === null ? !given.includes(each) : each === role)));
}

/**
 * So many of these removals at most, in their order. Where there are more, a device of which several things are remembered counts as removed with all its
 * roles; then those go first whose devices do not ask now, the oldest of them before others, since a sandbox may remove any number itself. Pure.
 */
export function mostUrgent(removals: Removals, asking: readonly (string | null)[], limit: number): Removals {
	if (removals.length <= limit) return removals;
	const byDevice = Map.groupBy(removals, line => parse(line).device);
	const devices = [...byDevice].map(([device, lines]) => ({device, line: lines.length === 1 ? lines[0] : device}));
	const hashes = new Set(asking.flatMap(deviceId => (deviceId === null ? [] : shortHash(deviceId))));
	const kept = mostUrgentOf(devices, ({device}) => hashes.has(device), limit);
	return devices.flatMap(each => (kept.has(each) ? (each.line ?? []) : []));
}
