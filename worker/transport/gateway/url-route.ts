import {lookup} from 'node:dns/promises';
import {statSync} from 'node:fs';
import {connect as connectPlain, isIP, type Socket} from 'node:net';
import type {TLSSocket} from 'node:tls';
import {ClientError} from '../../client-error.ts';
import type {GatewayTarget} from '../../protocol.ts';
import {messageOf} from '../../text.ts';
import type {Turns} from '../../turns.ts';
import {isClearToPublicAddress} from '../public-address.ts';
import {listenerCheck} from './listener-check.ts';
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
			const stream = await connectTo(gateway, bounds);
			// A pinned certificate says better who it is.
			const confirm = gateway.fingerprint === null ? listenerCheck(stream, mayListen(gateway)) : null;
			return {stream, url: gateway.url, token, confirm: confirm ?? undefined};
		},
	};
}

/** Who may be at the other end besides root and us: whoever the configuration names, and whoever could read the token anyway. */
function mayListen({listenerUid, tokenFile}: GatewayTarget): number[] {
	const owner = tokenFile === null ? undefined : statSync(tokenFile, {throwIfNoEntry: false})?.uid;
	return [listenerUid, owner].filter(uid => uid !== undefined);
}

/** A connection to the gateway, over TLS with `wss:`, where the certificate has been checked. Rejects with a {@link ClientError}. */
export async function connectTo(
	{url, fingerprint}: Pick<GatewayTarget, 'url' | 'fingerprint'>,
	{timeout, signal}: Pick<RouteBounds, 'timeout' | 'signal'>,
): Promise<Socket> {
	const {hostname, port, protocol} = new URL(url);
	const name = hostname.replace(/^\[|\]$/g, '');
	const host = name === 'localhost' ? await oneLocalhost() : name;
	// Loaded where it is wanted: it costs a worker a third of its start.
	const tls = protocol === 'wss:' ? await import('node:tls') : null;
	signal.throwIfAborted();
	const socket =
		tls !== null
			? tls.connect({
					host,
					port: Number(port) || 443,
					servername: isIP(name) === 0 ? name : '',
					// A pinned certificate is trusted whoever signed it, and checked below.
					rejectUnauthorized: fingerprint === null,
				})
			: connectPlain({host, port: Number(port) || 80});
	const {promise, resolve, reject} = Promise.withResolvers<void>();
	const abort = () => reject(signal.reason);
	const timer = setTimeout(() => reject(new ClientError('timeout', `no answer within ${timeout / 1000} s`)), timeout);
	signal.addEventListener('abort', abort, {once: true});
	// It stays, for what happens before anybody else listens.
	socket.on('error', error => reject(connectionError(error, url)));
	socket.once('close', () => reject(new ClientError('unreachable', 'the connection was closed')));
	socket.once(tls === null ? 'connect' : 'secureConnect', resolve);
	try {
		await promise;
		if (tls !== null && socket instanceof tls.TLSSocket && fingerprint !== null) assertPinned(socket, fingerprint);
		return socket;
	} catch (error) {
		socket.destroy();
		throw error;
	} finally {
		clearTimeout(timer);
		signal.removeEventListener('abort', abort);
	}
}

let localhost: Promise<string> | undefined;

/**
 * The address of `localhost`, the same one for this process's life: a gateway that is gone on the one must not send us to whoever has taken the same
 * port on the other. IPv4 first: that is where OpenClaw's `loopback` is.
 */
function oneLocalhost(): Promise<string> {
	localhost ??= lookup('localhost', {all: true}).then(
		found => (found.find(({family}) => family === 4) ?? found[0])?.address ?? '127.0.0.1',
		() => '127.0.0.1',
	);
	return localhost;
}

/** OpenSSL's own words for a port without TLS tell nobody what to do. */
function connectionError(error: NodeJS.ErrnoException, url: string): ClientError {
	const isNoTls = url.startsWith('wss:') && (error.code === 'EPROTO' || error.code?.startsWith('ERR_SSL_') === true);
	return isNoTls
		? new ClientError(
				'unreadable',
				`what listens there does not speak TLS; is the gateway's url ws:// instead of wss://?`,
			)
		: new ClientError('unreachable', messageOf(error), {cause: error});
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
