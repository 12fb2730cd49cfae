import type {Clock} from '../../clock.ts';
import type {Listing} from '../../requests/listing.ts';
import type {OpenClawClient} from '../client.ts';

/** So long, in milliseconds, a gateway may list nothing from its start: a sandbox that nobody uses yet. */
export const PATIENCE = 10 * 60_000;

/** The CLI is asked this seldom, in milliseconds: such a call costs a second of a core. */
export const BETWEEN_COMPARISONS = 3_600_000;

/** What is known of a gateway that lists neither pending nor paired devices. Times are monotonic milliseconds. */
export interface Emptiness {
	/** Since when it lists nothing; `null` where it does list something, or nothing is known yet. */
	readonly since: number | null;
	/** It had paired devices, and they are all gone. */
	readonly isSudden: boolean;
	readonly comparedAt: number | null;
	/** What the CLI showed that the gateway did not, when they were compared last. */
	readonly doubt: string | null;
}

const noEmptiness: Emptiness = {since: null, isSudden: false, comparedAt: null, doubt: null};

/** Whether nothing at all is listed. A gateway that is watched nearly always has a device. */
export function isEmpty({pending, paired}: Listing): boolean {
	return pending.length === 0 && paired.length === 0;
}

/** What is known after the gateway has listed this. Pure. */
export function afterListing(before: Emptiness, listing: Listing, now: number): Emptiness {
	if (!isEmpty(listing)) return {...before, since: null, isSudden: listing.paired.length > 0, doubt: null};
	return {...before, since: before.since ?? now};
}

/** Whether it is time to see what the CLI lists. Where they differed, each connection is compared anew: between two, the gateway is left alone. Pure. */
function isComparisonDue({since, isSudden, comparedAt, doubt}: Emptiness, now: number): boolean {
	if (since === null) return false;
	if (doubt !== null) return true;
	if (!isSudden && now - since < PATIENCE) return false;
	return comparedAt === null || now - comparedAt >= BETWEEN_COMPARISONS;
}

/** What is known when they have been compared; `byCli`: what the CLI showed and the gateway still did not, `null` where they agree. Pure. */
function afterComparison(before: Emptiness, byCli: Listing | null, now: number): Emptiness {
	return {...before, isSudden: false, comparedAt: now, doubt: byCli === null ? null : countOf(byCli)};
}

function countOf({pending, paired}: Listing): string {
	return `openclaw devices list shows ${paired.length} paired devices and ${pending.length} requests`;
}

interface EmptyWatchDeps {
	/** Calls of the CLI that take their turn among the host's. */
	readonly viaCli: Pick<OpenClawClient, 'list'>;
	/** The URL of the gateway where others of this host might listen there in its place; `null`: nobody else could. */
	readonly where: () => string | null;
	readonly clock: Pick<Clock, 'now'>;
	/** Leaves the gateway alone for a while, for that reason, so that the CLI is used. */
	readonly breakOff: (reason: string) => void;
	readonly signal: AbortSignal;
}

/**
 * The same client; whoever has a gateway's port, and lists nothing for ever, does not look like a gateway for ever: the CLI is asked too, beside what else is
 * done, so that no approval waits for it.
 */
export function watchingEmptiness(
	viaGateway: OpenClawClient,
	{viaCli, where, clock, breakOff, signal}: EmptyWatchDeps,
): {readonly client: OpenClawClient; readonly warnings: () => readonly string[]} {
	let emptiness = noEmptiness;
	let isComparing = false;
	const complaint = (doubt: string) => `the gateway at ${where()} lists nothing, and ${doubt}`;
	const compare = async (): Promise<void> => {
		isComparing = true;
		try {
			const byCli = await viaCli.list(signal);
			// What was asked for meanwhile the gateway lists too.
			const isAgreed = isEmpty(byCli) || !isEmpty(await viaGateway.list(signal));
			emptiness = afterComparison(emptiness, isAgreed ? null : byCli, clock.now());
			if (emptiness.doubt !== null) breakOff(complaint(emptiness.doubt));
		} catch {
			// A stop, or one of them cannot say; the next comparison may.
			emptiness = {...emptiness, comparedAt: clock.now()};
		} finally {
			isComparing = false;
		}
	};
	return {
		client: {
			get isStale() {
				return viaGateway.isStale;
			},
			get connection() {
				return viaGateway.connection ?? null;
			},
			list: async aborted => {
				const listing = await viaGateway.list(aborted);
				emptiness = afterListing(emptiness, listing, clock.now());
				if (!isComparing && where() !== null && isComparisonDue(emptiness, clock.now())) void compare();
				return listing;
			},
			approve: (approval, aborted) => viaGateway.approve(approval, aborted),
			reject: (requestId, aborted) => viaGateway.reject(requestId, aborted),
		},
		warnings: () =>
			emptiness.doubt === null
				? []
				: [
						`${complaint(emptiness.doubt)}: another program may have its port, or the CLI means another gateway; compare gateway.url with what openclaw uses there`,
					],
	};
}
