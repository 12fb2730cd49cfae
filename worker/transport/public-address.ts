import {BlockList, isIP} from 'node:net';

/** Addresses of this host and of private networks, to which a token may go without TLS where that is allowed (RFC 1918, 3927, 4193, 4291 and 6598). */
const privateAddresses = new BlockList();
for (const [network, prefix] of [
	['10.0.0.0', 8],
	['100.64.0.0', 10],
	['127.0.0.0', 8],
	['169.254.0.0', 16],
	['172.16.0.0', 12],
	['192.168.0.0', 16],
] as const) {
	privateAddresses.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
	['::1', 128],
	['fc00::', 7],
	['fe80::', 10],
] as const) {
	privateAddresses.addSubnet(network, prefix, 'ipv6');
}

/** Whether this URL leads without TLS to a public address, where no token is sent even with `allowInsecure`. Names are not looked up. */
export function isClearToPublicAddress(text: string): boolean {
	const url = URL.parse(text);
	const host = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
	const family = isIP(host);
	return url?.protocol === 'ws:' && family !== 0 && !privateAddresses.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
