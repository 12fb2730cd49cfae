import type {Config, SandboxConfig} from '../config/config.ts';
import {type Found, sandboxFor} from '../config/discovered.ts';
import {equalTokens, type Tokened, tokenOf} from '../config/equal-tokens.ts';
import {isInShare} from '../config/shard.ts';
import {type Target, targetsOf} from '../config/targets.ts';
import {holds, inTurn, isSame, type Refusal, stillSaid, unfit} from './refusals.ts';
import type {Complaint, Member, Roster} from './roster.ts';

/** So many discovered sandboxes one instance watches; for more there are more instances. */
export const MAX_DISCOVERED = 1000;

/** So many newcomers that turn out not to fit are looked at in one round; each costs some 0.4 ms, in which the supervisor does nothing else. */
export const MAX_REFUSALS = 500;

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
	/** By name; those first that were looked at the longest ago. */
	readonly refusals: ReadonlyMap<string, Refusal>;
	readonly complaints: ReadonlyMap<string, readonly Complaint[]>;
	readonly warnings: readonly string[];
	/** Sandboxes of other instances. */
	readonly elsewhere: number;
}

/** Nothing was discovered yet. */
export const NOBODY: Selection = {
	selected: new Map(),
	refusals: new Map(),
	complaints: new Map(),
	warnings: [],
	elsewhere: 0,
};

/** What a selection is made with. */
export interface SelectionMeans {
	readonly environment: NodeJS.ProcessEnv;
	/** How many newcomers that do not fit are looked at, all inventories together; the others have their turn in later rounds. */
	readonly maxRefusals?: number;
	/** Makes a sandbox of what was found. */
	readonly make?: typeof sandboxFor;
}

/**
 * Who of the roster is to be watched: whose share it is, who passes every check, and whose name and ways to a gateway are nobody else's. Written sandboxes keep
 * theirs, then those that are as `before`, then those of before that have changed, then newcomers. `before` is what was selected by the same configuration: of that
 * one, what is said now and cannot be used changes nothing, and what did not fit is looked at again only where it may fit by now.
 */
export function select(
	roster: Roster,
	config: Config,
	before: Selection,
	{environment, maxRefusals = MAX_REFUSALS, make = sandboxFor}: SelectionMeans,
): Selection {
	const {ground, shard, discover} = config;
	const written = new Set(ground.sandboxes.map(({name}) => name));
	const owners = new Map<string, string>();
	for (const sandbox of ground.sandboxes)
		for (const {key} of targetsOf(sandbox, environment)) if (!owners.has(key)) owners.set(key, sandbox.name);
	const clashOf = (targets: readonly Target[]) => targets.find(({key}) => owners.has(key));

	const unwritten = [...roster.values()].filter(({found}) => !written.has(found.name));
	const own = unwritten.filter(({found}) => isInShare(shard, found.name));
	const refusals = stillSaid(before.refusals, own);

	const selected = new Map<string, Selected>();
	const take = (one: Selected) => {
		for (const {key} of one.targets) owners.set(key, one.sandbox.name);
		selected.set(one.sandbox.name, one);
	};
	const problems = new Map<string, string>();
	const complain = ({found}: Member, problem: string) => problems.set(found.name, problem);
	const kept: Refusal[] = [];
	const fresh: Refusal[] = [];
	/** Takes what fits; else why it does not. */
	const lookAt = (member: Member): Refusal | null => {
		const {source: key, found} = member;
		const source = discover.find(each => each.key === key);
		if (!source) return null;
		const made = make(found, source, ground, environment);
		if (made.kind === 'unfit') return unfit(member, made);
		const {sandbox, targets, entry} = made;
		const clash = clashOf(targets);
		if (clash) {
			const problem = `reaches the same gateway as ${owners.get(clash.key)} (${clash.shown}), which was there before`;
			return {source: key, found, problem, until: {clash: targets}};
		}
		take({source: key, found, sandbox, targets, tokens: tokenOf(entry)});
		return null;
	};
	/** As {@link lookAt}, and says so; without a look where the last one holds, or where none is to be had. */
	const consider = (member: Member, mayLook: boolean): 'taken' | 'refused' | 'known' | 'later' => {
		const last = refusals.get(member.found.name);
		if (last && (!mayLook || holds(last, clashOf))) {
			kept.push(last);
			complain(member, last.problem);
			return 'known';
		}
		if (!mayLook) return 'later';
		const refusal = lookAt(member);
		if (refusal === null) return 'taken';
		fresh.push(refusal);
		complain(member, refusal.problem);
		return 'refused';
	};

	const ranked = Map.groupBy(own, member => {
		const known = before.selected.get(member.found.name);
		if (!known) return 'new';
		return isSame(known, member) ? 'same' : 'changed';
	});
	for (const {found} of ranked.get('same') ?? []) take(before.selected.get(found.name) as Selected);
	for (const member of ranked.get('changed') ?? []) {
		if (consider(member, true) === 'taken') continue;
		const known = before.selected.get(member.found.name);
		// As it was, it still is; but not as another sandbox of that name was.
		if (known?.found.id === member.found.id && known.source === member.source && clashOf(known.targets) === undefined)
			take(known);
	}
	// Each inventory has its share, so that one that lies keeps no other's newcomers waiting.
	const share = Math.ceil(maxRefusals / Math.max(discover.length, 1));
	const inVain = new Map<string, number>();
	for (const member of inTurn(ranked.get('new') ?? [], refusals)) {
		if (selected.size >= MAX_DISCOVERED) {
			complain(
				member,
				`is one too many: ${MAX_DISCOVERED} discovered sandboxes are watched already; share them (shard: 1/2)`,
			);
			continue;
		}
		const count = inVain.get(member.source) ?? 0;
		const outcome = consider(member, count < share);
		if (outcome === 'refused') inVain.set(member.source, count + 1);
		if (outcome === 'later')
			complain(member, `is looked at in a later round: in this one, ${share} others of its inventory did not fit`);
	}
	const tokens = [...ground.tokens, ...[...selected.values()].flatMap(each => each.tokens)];
	return {
		selected,
		refusals: new Map([...kept, ...fresh].map(refusal => [refusal.found.name, refusal])),
		complaints: complaintsOf(own, problems),
		// Of written ones alone the configuration itself warns.
		warnings: equalTokens(tokens, name => selected.has(name)),
		elsewhere: unwritten.length - own.length,
	};
}

/** Problems by the inventory that each is of, in the order of the roster, whatever was looked at when. `problems`: by name. */
function complaintsOf(
	members: readonly Member[],
	problems: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly Complaint[]> {
	const complaints = new Map<string, Complaint[]>();
	for (const {source, found} of members) {
		const problem = problems.get(found.name);
		if (problem === undefined) continue;
		const ofSource = complaints.get(source) ?? [];
		// Thousands may be told of in one round.
		ofSource.push({shown: JSON.stringify(found.name), problem});
		complaints.set(source, ofSource);
	}
	return complaints;
}
