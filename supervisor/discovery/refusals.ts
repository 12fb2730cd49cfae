import {isDeepStrictEqual} from 'node:util';
import type {Found, Made} from '../config/discovered.ts';
import type {Target} from '../config/targets.ts';
import type {Member} from './roster.ts';

/** Why something that was found is not watched. */
export interface Refusal {
	/** The key of its inventory. */
	readonly source: string;
	readonly found: Found;
	readonly problem: string;
	readonly until: Until;
}

/** For how long it stays so, as long as the same is found: for good, while one of these ways to a gateway is another sandbox's, or nobody knows until it is looked at. */
export type Until = 'for-good' | 'unknown' | {readonly clash: readonly Target[]};

/** Whether this is what was found before, by the same inventory. */
export function isSame(before: Pick<Refusal, 'source' | 'found'>, {source, found}: Member): boolean {
	return before.source === source && isDeepStrictEqual(before.found, found);
}

/** Whether a refusal still holds; `clashOf` gives the way that is another sandbox's. */
export function holds({until}: Refusal, clashOf: (targets: readonly Target[]) => Target | undefined): boolean {
	return until === 'for-good' || (until !== 'unknown' && clashOf(until.clash) !== undefined);
}

/** The refusal of what does not fit by itself. */
export function unfit({source, found}: Member, {problem, isForGood}: Extract<Made, {readonly kind: 'unfit'}>): Refusal {
	return {source, found, problem, until: isForGood ? 'for-good' : 'unknown'};
}

/** The refusals, in their order, of those members that are as they were. */
export function stillSaid(
	refusals: ReadonlyMap<string, Refusal>,
	members: readonly Member[],
): ReadonlyMap<string, Refusal> {
	const byName = new Map(members.map(member => [member.found.name, member]));
	const isSaid = ([name, refusal]: readonly [string, Refusal]) => {
		const member = byName.get(name);
		return member !== undefined && isSame(refusal, member);
	};
	return new Map([...refusals].filter(isSaid));
}

/** Those first that nobody has looked at as they are now, then those whose refusal is the oldest; `refusals`, of members as they are, are in that order. */
export function inTurn(members: readonly Member[], refusals: ReadonlyMap<string, Refusal>): readonly Member[] {
	const byName = new Map(members.map(member => [member.found.name, member]));
	const fresh = members.filter(({found}) => !refusals.has(found.name));
	return [...fresh, ...[...refusals.keys()].flatMap(name => byName.get(name) ?? [])];
}
