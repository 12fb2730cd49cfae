import {existsSync, lstatSync, statfsSync} from 'node:fs';
import path from 'node:path';
import {isForUsToChange, UntrustedPathError} from '../../worker/host/trusted-path.ts';
import {messageOf} from '../../worker/text.ts';

/** File systems in which no file of ours can be kept: proc and sysfs (statfs(2)). */
const KERNEL_FILE_SYSTEMS = [0x9fa0, 0x62656572];

/** Whether the directory is in /proc or /sys, or the like, by what there is of its path. */
export function isKernels(directory: string): boolean {
	const there = [directory, ...parentsOf(directory)].find(each => existsSync(each));
	return there !== undefined && KERNEL_FILE_SYSTEMS.includes(statfsSync(there).type);
}

/** Whether it is for us to say who may write this file or directory: it is ours, and neither the system's nor shared on purpose. */
export function isOursToChange(name: string): boolean {
	const stats = lstatSync(name, {throwIfNoEntry: false});
	return stats !== undefined && isForUsToChange(name, stats, process.getuid?.() ?? 0);
}

/** Why something is not trusted, and what to do about it: what the error says where it is for us to say who may write that, else `instead`. */
export function distrustOf(error: unknown, instead: string): string {
	if (!(error instanceof UntrustedPathError)) return `${messageOf(error)}; ${instead}`;
	return isOursToChange(error.where) ? error.message : `${error.problem}; ${instead}`;
}

/** All directories above, the nearest first. */
export function parentsOf(name: string): string[] {
	const parent = path.dirname(name);
	return parent === name ? [] : [parent, ...parentsOf(parent)];
}
