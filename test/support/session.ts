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

/** One request to the gateway at `url`, over a connection of its own with these scopes, as a person makes it who knows the gateway's token. */
export async function requestAsPerson(
	{url, token}: {readonly url: string; readonly token: string},
	scopes: readonly string[],
	method: string,
	params: object = {},
): Promise<unknown> {
	const session = await openSession(url, {token, scopes, timeout: 20_000, onRequested: () => {}, onEnd: () => {}});
	try {
		return await session.request(method, params, new AbortController().signal);
	} finally {
		session.end('unreachable', 'done');
	}
}
