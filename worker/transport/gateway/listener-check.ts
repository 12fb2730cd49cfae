import {closeSync} from 'node:fs';
import type {Socket} from 'node:net';
import os from 'node:os';
import {ClientError} from '../../client-error.ts';
import {openFile, readFile} from '../../host/promised-files.ts';

/** The kernel's tables of TCP sockets (proc(5)), of this network namespace. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];

/** The most that is read of one, in bytes, some 55,000 sockets: how many there are, other users' processes decide. */
const MAX_TABLE = 8 * 2 ** 20;

const LISTENING = '0A';

/** Both ends of a connection, as ours sees them. */
export interface Ends {
	readonly localAddress: string;
	readonly localPort: number;
	readonly remoteAddress: string;
	readonly remotePort: number;
}

/** Who is at the other end of a connection, by user ids; none: it was forwarded to another network namespace, where we cannot see. */
export type Owners = ReadonlySet<number>;

/**
 * What makes sure who is at the other end of a connection within this host; rejects with a {@link ClientError} where that may be anybody but root, us or
 * one of `trusted`, user ids all. A gateway that is gone leaves its port to whoever takes it first. `null`: the other end is on another host. To be called
 * when the other end has said something: before that, nobody need have taken the connection.
 */
export function listenerCheck(
	socket: Pick<Socket, keyof Ends>,
	trusted: readonly number[],
): (() => Promise<void>) | null {
	const ends = endsOf(socket);
	if (ends === null || !isOnThisHost(ends)) return null;
	return async () => {
		const allowed = new Set([0, process.geteuid?.() ?? 0, ...trusted]);
		const strangers = [...(await ownersOf(ends))].filter(uid => !allowed.has(uid));
		if (strangers.length === 0) return;
		throw new ClientError(
			'unsafe',
			`${ends.remoteAddress}:${ends.remotePort} is held by user ${strangers.join(', ')}, who gets no token; if the gateway runs as that user, say so in the sandbox's configuration: gateway: {url, tokenFile, listenerUser: NAME}`,
		);
	};
}

/**
 * Who is at the other end, as the kernel's tables say. Rejects with a {@link ClientError} where they cannot be read as far as is needed: no further, since the
 * kernel takes milliseconds to go through all that there can be in one.
 */
async function ownersOf(ends: Ends): Promise<Owners> {
	const search = new PeerSearch(ends);
	for (const table of TABLES) {
		if (search.isDecided) break;
		try {
			await readTable(table, search);
		} catch (error) {
			// Without IPv6 there is one table.
			if ((error as NodeJS.ErrnoException).code === 'ENOENT' && table !== TABLES[0]) continue;
			throw new ClientError('unsafe', `who listens on port ${ends.remotePort} cannot be found out from ${table}`, {
				cause: error,
			});
		}
	}
	return search.owners;
}

/** Looks through a table of sockets, line by line, for who is at the other end of a connection. */
export class PeerSearch {
	readonly #peer: ReadonlySet<string>;
	readonly #us: ReadonlySet<string>;
	readonly #port: string;
	/** Whose the other end itself is. */
	readonly #accepted = new Set<number>();
	/** Whose those sockets are that take connections to it, by the addresses that they listen on, the nearest first; the kernel asks them in this order. */
	readonly #listening: readonly {readonly local: ReadonlySet<string>; readonly owners: Set<number>}[];
	#isSeen = false;

	constructor({localAddress, localPort, remoteAddress, remotePort}: Ends) {
		this.#port = `:${hexPort(remotePort)} `;
		this.#peer = new Set(hexAddresses(remoteAddress).map(each => `${each}:${hexPort(remotePort)}`));
		this.#us = new Set(hexAddresses(localAddress).map(each => `${each}:${hexPort(localPort)}`));
		const anywhere = ['0'.repeat(8), '0'.repeat(32)].map(each => new Set([`${each}:${hexPort(remotePort)}`]));
		this.#listening = [this.#peer, ...anywhere].map(local => ({local, owners: new Set()}));
	}

	/** Takes a line of a table (proc(5): /proc/net/tcp). */
	see(line: string): void {
		if (!line.includes(this.#port)) return;
		const [, local = '', remote = '', state, , , , uid = '', , inode] = line.trim().split(/\s+/);
		if (state === LISTENING)
			for (const each of this.#listening) if (each.local.has(local)) each.owners.add(Number(uid));
		if (!this.#peer.has(local) || !this.#us.has(remote)) return;
		this.#isSeen = true;
		// Before it is accepted, and after it is closed, it is nobody's, and looks like root's. One that only says no more can still hear.
		if (inode !== '0') this.#accepted.add(Number(uid));
	}

	/**
	 * Nothing that is still to come changes who it is. A table has those that listen first (Linux: net/ipv4/tcp_ipv4.c, tcp_get_idx), and where one listens on
	 * the very address, no other user can, by a socket of IPv6 neither (inet_csk_bind_conflict).
	 */
	get isDecided(): boolean {
		const [nearest] = this.#listening;
		return this.#isProven || (this.#accepted.size > 0 && nearest !== undefined && nearest.owners.size > 0);
	}

	/**
	 * By what was seen so far. Throws a {@link ClientError} where there is another end, and nothing says whose it is. What the kernel itself has accepted for
	 * a user's process looks like root's (AF_SMC does that), so root's end is one only where root, or who is named too, is seen to listen.
	 */
	get owners(): Owners {
		const listeners = this.#listening.map(({owners}) => owners);
		const nearest = listeners.find(({size}) => size > 0);
		if (this.#isProven) return this.#accepted;
		if (this.#isSeen && nearest === undefined)
			throw new ClientError('unreachable', 'the other end of the connection is closed');
		if (this.#accepted.size > 0) return new Set([...this.#accepted, ...(nearest ?? [])]);
		return new Set(listeners.flatMap(owners => [...owners]));
	}

	get #isProven(): boolean {
		return this.#accepted.size > 0 && !this.#accepted.has(0);
	}
}

function endsOf({localAddress, localPort, remoteAddress, remotePort}: Pick<Socket, keyof Ends>): Ends | null {
	if (!localAddress || !localPort || !remoteAddress || !remotePort) return null;
	return {localAddress, localPort, remoteAddress, remotePort};
}

/** On loopback, or with one address for both ends, which is this host's own. */
function isOnThisHost({localAddress, remoteAddress}: Ends): boolean {
	const [local, remote] = [plain(localAddress), plain(remoteAddress)];
	return /^127\./.test(remote) || remote === '::1' || local === remote;
}

/** An IPv4 address that a socket for IPv6 shows is meant as IPv4. */
function plain(address: string): string {
	return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** How the tables may write an address: 32-bit words as the processor keeps them; one of IPv4 also as an IPv6 socket has it. */
function hexAddresses(address: string): string[] {
	const text = plain(address);
	// Not by net.isIPv6, whose pattern takes each worker milliseconds to compile.
	if (!text.includes(':')) {
		const word = hexWord(text.split('.').map(Number));
		return [word, `${'0'.repeat(16)}${hexWord([0, 0, 0xff, 0xff])}${word}`];
	}
	const bytes = bytesOfIPv6(text);
	return [[0, 4, 8, 12].map(at => hexWord(bytes.slice(at, at + 4))).join('')];
}

function bytesOfIPv6(address: string): number[] {
	// The URL parser writes out what may be left out, but for zeros.
	const [head = '', tail = ''] = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1).split('::');
	const [before, after] = [head, tail].map(part => (part === '' ? [] : part.split(':')));
	const groups = [...(before ?? []), ...Array(8).fill('0'), ...(after ?? [])];
	const eight = [...groups.slice(0, before?.length), ...groups.slice(groups.length - 8 + (before?.length ?? 0))];
	return eight.flatMap(group => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
}

function hexWord(bytes: readonly number[]): string {
	const ordered = os.endianness() === 'LE' ? bytes.toReversed() : bytes;
	return ordered.map(byte => byte.toString(16).padStart(2, '0').toUpperCase()).join('');
}

function hexPort(port: number): string {
	return port.toString(16).padStart(4, '0').toUpperCase();
}

/** Reads a table a piece at a time, until the search is decided. Rejects where it is longer than {@link MAX_TABLE}, or cannot be read. */
async function readTable(file: string, search: PeerSearch): Promise<void> {
	const descriptor = await openFile(file, 'r');
	try {
		const buffer = Buffer.alloc(2 ** 16);
		let rest = '';
		let total = 0;
		while (!search.isDecided) {
			const {bytesRead} = await readFile(descriptor, buffer, 0, buffer.length, null);
			if (bytesRead === 0) break;
			total += bytesRead;
			if (total > MAX_TABLE) throw new Error(`it is longer than ${MAX_TABLE / 2 ** 20} MiB`);
			const lines = `${rest}${buffer.toString('latin1', 0, bytesRead)}`.split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) search.see(line);
		}
		search.see(rest);
	} finally {
		closeSync(descriptor);
	}
}
