import type {Found} from '../config/discovered.ts';
import type {Entry} from './listing.ts';

/** So many inventories in a row that lack a sandbox take it away. */
const MISSES = 2;

/** A sandbox that an inventory has named, and how many inventories in a row have lacked it since. */
export interface Member {
	/** The key of the inventory. */
	readonly source: string;
	readonly found: Found;
	readonly misses: number;
}

/** The sandboxes there are by name, as far as inventories say, in the order in which they came. */
export type Roster = ReadonlyMap<string, Member>;

/** Why something that an inventory has said counts for nothing. `shown`: what it is about, quoted and safe to show. */
export interface Complaint {
	readonly shown: string;
	readonly problem: string;
}

/** The first `most` of what counts for nothing, in words, and how many more there are; nothing where there is nothing. */
export function leftOut(complaints: readonly Complaint[], most: number): readonly string[] {
	if (complaints.length === 0) return [];
	const more = complaints.length - most;
	return [
		`left out: ${complaints.slice(0, most).map(complaintText).join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
	];
}

/** What counts for nothing, in words. */
export function complaintText({shown, problem}: Complaint): string {
	return `${shown} ${problem}`;
}

/** What a roster becomes by one inventory that could be read. */
export interface Reckoning {
	readonly roster: Roster;
	readonly complaints: readonly Complaint[];
	/** The names of those that have come, or are others than before under their name, and of those that have gone. */
	readonly appeared: readonly string[];
	readonly gone: readonly string[];
}

/** Takes in what an inventory has said. What it has said that cannot be believed changes nothing. Pure. */
export function reckon(before: Roster, source: string, entries: readonly Entry[]): Reckoning {
	const roster = new Map(before);
	const seen = new Map<string, Found | null>();
	const complaints: Complaint[] = [];
	const appeared: string[] = [];
	const complain = (shown: string, problem: string) => complaints.push({shown, problem});
	for (const entry of entries) {
		if (entry.kind === 'refused') {
			complain(entry.shown, entry.problem);
			// Whatever is wrong with what is said of it, it is there.
			if (entry.name !== null && !seen.has(entry.name)) seen.set(entry.name, null);
			continue;
		}
		const {found} = entry;
		const {name} = found;
		const present = before.get(name);
		if (present && present.source !== source) {
			complain(JSON.stringify(name), 'is the name of a sandbox that another inventory has named before');
			continue;
		}
		const other = seen.get(name);
		if (other === undefined || other === null) {
			seen.set(name, found);
			continue;
		}
		complain(JSON.stringify(name), 'is named twice');
		// Of two with one name the one that was there keeps it.
		if (other.id !== present?.found.id && found.id === present?.found.id) seen.set(name, found);
	}
	for (const [name, found] of seen) {
		const present = roster.get(name);
		if (found === null) {
			if (present?.source === source) roster.set(name, {...present, misses: 0});
			continue;
		}
		if (present?.found.id !== found.id) appeared.push(name);
		roster.set(name, {source, found, misses: 0});
	}
	const gone: string[] = [];
	for (const [name, member] of before) {
		if (member.source !== source || seen.has(name)) continue;
		const misses = member.misses + 1;
		if (misses < MISSES) roster.set(name, {...member, misses});
		else {
			roster.delete(name);
			gone.push(name);
		}
	}
	return {roster, complaints, appeared, gone};
}

/** Without the sandboxes of inventories that are not among these any more. */
export function ofSources(roster: Roster, sources: ReadonlySet<string>): Roster {
	return new Map([...roster].filter(([, {source}]) => sources.has(source)));
}
