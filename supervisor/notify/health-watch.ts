import type {SandboxStatus} from '../status/schema.ts';
import type {NotifyKind} from './event.ts';

/** A worker that is gone and back within this time, in milliseconds, is no news. */
const BLINK = 5000;

/** What was last told, or taken for granted, of a sandbox. */
interface Known {
	readonly health: 'starting' | 'healthy' | 'unhealthy';
	/** Since when it is not healthy, monotonic milliseconds; `null`: it is. */
	readonly unhealthySince: number | null;
	readonly isCrashLooping: boolean;
}

type SandboxHealth = Pick<SandboxStatus, 'state' | 'healthy' | 'interval' | 'crashLooping'>;

/** Says when a sandbox has become unhealthy, is healthy again, or has begun to crash in a loop. */
export class HealthWatch {
	readonly #known = new Map<string, Known>();

	/** What has become of these sandboxes at the monotonic millisecond `now`. `runTimeout`: of a call, in milliseconds. */
	look(
		sandboxes: Readonly<Record<string, SandboxHealth>>,
		{now, runTimeout}: {readonly now: number; readonly runTimeout: number},
	): readonly {readonly sandbox: string; readonly event: NotifyKind}[] {
		for (const name of this.#known.keys()) if (!Object.hasOwn(sandboxes, name)) this.#known.delete(name);
		return Object.entries(sandboxes).flatMap(([sandbox, status]) => {
			const before = this.#known.get(sandbox) ?? {health: 'starting', unhealthySince: null, isCrashLooping: false};
			const after = next(before, status, now, runTimeout);
			this.#known.set(sandbox, after);
			const told: NotifyKind[] = [
				...(after.isCrashLooping && !before.isCrashLooping ? ['crash-loop' as const] : []),
				...(after.health === 'unhealthy' && before.health !== 'unhealthy' ? ['unhealthy' as const] : []),
				...(after.health === 'healthy' && before.health === 'unhealthy' ? ['healthy' as const] : []),
			];
			return told.map(event => ({sandbox, event}));
		});
	}
}

function next(
	before: Known,
	{state, healthy, interval, crashLooping}: SandboxHealth,
	now: number,
	runTimeout: number,
): Known {
	// It is not to be healthy.
	if (state === 'idle' || state === 'stopping' || state === 'stopped')
		return {health: 'starting', unhealthySince: null, isCrashLooping: false};
	if (healthy) return {health: 'healthy', unhealthySince: null, isCrashLooping: crashLooping};
	const since = before.unhealthySince ?? now;
	const patience = before.health === 'starting' ? Math.max(3 * interval * 1000 + runTimeout, BLINK) : BLINK;
	const health = now - since >= patience ? 'unhealthy' : before.health;
	return {health, unhealthySince: since, isCrashLooping: crashLooping};
}
