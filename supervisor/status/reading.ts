import {readFileSync} from 'node:fs';
import {errnoInWords} from '../host/errno.ts';
import {startTimeOf} from '../instance/leftovers.ts';
import {type Status, statusSchema} from './schema.ts';

/** There is a status file, but not one that can be used. */
export class StatusError extends Error {
	override readonly name = 'StatusError';
}

/** The status as last written, or `null` where there is none. Throws a {@link StatusError} for anything else. */
export function readStatus(file: string): Status | null {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		const {code} = error as NodeJS.ErrnoException;
		if (code === 'ENOENT' || code === 'ENOTDIR') return null;
		throw new StatusError(`${file} cannot be read: ${errnoInWords(code)}`, {cause: error});
	}
	const status = statusSchema.safeParse(parse(text));
	if (!status.success) throw new StatusError(`${file} is not a status file of this version of pairkeeper`);
	return status.data;
}

/** What may pass between a supervisor's last write and our reading of the clocks, in milliseconds. */
const LEEWAY = 2000;

/** Whether the process that wrote it still runs. One of another user counts; one that began after it was written does not. `now`: the wall clock. */
export function isSupervisorAlive({supervisor}: Status, now: number): boolean {
	if (!isAlive(supervisor.pid)) return false;
	const age = ageOf(supervisor.pid);
	return age === null || !(age + LEEWAY < now - Date.parse(supervisor.updatedAt));
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}

/** Ticks a second, in which the kernel tells the time to everybody (proc(5): USER_HZ). */
const TICKS = 100;

/** How long a process runs, in milliseconds, or `null` where that cannot be read. By our own start, since a container may show another uptime. */
function ageOf(pid: number): number | null {
	const [its, ours] = [startTimeOf(pid), startTimeOf(process.pid)];
	return its === null || ours === null ? null : ((Number(ours) - Number(its)) / TICKS + process.uptime()) * 1000;
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
