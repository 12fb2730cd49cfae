import {ClientError, toClientError} from '../../client-error.ts';
import {type ApprovalAnswer, type Listing, readApproval, readListing} from '../../requests/listing.ts';
import type {OpenClawClient} from '../client.ts';
import type {GatewaySession} from './session.ts';

/** OpenClaw through its gateway's WebSocket (OpenClaw: docs/gateway/protocol). `session` gives the connection, or throws a {@link ClientError}. */
export function gatewayClient(session: () => GatewaySession): OpenClawClient {
	return {
		isStale: false,
		list: async signal => listDevices(session(), signal),
		approve: async (requestId, signal): Promise<ApprovalAnswer> =>
			readApproval(await session().request('device.pair.approve', {requestId}, signal)),
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
