import which from 'which';
import type {Recipient} from '../../worker/host/environment.ts';
import type {InventorySource} from '../config/sources.ts';
import {readCommandInventory} from './command-inventory.ts';
import {kubectlList, readPods} from './kubernetes.ts';
import type {Entry} from './listing.ts';
import {NEMOCLAW_LIST, readNemoclaw} from './nemoclaw.ts';
import {FLEET_LIST, fleetStatus, RUNTIMES, type Runtime, readFleet, runtimeIn} from './openclaw-fleet.ts';
import {type ProgramBounds, programOutput, recipientOf} from './program-output.ts';

/** So many cells are asked for their runtime in one inventory, each by a call of its own; the others in the next ones. */
const MAX_LOOKUPS = 8;

/** What an inventory is held to. */
export interface TakingBounds extends ProgramBounds {
	/** The host's own `openclaw`, by its name or path. */
	readonly openclaw: string;
}

/** Asks an inventory. Rejects with an error whose message is safe to show where it cannot be used. */
export type TakeInventory = (source: InventorySource, bounds: TakingBounds) => Promise<readonly Entry[]>;

/** Asks inventories by running their programs. `run` marks what those start. */
export function inventoryTaker(run: string): TakeInventory {
	/** The runtime of a cell is for good. */
	const runtimes = new Map<string, Runtime>();
	return async ({inventory}, bounds) => {
		const ask = (command: readonly string[], recipient: Recipient) =>
			programOutput(command, recipient, {...bounds, run});
		switch (inventory.kind) {
			case 'command':
				return readCommandInventory(await ask(inventory.command, recipientOf(inventory.command)));
			case 'nemoclaw':
				return readNemoclaw(await ask(NEMOCLAW_LIST, {kind: 'program'}));
			case 'kubernetes':
				return readPods(await ask(kubectlList(inventory), {kind: 'prefix', exec: ['kubectl']}), inventory);
			case 'openclaw-fleet': {
				const askOpenclaw = (args: readonly string[]) => ask([bounds.openclaw, ...args], {kind: 'host-call'});
				const listing = await askOpenclaw(FLEET_LIST);
				await lookUpRuntimes(listing, runtimes, askOpenclaw);
				return readFleet(listing, (_, id) => runtimes.get(id) ?? null);
			}
		}
	};
}

/** Learns which runtime cells have that are new. Where only one is installed, that. */
async function lookUpRuntimes(
	listing: string,
	runtimes: Map<string, Runtime>,
	ask: (args: readonly string[]) => Promise<string>,
): Promise<void> {
	const installed = RUNTIMES.filter(name => which.sync(name, {nothrow: true}) !== null);
	const [only] = installed;
	const unknown: {tenant: string; id: string}[] = [];
	readFleet(listing, (tenant, id) => {
		if (!runtimes.has(id)) unknown.push({tenant, id});
		return null;
	});
	if (only && installed.length === 1) {
		for (const {id} of unknown) runtimes.set(id, only);
		return;
	}
	for (const {tenant, id} of unknown.slice(0, MAX_LOOKUPS)) {
		const said = await ask(fleetStatus(tenant)).catch(() => null);
		// The cells that are known need not wait for one that cannot be asked.
		if (said === null) return;
		const runtime = runtimeIn(said);
		if (runtime) runtimes.set(id, runtime);
	}
}
