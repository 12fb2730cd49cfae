import {createHash} from 'node:crypto';
import * as z from 'zod';
import {wanted} from './words.ts';

/** More instances do not share their sandboxes by names. */
const MAX_SHARDS = 1000;

const WORDS = `an instance's share, such as 2/3, or auto/3 where the host's name ends in its number, of at most ${MAX_SHARDS}`;

/** An instance's share of all sandboxes, as written: `k/n`, or `auto/n`. */
export const shardSchema = z.string(wanted(WORDS)).refine(text => parse(text) !== null, wanted(WORDS));

/** Which of `count` instances this one is, from 1 on. */
export interface Shard {
	readonly index: number;
	readonly count: number;
}

/** All sandboxes are this instance's. */
export const WHOLE: Shard = {index: 1, count: 1};

/**
 * The share that `text`, which {@link shardSchema} has accepted, stands for on the host of this name; `auto`: the ordinal at the end of the name, which a
 * StatefulSet gives its pods (Kubernetes: StatefulSets, Pod Identity), plus 1. `null` where the name has none, or one that is too high.
 */
export function shardOn(host: string, text: string): Shard | null {
	const shard = parse(text);
	if (shard === null || shard.index !== null) return shard as Shard | null;
	// Of `keeper-0.keepers.default.svc` the first label is the pod's.
	const [, ordinal] = /-(\d{1,6})$/.exec(host.split('.')[0] ?? '') ?? [];
	const index = Number(ordinal) + 1;
	return index <= shard.count ? {index, count: shard.count} : null;
}

/**
 * Whether the sandbox of this name is this instance's: exactly one of `count` instances has it, and where there is one more, only those names move that become
 * the new one's (rendezvous hashing). All instances must count alike, whatever their version, so this never changes.
 */
export function isInShare({index, count}: Shard, name: string): boolean {
	const seed = createHash('sha256').update(name).digest().readUInt32BE(0);
	let best = 1;
	for (let candidate = 2; candidate <= count; candidate++)
		if (score(seed, candidate) > score(seed, best)) best = candidate;
	return best === index;
}

/** A share as it is written. */
export function shardText({index, count}: Shard): string {
	return `${index}/${count}`;
}

function parse(text: string): {readonly index: number | null; readonly count: number} | null {
	const [, own, of] = /^(auto|[1-9]\d{0,3})\/([1-9]\d{0,3})$/.exec(text) ?? [];
	const count = Number(of);
	const index = own === 'auto' ? null : Number(own);
	return own !== undefined && count <= MAX_SHARDS && (index ?? 1) <= count ? {index, count} : null;
}

/** How much an instance wants a name: as good as chance, and the same everywhere (the finalizer of MurmurHash3, by Austin Appleby). */
function score(seed: number, candidate: number): number {
	let hash = seed ^ Math.imul(candidate, 0x9e3779b1);
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}
