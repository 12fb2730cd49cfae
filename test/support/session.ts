// A session with a gateway on this host, without the connection that would keep it.
import {connect} from 'node:net';
import {GatewaySession, type SessionOptions} from '../../worker/transport/gateway/session.ts';
import {webSocketOver} from '../../worker/transport/gateway/websocket.ts';

/** Connects to the gateway at `url` as a worker would. */
export async function openSession(
	url: string,
	options: Omit<SessionOptions, 'socket'>,
	signal: AbortSignal = new AbortController().signal,
): Promise<GatewaySession> {
	const socket = webSocketOver(connect(Number(new URL(url).port), '127.0.0.1'), url);
	return GatewaySession.open({...options, socket}, signal);
}
