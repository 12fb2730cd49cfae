import {randomUUID} from 'node:crypto';
import path from 'node:path';
import which from 'which';
import {environmentFor, isServiceClient, type Recipient} from '../../worker/host/environment.ts';
import {endMarked, MARKER} from '../../worker/host/processes.ts';
import {type CommandResult, runCommand} from '../../worker/host/run-command.ts';
import {assertProgram} from '../../worker/host/trusted-program.ts';
import {messageOf, printable, redact} from '../../worker/text.ts';
import {InventoryError} from './listing.ts';

/** The most that is read of an inventory, in bytes. `kubectl` says some 10 kB of each pod. */
const MAX_OUTPUT = 16 * 2 ** 20;

/** How long what an inventory's program has left is looked for where it is waited for, in milliseconds. */
const SWEEP = 2000;

/** What of a failed program's complaint is shown, in characters. */
const MAX_COMPLAINT = 200;

/** What a program that is asked for an inventory is held to. */
export interface ProgramBounds {
	/** Milliseconds for each call. */
	readonly timeout: number;
	readonly signal: AbortSignal;
	/** Further variables of our environment for it. */
	readonly passEnv: readonly string[];
}

/** A client of a service reads what it needs to find that. */
export function recipientOf([file = '']: readonly string[]): Recipient {
	return isServiceClient(file) ? {kind: 'prefix', exec: [file]} : {kind: 'program'};
}

/**
 * What a program prints, in a working directory of nobody's; nothing that it has started is left, as far as it carries our mark. `run`: begins
 * that. Rejects with an error whose message is safe to show.
 */
export async function programOutput(
	[file = '', ...args]: readonly string[],
	recipient: Recipient,
	{timeout, signal, passEnv, run}: ProgramBounds & {readonly run: string},
): Promise<string> {
	const owner = `${run}/inventory/${randomUUID()}`;
	const name = printable(path.basename(file), 60);
	// Each time: what was ours alone when the configuration was read need not be so now, and a name is looked for in PATH.
	const found = which.sync(file, {nothrow: true});
	if (found === null) throw new InventoryError(`${name} is not there: neither by that path, nor in PATH`);
	// Else it would be another one where it is run than where it was looked at.
	if (!path.isAbsolute(found))
		throw new InventoryError(`${name} is not run from a working directory; name its absolute path`);
	assertProgram(found);
	const env = {[MARKER]: owner, ...environmentFor(recipient, passEnv, process.env)};
	let result: CommandResult;
	try {
		result = await runCommand({file: found, args, env}, {timeout, owner, signal, maxOutput: MAX_OUTPUT});
	} catch (error) {
		throw new InventoryError(`${name}: ${printable(messageOf(error), MAX_COMPLAINT)}`);
	} finally {
		// It is looked for in the background anyhow, unless we are about to end.
		if (signal.aborted) await endMarked(owner, {within: SWEEP}).catch(() => {});
	}
	const {code, stdout, stderr} = result;
	if (code === 0) return stdout;
	const complaint = printable(redact(stderr.trim()), MAX_COMPLAINT);
	throw new InventoryError(`${name} ended with ${code ?? 'a signal'}${complaint === '' ? '' : `: ${complaint}`}`);
}
