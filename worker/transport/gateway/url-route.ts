import {connect as connectPlain, isIP, type Socket} from 'node:net';
import {connect as connectTls, TLSSocket} from 'node:tls';
import {ClientError} from '../../client-error.ts';
import type {GatewayTarget} from '../../protocol.ts';
import {messageOf} from '../../text.ts';
import type {Turns} from '../../turns.ts';
import {isClearToPublicAddress} from '../public-address.ts';
import type {Route, RouteBounds} from './route.ts';
import {readToken, type TokenSource} from './token.ts';

/** By the gateway's URL, as configured. `owner` marks the processes of `tokenCommand`. */
export function urlRoute(
	gateway: GatewayTarget,
	{owner, turns, passEnv = []}: {readonly owner: string; readonly turns: Turns; readonly passEnv?: readonly string[]},
): Route {
	const source: TokenSource =
		gateway.tokenFile === null
			? {kind: 'command', command: gateway.tokenCommand}
			: {kind: 'file', file: gateway.tokenFile};
	return {
		kind: 'url',
		warnings: [],
		open: async bounds => {
			const {timeout, signal} = bounds;
			if (isClearToPublicAddress(gateway.url))
				throw new ClientError('unsafe', 'no token is sent in clear text to a public address; use wss://');
			if (source.kind === 'command') {
				// A gateway that is down is tried often; a program for its token is worth running only when it is up.
				(await connectTo(gateway, bounds)).destroy();
				bounds.onCommand();
			}
			const token = await readToken(source, {timeout, owner: `${owner}/token`, turns, passEnv, signal});
			return {stream: await connectTo(gateway, bounds), url: gateway.url, token};
		},
	};
}

/** A connection to the gateway, over TLS with `wss:`, where the certificate has been checked. Rejects with a {@link ClientError}. */
async function connectTo(
	{url, fingerprint}: GatewayTarget,
	{timeout, signal}: Pick<RouteBounds, 'timeout' | 'signal'>,
): Promise<Socket> {
	const {hostname, port, protocol} = new URL(url);
	const host = hostname.replace(/^\[|\]$/g, '');
	signal.throwIfAborted();
	const socket =
		protocol === 'wss:'
			? connectTls({
					host,
					port: Number(port) || 443,
					servername: isIP(host) === 0 ? host : '',
					// A pinned certificate is trusted whoever signed it, and checked below.
					rejectUnauthorized: fingerprint === null,
				})
			: connectPlain({host, port: Number(port) || 80});
	const {promise, resolve, reject} = Promise.withResolvers<void>();
	const abort = () => reject(signal.reason);
	const timer = setTimeout(() => reject(new ClientError('timeout', `no answer within ${timeout / 1000} s`)), timeout);
	signal.addEventListener('abort', abort, {once: true});
	// It stays, for what happens before anybody else listens.
	socket.on('error', error => reject(new ClientError('unreachable', messageOf(error), {cause: error})));
	socket.once('close', () => reject(new ClientError('unreachable', 'the connection was closed')));
	socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', resolve);
	try {
		await promise;
		if (socket instanceof TLSSocket && fingerprint !== null) assertPinned(socket, fingerprint);
		return socket;
	} catch (error) {
		socket.destroy();
		throw error;
	} finally {
		clearTimeout(timer);
		signal.removeEventListener('abort', abort);
	}
}

/** Throws unless the certificate at the other end is the one that is expected. */
function assertPinned(socket: TLSSocket, expected: string): void {
	const presented = socket.getPeerX509Certificate()?.fingerprint256 ?? 'none';
	if (plainHex(presented) === plainHex(expected)) return;
	throw new ClientError(
		'unsafe',
		`TLS fingerprint mismatch: the gateway's certificate has ${presented}, which is not the configured one`,
	);
}

/** A fingerprint without prefix and colons, in lower case. */
function plainHex(fingerprint: string): string {
	return fingerprint
		.toLowerCase()
		.replace(/^sha256:/, '')
		.replaceAll(':', '');
}
