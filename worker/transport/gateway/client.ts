import {ClientError, toClientError} from '../../client-error.ts';
import {isCoveredBy} from '../../requests/approver-scopes.ts';
import {type Listing, readApproval, readListing} from '../../requests/listing.ts';
import type {OpenClawClient} from '../client.ts';
import type {GatewaySession} from './session.ts';

/** By what a gateway is asked. */
export interface GatewayClientDeps {
	/** The lasting connection; throws a {@link ClientError} while it is down. */
	readonly session: () => GatewaySession;
	/** What that one asked for. */
	readonly scopes: readonly string[];
	/** Makes an approval that needs other scopes. */
	readonly second: Pick<OpenClawClient, 'approve'>;
}

/** OpenClaw through its gateway's WebSocket (OpenClaw: docs/gateway/protocol). */
export function gatewayClient({session, scopes, second}: GatewayClientDeps): OpenClawClient {
	return {
		isStale: false,
		list: async signal => listDevices(session(), signal),
		approve: async (approval, signal) => {
			// A gateway that does not let the first connection in is not asked for a second one.
			const lasting = session();
			if (!approval.needs.every(scope => isCoveredBy(scopes, scope))) return second.approve(approval, signal);
			return readApproval(await lasting.request('device.pair.approve', {requestId: approval.requestId}, signal));
		},
		reject: async (requestId, signal) => {
			await session().request('device.pair.reject', {requestId}, signal);
		},
	};
}

/** What the gateway lists; rejects with a {@link ClientError}. A session that cannot list is of no use, so that ends it, for the same reason. */
export async function listDevices(session: GatewaySession, signal: AbortSignal): Promise<Listing> {
	try {
		const listing = readListing(await session.request('device.pair.list', {}, signal));
		if (listing) return listing;
		throw new ClientError('unreadable', 'device.pair.list was not answered with a listing of devices');
	} catch (error) {
		signal.throwIfAborted();
		const {failure, message} = toClientError(error);
		session.end(failure, message);
		throw error;
	}
}
