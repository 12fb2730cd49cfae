import {isoTime} from '../../worker/clock.ts';
import {initialTransport} from '../../worker/protocol.ts';
import type {SandboxStatus} from '../status/schema.ts';
import {type SandboxState, workerIn} from './machine.ts';
import {isCrashLooping} from './restart-policy.ts';

/** A sandbox as the status shows it. `now`: monotonic milliseconds; `turnWait`: how long its poll has waited for a turn, in milliseconds, or `null`. Pure. */
export function statusOf(state: SandboxState, {now, turnWait}: {now: number; turnWait: number | null}): SandboxStatus {
	const {spec, record, life} = state;
	const worker = workerIn(life);
	const snapshot = worker?.snapshot ?? null;
	const {target: _, checkpoint, unstableExits, breaker: __, ...counted} = record;
	const {fastInterval, slowInterval} = spec.worker.cadence;
	const mode = snapshot?.mode ?? checkpoint.cadence?.mode ?? 'fast';
	const {transport, route, transportReason} = snapshot ?? initialTransport(spec.worker);
	return {
		state: life.kind === 'waiting' ? 'starting' : life.kind,
		healthy: isHealthy(state, now, turnWait),
		pid: worker?.pid ?? null,
		mode,
		interval: snapshot?.interval ?? (mode === 'fast' ? fastInterval : slowInterval) / 1000,
		transport,
		route,
		transportReason,
		crashLooping: isCrashLooping(spec.restart, unstableExits, worker ? now - worker.startedAt : 0),
		startedAt: worker ? isoTime(worker.startedWall) : null,
		lastHeartbeatAt: worker?.lastBeatWall ? isoTime(worker.lastBeatWall) : null,
		nextPollAt: snapshot?.nextPollAt ? isoTime(snapshot.nextPollAt) : null,
		failures: checkpoint.failures,
		lastError: checkpoint.lastError,
		warnings: [...(snapshot?.warnings ?? [])],
		pending: snapshot?.pending ?? 0,
		...counted,
	};
}

/** A list succeeded within three intervals and a call's bound; waiting for a turn is not the sandbox's fault. */
function isHealthy({life, spec}: SandboxState, now: number, turnWait: number | null): boolean {
	if (life.kind !== 'running' || !life.worker.snapshot) return false;
	const {snapshot, lastListAt, startedAt} = life.worker;
	const bound = 3 * snapshot.interval * 1000 + spec.worker.runTimeout + (turnWait ?? 0);
	return now - (lastListAt ?? startedAt) <= bound;
}
