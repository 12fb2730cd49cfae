import {randomUUID} from 'node:crypto';
import path from 'node:path';
import which from 'which';
import {environmentFor, type Recipient} from '../../worker/host/environment.ts';
import {endMarked, MARKER} from '../../worker/host/processes.ts';
import {type CommandResult, runCommand} from '../../worker/host/run-command.ts';
import {assertProgram} from '../../worker/host/trusted-program.ts';
import {messageOf, printable, redact} from '../../worker/text.ts';
import type {InventorySource} from '../config/sources.ts';
import {readCommandInventory} from './command-inventory.ts';
import {kubectlList, readPods} from './kubernetes.ts';
import {type Entry, InventoryError} from './listing.ts';
import {NEMOCLAW_LIST, readNemoclaw} from './nemoclaw.ts';
import {FLEET_LIST, fleetStatus, RUNTIMES, type Runtime, readFleet, runtimeIn} from './openclaw-fleet.ts';

/** The most that is read of an inventory, in bytes. `kubectl` says some 10 kB of each pod. */
const MAX_OUTPUT = 16 * 2 ** 20;

/** How long what an inventory's program has left is looked for, in milliseconds. */
const SWEEP = 2000;

/** So many cells are asked for their runtime in one inventory, each by a call of its own; the others in the next ones. */
const MAX_LOOKUPS = 8;

/** What of a failed program's complaint is shown, in characters. */
const MAX_COMPLAINT = 200;

/** What an inventory is held to. */
export interface TakingBounds {
	/** Milliseconds for each call. */
	readonly timeout: number;
	readonly signal: AbortSignal;
	/** Further variables of our environment for the programs. */
	readonly passEnv: readonly string[];
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
		const ask = (command: readonly string[], recipient: Recipient) => output(command, recipient, {...bounds, run});
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
	for (const {tenant, id} of installed.length === 1 ? unknown : unknown.slice(0, MAX_LOOKUPS)) {
		const runtime = only && installed.length === 1 ? only : runtimeIn(await ask(fleetStatus(tenant)));
		if (runtime) runtimes.set(id, runtime);
	}
}

/** A client of a service reads what it needs to find that. */
function recipientOf([file = '']: readonly string[]): Recipient {
	const clients = ['docker', 'podman', 'nerdctl', 'kubectl', 'oc', 'openshell'];
	return clients.includes(path.basename(file)) ? {kind: 'prefix', exec: [file]} : {kind: 'program'};
}

/** What a program prints, in a working directory of nobody's; nothing that it has started is left, as far as it carries our mark. */
async function output(
	[file = '', ...args]: readonly string[],
	recipient: Recipient,
	{timeout, signal, passEnv, run}: TakingBounds & {readonly run: string},
): Promise<string> {
	const owner = `${run}/inventory/${randomUUID()}`;
	const name = printable(path.basename(file), 60);
	// Each time: what was ours alone when the configuration was read need not be so now, and a name is looked for in PATH.
	assertProgram(file);
	const env = {[MARKER]: owner, ...environmentFor(recipient, passEnv, process.env)};
	let result: CommandResult;
	try {
		result = await runCommand({file, args, env}, {timeout, owner, signal, maxOutput: MAX_OUTPUT});
	} catch (error) {
		throw new InventoryError(`${name}: ${printable(messageOf(error), MAX_COMPLAINT)}`);
	} finally {
		await endMarked(owner, {within: SWEEP}).catch(() => {});
	}
	const {code, stdout, stderr} = result;
	if (code === 0) return stdout;
	const complaint = printable(redact(stderr.trim()), MAX_COMPLAINT);
	throw new InventoryError(`${name} ended with ${code ?? 'a signal'}${complaint === '' ? '' : `: ${complaint}`}`);
}
