import type {SandboxStatus, Status} from './schema.ts';

/**
 * How a sandbox is to whoever looks after it, the worst first. `sick`: not as it should be; `warned`: it works, and something is to be said of it;
 * `idle`: it is not to be watched.
 */
export const CONDITIONS = ['sick', 'warned', 'starting', 'well', 'idle'] as const;
export type Condition = (typeof CONDITIONS)[number];

/** The condition of a sandbox whose supervisor lives. */
export function conditionOf({state, healthy, starting, crashLooping, warnings}: SandboxStatus): Condition {
	if (state === 'idle') return 'idle';
	if (crashLooping || !(healthy || starting)) return 'sick';
	if (warnings.length > 0) return 'warned';
	return healthy ? 'well' : 'starting';
}

/** How many sandboxes there are in words and figures; `watched` is what all others are out of: those that are enabled. */
export interface Counts {
	readonly watched: number;
	readonly healthy: number;
	readonly starting: number;
	readonly idle: number;
	readonly pending: number;
}

/** The one count that every screen shows. Pure. */
export function countsOf({sandboxes}: Pick<Status, 'sandboxes'>): Counts {
	const all = Object.values(sandboxes);
	const watched = all.filter(({state}) => state !== 'idle');
	return {
		watched: watched.length,
		healthy: watched.filter(({healthy}) => healthy).length,
		starting: watched.filter(({healthy, starting}) => !healthy && starting).length,
		idle: all.length - watched.length,
		pending: watched.reduce((sum, {pending}) => sum + pending, 0),
	};
}

/** Whether the supervisor has ended in good order, as its last words say. */
export function hasEnded({supervisor}: Pick<Status, 'supervisor'>): boolean {
	return supervisor.state === 'stopped' || supervisor.state === 'deadline';
}

/** `1 sandbox`, `2 sandboxes`. */
export function sandboxesInWords(count: number): string {
	return `${count} ${count === 1 ? 'sandbox' : 'sandboxes'}`;
}
