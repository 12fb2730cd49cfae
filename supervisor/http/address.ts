import net from 'node:net';
import {errnoInWords} from '../host/errno.ts';

/** Where pairkeeper listens for HTTP. */
export type ListenAddress =
	| {readonly kind: 'tcp'; readonly host: string; readonly port: number}
	| {readonly kind: 'unix'; readonly path: string};

/** The longest path of a socket, in bytes: the kernel takes 107 (unix(7)), and the socket is made under a name that is four longer. */
const MAX_PATH = 103;

/**
 * Reads `listen`: an IP address (an IPv6 one in brackets) or `localhost` and a port, or a Unix socket's absolute path; `null`: it is neither. A port alone
 * is none, since it does not say whether only this host may come.
 */
export function parseListen(text: string): ListenAddress | null {
	if (text.startsWith('/'))
		return Buffer.byteLength(text) <= MAX_PATH && !text.endsWith('/') ? {kind: 'unix', path: text} : null;
	const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
	const port = Number(digits);
	if (!(port >= 1 && port <= 65_535)) return null;
	if (bracketed !== undefined) return net.isIPv6(bracketed) ? {kind: 'tcp', host: bracketed, port} : null;
	if (plain === 'localhost') return {kind: 'tcp', host: '127.0.0.1', port};
	return plain !== undefined && net.isIPv4(plain) ? {kind: 'tcp', host: plain, port} : null;
}

/** Whether only this host can come there. */
export function isLocal(address: ListenAddress): boolean {
	return address.kind === 'unix' || LOOPBACK.check(address.host, net.isIPv6(address.host) ? 'ipv6' : 'ipv4');
}

const LOOPBACK = new net.BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** The address as a person writes it: a URL, or a path. */
export function shownAddress(address: ListenAddress): string {
	if (address.kind === 'unix') return address.path;
	const {host, port} = address;
	return `http://${net.isIPv6(host) ? `[${host}]` : host}:${port}/`;
}

/** Why nothing can be listened at, where the system says so by a code (listen(2), bind(2)). */
const WORDS: Readonly<Record<string, string>> = {
	EADDRINUSE: 'another program listens there; stop it, or name another port',
	EADDRNOTAVAIL: 'this host has no such address',
	EACCES: 'no permission; ports below 1024 are for root',
};

/** Why nothing can be listened at, for people. */
export function listenErrorInWords(error: unknown): string {
	const {code, message} = error as NodeJS.ErrnoException;
	return (code !== undefined && WORDS[code]) || (code === undefined ? message : errnoInWords(code));
}
