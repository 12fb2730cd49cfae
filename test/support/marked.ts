import {marked, type SweepBounds} from '../../worker/host/processes.ts';

/** The pids of the processes whose marker is `owner` or below it, this one excepted. */
export async function findMarked(owner: string, bounds: SweepBounds = {}): Promise<number[]> {
	const found: number[] = [];
	for await (const look of marked(owner, bounds, Number.POSITIVE_INFINITY))
		if (typeof look === 'object') found.push(look.pid);
	return found;
}
