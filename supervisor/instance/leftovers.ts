import {startTimeOf} from '../../worker/host/process-table.ts';
import {endMarked, signalPid} from '../../worker/host/processes.ts';
import type {SupervisorState} from './state-file.ts';

export {startTimeOf} from '../../worker/host/process-table.ts';

/** Ends what a killed supervisor left: its workers, and all that carries its mark. Returns how many processes that were. */
export async function endLeftovers({run, workers}: SupervisorState): Promise<number> {
	const alive = workers.filter(({pid, startTime}) => startTimeOf(pid) === startTime);
	for (const {pid} of alive) signalPid(pid, 'SIGKILL');
	const {ended} = await endMarked(run);
	return Math.max(ended, alive.length);
}
