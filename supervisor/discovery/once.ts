import {randomUUID} from 'node:crypto';
import {messageOf, printable} from '../../worker/text.ts';
import type {Config, SandboxConfig} from '../config/config.ts';
import {type Complaint, leftOut, type Roster, reckon} from './roster.ts';
import {NOBODY, select} from './selection.ts';
import {inventoryTaker} from './taking.ts';

/** So much of what is left out is told of one inventory. */
const MAX_TOLD = 5;

/** What one inventory gave, asked once. */
export interface OneInventory {
	readonly label: string;
	/** The sandboxes that are this instance's to watch. */
	readonly names: readonly string[];
	/** How many are other instances'. */
	readonly elsewhere: number;
	readonly complaints: readonly Complaint[];
	/** Why it cannot be used, or `null`. */
	readonly error: string | null;
}

/** What all inventories gave, asked once. */
export interface OneDiscovery {
	readonly sandboxes: readonly SandboxConfig[];
	readonly inventories: readonly OneInventory[];
	readonly warnings: readonly string[];
}

/** Asks all inventories of a configuration once, side by side; each call of theirs may take `timeout` milliseconds. Never rejects. */
export async function discoverOnce(config: Config, timeout: number): Promise<OneDiscovery> {
	const {discover, passEnv, openclaw} = config;
	const take = inventoryTaker(randomUUID());
	const {signal} = new AbortController();
	const answers = await Promise.all(
		discover.map(source =>
			take(source, {timeout, signal, passEnv, openclaw}).then(
				entries => ({source, entries, error: null}),
				(error: unknown) => ({source, entries: [], error: printable(messageOf(error), 400)}),
			),
		),
	);
	// One after the other, in the order of the configuration: so it is known who keeps a name that two of them give.
	let roster: Roster = new Map();
	const said = answers.map(({source, entries, error}) => {
		const reckoning = reckon(roster, source.key, entries);
		roster = reckoning.roster;
		return {source, error, complaints: reckoning.complaints};
	});
	const {selected, complaints, warnings} = select(roster, config, NOBODY, {
		environment: process.env,
		// There is no later round.
		maxRefusals: Number.POSITIVE_INFINITY,
	});
	const written = new Set(config.ground.sandboxes.map(({name}) => name));
	return {
		sandboxes: [...selected.values()].map(({sandbox}) => sandbox),
		warnings,
		inventories: said.map(({source: {key, label}, error, complaints: own}) => {
			const ofIt = [...roster.values()].filter(member => member.source === key && !written.has(member.found.name));
			const names = ofIt.map(({found}) => found.name).filter(name => selected.has(name));
			const refused = complaints.get(key) ?? [];
			return {
				label,
				names,
				elsewhere: ofIt.length - names.length - refused.length,
				complaints: [...own, ...refused],
				error,
			};
		}),
	};
}

/** What is wrong with an inventory, in words. */
export function inventoryTroubles({error, complaints}: OneInventory): readonly string[] {
	return [...(error === null ? [] : [`it cannot be used: ${error}`]), ...leftOut(complaints, MAX_TOLD)];
}
