import net from 'node:net';

/**
 * Whether a request may name this host: by an IP address, as `localhost`, or as one of `names` (lower-case). A page of somebody else's that has its own
 * name lead to our address (DNS rebinding) comes with that name, and reads nothing. `host`: the request's header. Pure.
 */
export function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
	const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{1,5})?$/.exec(host ?? '') ?? [];
	if (bracketed !== undefined) return net.isIPv6(bracketed);
	const name = plain.toLowerCase();
	return net.isIPv4(name) || name === 'localhost' || names.includes(name);
}
