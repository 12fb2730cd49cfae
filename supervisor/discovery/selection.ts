import {isDeepStrictEqual} from 'node:util';
import type {Config, SandboxConfig} from '../config/config.ts';
import {type Found, sandboxFor} from '../config/discovered.ts';
import {equalTokens, type Tokened, tokenOf} from '../config/equal-tokens.ts';
import {isInShare} from '../config/shard.ts';
import {type Target, targetsOf} from '../config/targets.ts';
import type {Complaint, Member, Roster} from './roster.ts';

/** So many discovered sandboxes one instance watches; for more there are more instances. */
export const MAX_DISCOVERED = 1000;

/** A discovered sandbox that is to be watched. */
interface Selected {
	readonly source: string;
	readonly found: Found;
	readonly sandbox: SandboxConfig;
	readonly targets: readonly Target[];
	readonly tokens: readonly Tokened[];
}

/** The discovered sandboxes that this instance watches, by name, and what is said of them and of the others, by inventory. */
export interface Selection {
	readonly selected: ReadonlyMap<string, Selected>;
	readonly complaints: ReadonlyMap<string, readonly Complaint[]>;
	readonly warnings: readonly string[];
	/** Sandboxes of other instances. */
	readonly elsewhere: number;
}

/** Nothing was discovered yet. */
export const NOBODY: Selection = {selected: new Map(), complaints: new Map(), warnings: [], elsewhere: 0};

/**
 * Who of the roster is to be watched: whose share it is, who passes every check, and whose name and ways to a gateway are nobody else's. Written sandboxes keep
 * theirs, then those that are as `before`, then those of before that have changed, then newcomers. `before` is what was selected by the same configuration: of that
 * one, what is said now and cannot be used changes nothing.
 */
export function select(roster: Roster, config: Config, before: Selection, environment: NodeJS.ProcessEnv): Selection {
	const {ground, shard} = config;
	const written = new Set(ground.sandboxes.map(({name}) => name));
	const complaints = new Map<string, Complaint[]>();
	const complain = ({source, found}: Member, problem: string) => {
		const ofSource = complaints.get(source) ?? [];
		// Thousands may be told of in one round.
		ofSource.push({shown: JSON.stringify(found.name), problem});
		complaints.set(source, ofSource);
	};
	const owners = new Map<string, string>();
	for (const sandbox of ground.sandboxes)
		for (const {key} of targetsOf(sandbox, environment)) if (!owners.has(key)) owners.set(key, sandbox.name);
	const selected = new Map<string, Selected>();
	const clashOf = (targets: readonly Target[]) => targets.find(({key}) => owners.has(key));
	const take = (one: Selected) => {
		for (const {key} of one.targets) owners.set(key, one.sandbox.name);
		selected.set(one.sandbox.name, one);
	};

	const unwritten = [...roster.values()].filter(({found}) => !written.has(found.name));
	const own = unwritten.filter(({found}) => isInShare(shard, found.name));
	const ranked = Map.groupBy(own, member => {
		const known = before.selected.get(member.found.name);
		if (!known) return 'new';
		return known.source === member.source && isDeepStrictEqual(known.found, member.found) ? 'same' : 'changed';
	});
	for (const {found} of ranked.get('same') ?? []) take(before.selected.get(found.name) as Selected);
	for (const member of [...(ranked.get('changed') ?? []), ...(ranked.get('new') ?? [])]) {
		const {source: key, found} = member;
		const known = before.selected.get(found.name);
		const source = config.discover.find(each => each.key === key);
		if (!source) continue;
		if (!known && selected.size >= MAX_DISCOVERED) {
			complain(
				member,
				`is one too many: ${MAX_DISCOVERED} discovered sandboxes are watched already; share them (shard: 1/2)`,
			);
			continue;
		}
		const made = sandboxFor(found, source, ground, environment);
		const clash = made.kind === 'made' ? clashOf(made.targets) : undefined;
		if (made.kind === 'made' && clash === undefined) {
			take({source: key, found, sandbox: made.sandbox, targets: made.targets, tokens: tokenOf(made.entry)});
			continue;
		}
		complain(
			member,
			made.kind === 'unfit'
				? made.problem
				: `reaches the same gateway as ${owners.get(clash?.key ?? '')} (${clash?.shown}), which was there before`,
		);
		// As it was, it still is; but not as another sandbox of that name was.
		if (known?.found.id === found.id && known.source === key && clashOf(known.targets) === undefined) take(known);
	}
	const tokens = [...ground.tokens, ...[...selected.values()].flatMap(each => each.tokens)];
	const discovered = new Set(selected.keys());
	return {
		selected,
		complaints,
		// Of written ones alone the configuration itself warns.
		warnings: equalTokens(tokens, name => discovered.has(name)),
		elsewhere: unwritten.length - own.length,
	};
}
