import {isDeepStrictEqual} from 'node:util';
import {isoTime} from '../../worker/clock.ts';
import type {Snapshot, ToSupervisor} from '../../worker/protocol.ts';
import {trip} from '../../worker/transport/circuit-breaker.ts';
import {routeOf} from '../../worker/transport/way.ts';
import type {LogLevel} from '../log/log.ts';
import type {ExitReason} from '../status/schema.ts';
import {
	type Effect,
	type Fields,
	type HeldKnown,
	type Life,
	type Moment,
	type SandboxEvent,
	type SandboxState,
	type Transition,
	type WorkerView,
	workerIn,
} from './life.ts';
import {checkLiveness, type Observation} from './liveness.ts';
import {newRecord, recordFor, type SandboxRecord, withAlarm, withCheckpoint, withoutAlarm} from './record.ts';
import {isBlamedOnGateway, nextRestart} from './restart-policy.ts';
import {configurationOf, isConfiguredAlike, type SandboxSpec, targetOf} from './spec.ts';

const noneHeld: HeldKnown = {requests: [], omitted: 0, isFresh: true};

/** A sandbox that is to be watched; `record`: what is remembered of it, if anything is. */
export function initialState(spec: SandboxSpec, record: SandboxRecord | null): SandboxState {
	const target = targetOf(spec);
	return {
		spec,
		record: record ? recordFor(target, record) : newRecord(target),
		life: atRest(spec, 'waiting'),
		held: noneHeld,
	};
}

/** What an event makes of a sandbox. Pure; an event that means nothing in a state changes nothing. */
export function transition(state: SandboxState, event: SandboxEvent, moment: Moment): Transition {
	const {life} = state;
	switch (event.kind) {
		case 'start':
			return life.kind === 'waiting' || life.kind === 'stopped'
				? fork(withGatewayDownSince(state, moment.now), moment)
				: same(state);
		case 'backoff-over':
			return life.kind === 'backoff'
				? fork(withGatewayDownSince(state, state.record.gatewayDownSince ?? moment.now), moment)
				: same(state);
		case 'forked': {
			const fields = {pid: event.pid};
			return withWorker(state, {pid: event.pid}, [log('info', 'worker started', fields), {kind: 'show'}]);
		}
		case 'fork-failed':
			return forkFailed(state, event.error);
		case 'heard':
			return onHeard(state, event.message, moment);
		case 'held':
			return 'worker' in life
				? same({...state, held: {requests: event.requests, omitted: event.omitted ?? 0, isFresh: true}})
				: same(state);
		case 'turned':
			return withWorker(state, {lastProgressAt: moment.now});
		case 'forgiven':
			return withWorker(state, {lastBeatAt: moment.now, lastProgressAt: moment.now});
		case 'observed':
			return onObserved(state, event, moment);
		case 'exited':
			return onExited(state, event, moment);
		case 'stop':
			return onStop(state, event.timeout);
		case 'adopt':
			return {state: adopt(state, event.spec, event.record ?? state.record), effects: [{kind: 'show'}]};
		case 'recall-alarm':
			return configurationOf(state.spec) === event.configuration
				? {state: {...state, record: withAlarm(state.record, event.reason)}, effects: [{kind: 'show'}]}
				: same(state);
		case 'clear-alarm': {
			const record = withoutAlarm(state.record);
			const effects: Effect[] = workerIn(life) ? [{kind: 'send', message: {kind: 'clear-alarm'}}] : [];
			return {state: {...state, record}, effects};
		}
	}
}

function same(state: SandboxState): Transition {
	return {state, effects: []};
}

function log(level: LogLevel, message: string, fields: Fields): Effect {
	return {kind: 'log', level, message, fields};
}

/** Without a worker: `idle` where the configuration wants none. */
function atRest({enabled}: SandboxSpec, kind: 'waiting' | 'stopped'): Life {
	return {kind: enabled ? kind : 'idle'};
}

function withWorker(state: SandboxState, change: Partial<WorkerView>, effects: readonly Effect[] = []): Transition {
	const {life} = state;
	if (!('worker' in life)) return same(state);
	return {state: {...state, life: {...life, worker: {...life.worker, ...change}}}, effects};
}

/** A worker that is about to start has no connection yet. `since`: monotonic milliseconds. */
function withGatewayDownSince(state: SandboxState, since: number): SandboxState {
	return {...state, record: {...state.record, gatewayDownSince: since}};
}

function fork(state: SandboxState, {now, wall}: Moment): Transition {
	const worker: WorkerView = {
		pid: null,
		startedAt: now,
		startedWall: wall,
		lastBeatAt: now,
		lastBeatWall: null,
		progress: 0,
		lastProgressAt: now,
		snapshot: null,
		failure: null,
	};
	return {state: {...state, life: {kind: 'starting', worker}}, effects: [{kind: 'fork'}]};
}

/** A host that has no memory for a process now may have it in a moment. */
function forkFailed(state: SandboxState, error: string): Transition {
	const {maxDelay} = state.spec.restart;
	const effects: Effect[] = [log('error', 'no worker could be started', {error}), {kind: 'show'}];
	if (state.life.kind === 'stopping')
		return {state: {...state, life: atRest(state.spec, 'stopped'), held: noneHeld}, effects};
	return {state: {...state, life: {kind: 'backoff'}}, effects: [...effects, {kind: 'back-off', delay: maxDelay}]};
}

function onHeard(
	state: SandboxState,
	message: Extract<SandboxEvent, {kind: 'heard'}>['message'],
	moment: Moment,
): Transition {
	switch (message.kind) {
		case 'heartbeat':
			return onHeartbeat(state, message, moment);
		case 'alive': {
			const {life} = state;
			if (!('worker' in life)) return same(state);
			return {state: {...state, life: {...life, worker: beaten(life.worker, message.progress, moment)}}, effects: []};
		}
		case 'checkpoint':
			return onCheckpoint(state, message);
	}
}

/** A worker whose event loop turns. */
function beaten(worker: WorkerView, progress: number, {now, wall}: Moment): WorkerView {
	const lastProgressAt = progress === worker.progress ? worker.lastProgressAt : now;
	return {...worker, lastBeatAt: now, lastBeatWall: wall, progress, lastProgressAt};
}

function onHeartbeat(
	state: SandboxState,
	{progress, snapshot}: Extract<ToSupervisor, {kind: 'heartbeat'}>,
	moment: Moment,
): Transition {
	const {life} = state;
	const {now, wall} = moment;
	if (!('worker' in life)) return same(state);
	const {worker} = life;
	const before = worker.snapshot;
	const hasListed = snapshot.lastListAt !== null && snapshot.lastListAt !== before?.lastListAt;
	const isNews = before === null || !isDeepStrictEqual(withoutTimes(before), withoutTimes(snapshot));
	const heard: WorkerView = {...beaten(worker, progress, moment), snapshot};
	const isUp = isGatewayConnected(snapshot);
	const {record} = state;
	return {
		state: {
			...state,
			record: {
				...record,
				...(hasListed ? {lastListAt: isoTime(snapshot.lastListAt ?? wall), lastListedAt: now} : {}),
				hasUsedGateway: record.hasUsedGateway || isUp,
				gatewayDownSince: isUp ? null : (record.gatewayDownSince ?? now),
			},
			life: {kind: life.kind === 'starting' ? 'running' : life.kind, worker: heard},
		},
		effects: isNews ? [{kind: 'show'}] : [],
	};
}

function isGatewayConnected({transport, transportReason}: Snapshot): boolean {
	return transport === 'gateway' && transportReason === null;
}

/** What changes with every poll, and is no news. */
function withoutTimes({lastListAt: _, nextPollAt: __, ...rest}: Snapshot): Omit<Snapshot, 'lastListAt' | 'nextPollAt'> {
	return rest;
}

function onCheckpoint(state: SandboxState, message: Extract<ToSupervisor, {kind: 'checkpoint'}>): Transition {
	const {cadence: _, ...changes} = message.changes;
	// Where polling stands changes with every poll; what is decided, or being decided, must not be lost with us.
	const isNews = message.decisions.length > 0 || Object.keys(changes).length > 0;
	return {
		state: {...state, record: withCheckpoint(state.record, message)},
		effects: [
			...message.decisions.map((decision): Effect => ({kind: 'log-decision', decision})),
			...(isNews ? [{kind: 'show'} as const] : []),
		],
	};
}

function onObserved(
	state: SandboxState,
	{rss, isWaitingForTurn}: Pick<Observation, 'rss' | 'isWaitingForTurn'>,
	{now}: Moment,
): Transition {
	const {life, spec} = state;
	if ((life.kind !== 'starting' && life.kind !== 'running') || life.worker.failure !== null) return same(state);
	const failure = checkLiveness({...life.worker, rss, isWaitingForTurn}, spec.limits, now);
	if (failure === null) return same(state);
	const {pid} = life.worker;
	return withWorker(state, {failure}, [
		log('error', `worker is ended: ${failure}`, {pid, rss}),
		{kind: 'kill', after: 0},
	]);
}

function onExited(
	state: SandboxState,
	{code, signal, isOutOfMemory = false}: Omit<Extract<SandboxEvent, {kind: 'exited'}>, 'kind'>,
	moment: Moment,
): Transition {
	const {life, spec, record} = state;
	const worker = workerIn(life);
	if (!worker) return same(state);
	const gone: Effect = {kind: 'forget-turns', isAtFault: worker.failure !== null || isOutOfMemory};
	if (life.kind === 'stopping')
		return {state: {...state, life: atRest(spec, 'stopped'), held: noneHeld}, effects: [gone, {kind: 'show'}]};
	const ended: ExitReason = signal === null && code === 0 ? 'exit' : 'crash';
	const reason = worker.failure ?? (isOutOfMemory ? 'memory' : ended);
	const lifetime = moment.now - worker.startedAt;
	const {delay, unstableExits} = nextRestart(spec.restart, record.unstableExits, lifetime, moment.random);
	const after: SandboxRecord = {
		...record,
		unstableExits,
		breaker: isBlamedOnGateway(reason, unstableExits) ? tripped(state, moment.now) : record.breaker,
		restarts: record.restarts + 1,
		lastExit: {reason, code, signal, at: isoTime(moment.wall)},
	};
	return {
		state: {...state, record: after, life: {kind: 'backoff'}, held: {...state.held, isFresh: false}},
		effects: [
			gone,
			log('error', 'worker ended and is started again', {reason, code, signal, delay: Math.round(delay) / 1000}),
			{kind: 'record-restart', reason},
			{kind: 'back-off', delay},
			{kind: 'show'},
		],
	};
}

/** Where there is the CLI to come back by, the next worker must not walk into the same wall. */
function tripped({record: {breaker}, spec}: SandboxState, now: number): SandboxRecord['breaker'] {
	const isOpen = breaker !== null && breaker.openUntil > now;
	return routeOf(spec.worker) === null || spec.worker.transport !== 'auto' || isOpen ? breaker : trip(breaker, now);
}

function onStop(state: SandboxState, timeout: number): Transition {
	const {life, spec} = state;
	switch (life.kind) {
		case 'starting':
		case 'running':
		case 'stopping':
			return {
				state: {...state, life: {...life, kind: 'stopping'}},
				effects: [{kind: 'send', message: {kind: 'stop'}}, {kind: 'kill', after: timeout}, {kind: 'show'}],
			};
		default:
			return {
				state: {...state, life: atRest(spec, 'stopped'), held: noneHeld},
				effects: [...(life.kind === 'backoff' ? [{kind: 'cancel-back-off'} as const] : []), {kind: 'show'}],
			};
	}
}

/** What the old spec's gateway taught us is not held against another one; whoever changed the sandbox's configuration has seen its alarm. */
function adopt(state: SandboxState, spec: SandboxSpec, remembered: SandboxRecord): SandboxState {
	const {life} = state;
	const kept = recordFor(targetOf(spec), remembered);
	const record = isConfiguredAlike(state.spec, spec) ? kept : withoutAlarm({...kept, breaker: null});
	const isAtRest = life.kind === 'idle' || life.kind === 'waiting' || life.kind === 'stopped';
	return {...state, spec, record, life: isAtRest ? atRest(spec, 'stopped') : life};
}
