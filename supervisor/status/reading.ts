import {readFileSync} from 'node:fs';
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
		throw new StatusError(`${file} cannot be read (${code})`, {cause: error});
	}
	const status = statusSchema.safeParse(parse(text));
	if (!status.success) throw new StatusError(`${file} is not a status file of this version of pairkeeper`);
	return status.data;
}

/** Whether the process that wrote it still runs. One of another user counts. */
export function isSupervisorAlive({supervisor}: Status): boolean {
	try {
		process.kill(supervisor.pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
