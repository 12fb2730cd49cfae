import {isoTime} from '../../worker/clock.ts';
import {initialTransport} from '../../worker/transport/way.ts';
import type {SandboxStatus} from '../status/schema.ts';
import {type SandboxState, workerIn} from './life.ts';
import {isCrashLooping} from './restart-policy.ts';
import {isGatewayConfigured} from './spec.ts';

/** How long the CLI may stand in for a gateway before that is a warning, in milliseconds. */
const SLOW_WAY_BORNE = 60_000;

/** A sandbox as the status shows it. `now`: monotonic milliseconds; `turnWait`: how long its poll has waited for a turn, in milliseconds, or `null`. Pure. */
export function statusOf(state: SandboxState, {now, turnWait}: {now: number; turnWait: number | null}): SandboxStatus {
	const {spec, record, life} = state;
	const worker = workerIn(life);
	const snapshot = worker?.snapshot ?? null;
	const {checkpoint, unstableExits} = record;
	const {restarts, approved, refused, lastListAt, lastExit, lastApproval, lastRefusal} = record;
	const {fastInterval, slowInterval} = spec.worker.cadence;
	const mode = snapshot?.mode ?? checkpoint.cadence?.mode ?? 'fast';
	const {transport, route, transportReason} = snapshot ?? initialTransport(spec.worker);
	return {
		state: life.kind === 'waiting' ? 'starting' : life.kind,
		healthy: isHealthy(state, now, turnWait),
		starting: isStarting(state, now, turnWait),
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
		warnings: [...(snapshot?.warnings ?? []), ...slowWayWarnings(state, now)],
		pending: snapshot?.pending ?? 0,
		...(snapshot?.widePaired ? {widePaired: snapshot.widePaired} : {}),
		restarts,
		approved,
		refused,
		lastListAt,
		lastExit,
		lastApproval,
		lastRefusal,
	};
}

/**
 * A list succeeded, the last one within three intervals and a call's bound; waiting for a turn is not the sandbox's fault. Where there is nothing but the
 * gateway, it is connected, or has been lost for less than a call's bound.
 */
function isHealthy({life, spec, record}: SandboxState, now: number, turnWait: number | null): boolean {
	if (life.kind !== 'running' || !life.worker.snapshot || record.lastListedAt === null) return false;
	const {runTimeout, transport} = spec.worker;
	const bound = 3 * life.worker.snapshot.interval * 1000 + runTimeout + (turnWait ?? 0);
	const {lastListedAt, gatewayDownSince} = record;
	const isCutOff = transport === 'gateway' && gatewayDownSince !== null && now - gatewayDownSince >= runTimeout;
	return !isCutOff && now - lastListedAt <= bound;
}

/** So young that it need not be healthy yet; one whose workers end one after the other is not young for ever. */
function isStarting(state: SandboxState, now: number, turnWait: number | null): boolean {
	const {life, spec, record} = state;
	if (life.kind === 'waiting') return true;
	if ((life.kind !== 'starting' && life.kind !== 'running') || isHealthy(state, now, turnWait)) return false;
	const {snapshot, startedAt} = life.worker;
	if (isCrashLooping(spec.restart, record.unstableExits, now - startedAt)) return false;
	const {fastInterval} = spec.worker.cadence;
	const bound = 3 * (snapshot?.interval ?? fastInterval / 1000) * 1000 + spec.worker.runTimeout + (turnWait ?? 0);
	return now - startedAt <= bound;
}

/** The CLI does the work that the gateway should do, or did: everything takes seconds instead of milliseconds. */
function slowWayWarnings({life, spec, record}: SandboxState, now: number): string[] {
	const {hasUsedGateway, gatewayDownSince} = record;
	const snapshot = workerIn(life)?.snapshot ?? null;
	if (spec.worker.transport !== 'auto' || snapshot === null || gatewayDownSince === null) return [];
	if (!hasUsedGateway && !isGatewayConfigured(spec.worker)) return [];
	if (now - gatewayDownSince < SLOW_WAY_BORNE) return [];
	return [
		`on the slow way, the CLI, for more than a minute: ${snapshot.transportReason ?? 'the gateway is not connected'}`,
	];
}
