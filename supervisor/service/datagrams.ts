import {closeSync} from 'node:fs';
import {constants} from 'node:os';
import {z} from 'zod';
import type {UnixAddress} from './unix-address.ts';

/** From the Linux kernel's headers; the same on every processor that Node runs on, but MIPS. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** What became of a message. `full`: the receiver has not read those before it yet, so it may be sent again later. */
export type Sent =
	| {readonly kind: 'sent'}
	| {readonly kind: 'full'}
	| {readonly kind: 'failed'; readonly error: string};

/** Messages to one receiver, each whole or not at all. */
export interface Datagrams {
	/** Never waits: whoever does not read must not hold us up. */
	send(text: string): Sent;
	close(): void;
}

/**
 * A socket for messages to `address`, which nothing that we start inherits. Node has none of this kind (it had until 0.5), so libc's is called, by
 * koffi: sent by this process itself, a message is known to be the service's main process's, and needs no other process that a busy host may refuse us.
 * Rejects where koffi has no binary for this machine.
 */
export async function openDatagrams(address: UnixAddress): Promise<Datagrams> {
	const {default: koffi} = await import('koffi');
	// What this program is linked with already, glibc or musl.
	const libc = koffi.load(null);
	const socket = libc.func('int socket(int domain, int type, int protocol)');
	const sendto = libc.func(
		'long sendto(int fd, const void *text, size_t length, int flags, const void *address, uint32_t addressLength)',
	);
	const errorName = (): string => {
		const number = koffi.errno();
		return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
	};
	const descriptor = z.int().parse(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (descriptor < 0) throw new Error(`no socket: ${errorName()}`);
	return {
		send: text => {
			const bytes = Buffer.from(text);
			const sent: unknown = sendto(
				descriptor,
				bytes,
				bytes.length,
				MSG_DONTWAIT | MSG_NOSIGNAL,
				address,
				address.length,
			);
			if (Number(sent) === bytes.length) return {kind: 'sent'};
			const error = errorName();
			return error === 'EAGAIN' || error === 'ENOBUFS' ? {kind: 'full'} : {kind: 'failed', error};
		},
		close: () => closeSync(descriptor),
	};
}
