import * as z from 'zod';
import {isoTime} from '../../worker/clock.ts';
import {type HeldRequest, heldRequestSchema} from '../../worker/protocol.ts';

/** A request that waits for a person, as `pairkeeper pending --json` and `notify` show it. Times are ISO 8601 UTC. */
export const pendingSchema = z.object({
	sandbox: z.string(),
	...heldRequestSchema.shape,
	since: z.string(),
	/** When it is rejected if nobody decides; `null`: never. */
	rejectAt: z.string().nullable(),
});
export type PendingRequest = Readonly<z.infer<typeof pendingSchema>>;

/** The keys in the order in which they are documented. */
export function pendingRequest(sandbox: string, held: HeldRequest): PendingRequest {
	const {requestId, deviceId, clientId, clientMode, role, roles, scopes, gives, reason, since, rejectAt, digest} = held;
	return {
		sandbox,
		requestId,
		deviceId,
		clientId,
		clientMode,
		role,
		roles,
		scopes,
		gives,
		reason,
		since: isoTime(since),
		rejectAt: rejectAt === null ? null : isoTime(rejectAt),
		digest,
	};
}

/** As many of each list as all may have so that they are `limit` together: one that floods takes nothing from the others. Pure. */
export function fairShare<T>(lists: readonly (readonly T[])[], limit: number): readonly T[] {
	let share = 0;
	let left = limit;
	// From the shortest on: what it does not need is for the others.
	lists
		.map(({length}) => length)
		.sort((a, b) => a - b)
		.forEach((length, index, lengths) => {
			share = Math.floor(left / (lengths.length - index));
			left -= Math.min(length, share);
		});
	return lists.flatMap(list => list.slice(0, share));
}

/** How many requests wait for a person, by sandbox; one that is not there has none. Pure. */
export function heldCounts(pending: readonly PendingRequest[]): ReadonlyMap<string, number> {
	const bySandbox = Map.groupBy(pending, ({sandbox}) => sandbox);
	return new Map([...bySandbox].map(([sandbox, requests]) => [sandbox, requests.length]));
}
