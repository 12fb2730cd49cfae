import {ClientError} from '../client-error.ts';
import type {Clock} from '../clock.ts';
import type {Listing} from '../requests/listing.ts';
import type {OpenClawClient} from './client.ts';

/**
 * The gateway while it answers, the CLI while it does not. A list that the gateway fails is made again by the CLI at once; one that the CLI is
 * making when the gateway comes back is left for the gateway's, since a stuck call would hold up what the gateway can do at once. What one has
 * listed the other does not approve: it may be another request by then, and the CLI's connection is not bound to the policy's scopes.
 */
export function withFallback(
	connection: {readonly isUp: boolean; readonly up: AbortSignal},
	viaGateway: OpenClawClient,
	viaCli: OpenClawClient,
	slowInterval: number,
	clock: Clock,
): OpenClawClient {
	let lastRescue = Number.NEGATIVE_INFINITY;
	let lister = viaCli;
	const listBy = async (client: OpenClawClient, signal: AbortSignal): Promise<Listing> => {
		const listing = await client.list(signal);
		lister = client;
		return listing;
	};
	return {
		get isStale() {
			return lister !== (connection.isUp ? viaGateway : viaCli);
		},
		list: async signal => {
			if (connection.isUp) {
				try {
					return await listBy(viaGateway, signal);
				} catch (error) {
					// A gateway that comes and goes must not buy more calls than polling would make.
					if (!(error instanceof ClientError) || clock.now() - lastRescue < slowInterval) throw error;
					lastRescue = clock.now();
				}
			}
			const {up} = connection;
			try {
				return await listBy(viaCli, AbortSignal.any([signal, up]));
			} catch (error) {
				signal.throwIfAborted();
				if (!up.aborted) throw error;
				return listBy(viaGateway, signal);
			}
		},
		approve: (approval, signal) => lister.approve(approval, signal),
		reject: (requestId, signal) => lister.reject(requestId, signal),
	};
}
