import os from 'node:os';

/** What the host's cores have spent so far, in milliseconds of one core. */
export interface CoreTimes {
	readonly idle: number;
	readonly total: number;
	readonly cores: number;
}

/** The time since the host's start (proc(5), /proc/stat). A core that waits for a disk counts as busy: another call would wait for it too. */
export function coreTimes(): CoreTimes {
	const cores = os.cpus();
	const times = cores.map(({times: {user, nice, sys, idle, irq}}) => ({idle, total: user + nice + sys + idle + irq}));
	return {
		idle: times.reduce((sum, core) => sum + core.idle, 0),
		total: times.reduce((sum, core) => sum + core.total, 0),
		cores: cores.length,
	};
}

/**
 * How many cores had nothing to do between two readings: whole ones, since half of one is what the noise of a busy host leaves. None where nothing
 * is known.
 */
export function idleCores(before: CoreTimes, after: CoreTimes): number {
	const total = after.total - before.total;
	const idle = after.idle - before.idle;
	return total > 0 ? Math.floor((Math.max(idle, 0) / total) * after.cores + 0.3) : 0;
}
