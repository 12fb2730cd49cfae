import {isIP} from 'node:net';
import {printable} from '../../worker/text.ts';
import type {Found} from '../config/discovered.ts';
import {NAME, NAME_WORDS} from '../config/schema.ts';

/** More entries in one inventory are a flood: it changes nothing. */
export const MAX_ENTRIES = 10_000;

/** A DNS name in lower case (RFC 1123), and one that a URL would take for an IPv4 address in disguise (WHATWG URL: the host parser). */
const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const DNS_NAME = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
const NUMBER_LIKE = /(^|\.)(\d+|0x[0-9a-f]*)$/;

/** What an inventory says of one sandbox, by the rules, or why it is left out. */
export type Entry =
	| {readonly kind: 'found'; readonly found: Found}
	/** `shown` is safe to show. `name`: which sandbox it is about, where that is known: as it was, that one stays. */
	| {readonly kind: 'refused'; readonly name: string | null; readonly shown: string; readonly problem: string};

/** What was said of a sandbox, before anything is believed. `undefined`: nothing. */
export interface Said {
	readonly name: unknown;
	readonly id?: string | undefined;
	readonly port?: unknown;
	readonly host?: unknown;
	readonly isStopped?: boolean;
	/** How a preset reaches it; given a name that is by the rules. */
	readonly layer?: (name: string) => Found['layer'];
}

/** An inventory cannot be used: nothing is changed by it. The message says why. */
export class InventoryError extends Error {
	override readonly name = 'InventoryError';
}

/** Takes what is by the rules, and refuses what is not. */
export function entryFrom({name, id, port, host, isStopped = false, layer}: Said): Entry {
	if (typeof name !== 'string') return refused(null, name, 'has no name');
	if (!NAME.test(name)) return refused(null, name, `is not a name of a sandbox: it must be ${NAME_WORDS}`);
	if (!isAbsent(port) && !isPort(port))
		return refused(name, name, `has a port that is not one from 1 to 65535: ${shown(port)}`);
	if (!isAbsent(host) && !isHost(host))
		return refused(name, name, `has a host that is neither an IP literal nor a DNS name in lower case: ${shown(host)}`);
	return {
		kind: 'found',
		found: {
			name,
			id: id ?? name,
			port: isPort(port) ? port : null,
			host: isHost(host) ? host : null,
			isStopped,
			layer: layer?.(name) ?? null,
		},
	};
}

/** What is said of this sandbox is not to be used. */
export function refused(name: string | null, said: unknown, problem: string): Entry {
	return {kind: 'refused', name, shown: shown(said), problem};
}

/** Throws where there are more than any host has. */
export function bounded<T>(items: readonly T[]): readonly T[] {
	if (items.length > MAX_ENTRIES)
		throw new InventoryError(`it lists ${items.length} sandboxes, and ${MAX_ENTRIES} are the most that are believed`);
	return items;
}

/** What a foreign program has said, quoted and safe to show. */
export function shown(value: unknown): string {
	if (typeof value === 'string') return JSON.stringify(printable(value, 80));
	if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'a map';
	return printable(String(value), 40);
}

function isAbsent(value: unknown): value is null | undefined {
	return value === undefined || value === null;
}

function isPort(value: unknown): value is number {
	return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function isHost(value: unknown): value is string {
	if (typeof value !== 'string' || value.length > 253) return false;
	// A zone is a name of this host's interfaces, which no address of a sandbox needs.
	if (isIP(value) !== 0) return !value.includes('%');
	return DNS_NAME.test(value) && !NUMBER_LIKE.test(value);
}
