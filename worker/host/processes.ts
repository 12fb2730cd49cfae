import {open, readdir} from 'node:fs/promises';

/**
 * The environment variable that every process started for a worker inherits, so that it is found again even where it has left
 * the worker's process groups. Its value is `<run>/<worker>`, and for an `openclaw` call `<run>/<worker>/<call>`.
 */
export const MARKER = 'PAIRKEEPER_OWNER';

/** The most that is read of one process's environment, in bytes: a process can make its own as large as it likes. */
const MAX_ENVIRONMENT = 2 ** 18;

/** How often the process table is searched before we give up on something that forks faster than we kill. */
const MAX_SWEEPS = 20;

/** Signals a whole process group; one that is gone is not an error. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
	signalPid(-leader, signal);
}

/** Signals a process. One that is gone is not an error, nor one that we may not signal: its pid has been given to somebody else's process. */
export function signalPid(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch (error) {
		if (!isGone(error)) throw error;
	}
}

/** Ends with SIGKILL all processes whose marker is `owner` or below it, this one excepted, and those they fork meanwhile. Returns how many were found. */
export async function endMarked(owner: string): Promise<number> {
	const ended = new Set<number>();
	for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
		const found = await findMarked(owner);
		if (found.length === 0) break;
		for (const pid of found) {
			ended.add(pid);
			signalPid(pid, 'SIGKILL');
		}
	}
	return ended.size;
}

/** The processes whose marker is `owner` or below it, this one excepted. Those whose environment we may not read are passed over. */
export async function findMarked(owner: string): Promise<number[]> {
	const found: number[] = [];
	// One after the other: the kernel may make such a read wait for the process's memory lock, and several could block all threads for file access.
	for (const name of await readdir('/proc')) {
		const pid = Number(name);
		if (!Number.isInteger(pid) || pid === process.pid) continue;
		const environment = await readStart(`/proc/${pid}/environ`).catch(() => '');
		if (isMarked(environment, owner)) found.push(pid);
	}
	return found;
}

async function readStart(file: string): Promise<string> {
	const handle = await open(file);
	try {
		let text = '';
		const buffer = Buffer.alloc(2 ** 14);
		while (text.length < MAX_ENVIRONMENT) {
			const {bytesRead} = await handle.read(buffer, 0, buffer.length, null);
			if (bytesRead === 0) break;
			text += buffer.toString('latin1', 0, bytesRead);
		}
		return text;
	} finally {
		await handle.close();
	}
}

function isMarked(environment: string, owner: string): boolean {
	const prefix = `${MARKER}=${owner}`;
	return environment.split('\0').some(entry => entry === prefix || entry.startsWith(`${prefix}/`));
}

function isGone(error: unknown): boolean {
	const code = (error as NodeJS.ErrnoException).code;
	return code === 'ESRCH' || code === 'EPERM';
}
