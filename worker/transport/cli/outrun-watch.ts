import {ClientError} from '../../client-error.ts';
import type {Clock} from '../../clock.ts';
import type {Listing} from '../../requests/listing.ts';
import type {OpenClawClient} from '../client.ts';
import {afterApproval, afterListing, afterOwnReplacement, afterTry, noOutruns, outrunning} from './outruns.ts';

/** How long that is said after it was seen last, in milliseconds: as long as it takes to see it again, and a minute. */
const memoryFor = (slowInterval: number) => 2 * slowInterval + 60_000;

/** The same client, and what is to be said of devices that outrun it; `slowInterval` in milliseconds. */
export function watchingOutruns(
	client: OpenClawClient,
	{clock, slowInterval, remedy}: {readonly clock: Clock; readonly slowInterval: number; readonly remedy: string},
): {readonly client: OpenClawClient; readonly warnings: () => readonly string[]} {
	const memory = memoryFor(slowInterval);
	let outruns = noOutruns;
	let asked: ReadonlyMap<string, string> = new Map();
	return {
		client: {
			get isStale() {
				return client.isStale;
			},
			list: async signal => {
				const listing = await client.list(signal);
				outruns = afterListing(outruns, listing.pending, clock.now(), memory);
				asked = new Map(listing.pending.flatMap(askedBy));
				return listing;
			},
			approve: async (approval, signal) => {
				const {requestId} = approval;
				const deviceId = asked.get(requestId);
				if (deviceId !== undefined) outruns = afterTry(outruns, requestId, deviceId);
				try {
					const answer = await client.approve(approval, signal);
					outruns = afterApproval(outruns, requestId);
					return answer;
				} catch (error) {
					if (error instanceof ClientError && error.caused.length > 0)
						outruns = afterOwnReplacement(outruns, requestId);
					throw error;
				}
			},
			reject: (requestId, signal) => client.reject(requestId, signal),
		},
		warnings: () => outrunning(outruns, clock.now(), memory, remedy),
	};
}

function askedBy({requestId, deviceId}: Listing['pending'][number]): [string, string][] {
	return requestId === null || deviceId === null ? [] : [[requestId, deviceId]];
}
