import {once} from 'node:events';
import {every, systemClock} from '../worker/clock.ts';
import {allOrNone} from './all-or-none.ts';
import {Audit} from './audit/audit.ts';
import {findOpenclaw} from './calls/openclaw-path.ts';
import {Coalesced} from './coalesced.ts';
import type {Config} from './config/config.ts';
import {type ConfigSource, loadConfig} from './config/load.ts';
import {paced} from './control/paced.ts';
import type {ControlRequest, ControlResponse} from './control/protocol.ts';
import {ControlSockets} from './control/sockets.ts';
import {inventoryTaker} from './discovery/taking.ts';
import {forgetAlarms, type RememberedAlarm, readAlarms, rememberAlarm, retainAlarms} from './instance/alarm-file.ts';
import {endLeftovers} from './instance/leftovers.ts';
import {FileLock, holderOf} from './instance/lock.ts';
import {type InstancePaths, instancePaths, prepareDirectory} from './instance/paths.ts';
import {bootId, forgetState, readState, type SupervisorState} from './instance/state-file.ts';
import {LogFile} from './log/file.ts';
import type {Log, LogLevel} from './log/log.ts';
import {Monitoring} from './monitoring/monitoring.ts';
import {Notifier} from './notify/notifier.ts';
import {programTeller, whyMissing} from './notify/program.ts';
import {Records} from './records.ts';
import {Standby} from './sandbox/standby.ts';
import {inScope} from './scope.ts';
import {ServiceManager} from './service/service-manager.ts';
import {startText} from './start-text.ts';
import {Publisher} from './status/publisher.ts';
import type {Status} from './status/schema.ts';
import {type End, Supervision} from './supervision.ts';
import {VERSION} from './version.ts';

/** Somebody may hold the lock for a moment only to see whether we do, in milliseconds. */
const LOCK_PATIENCE = 500;

/** How often the workers are looked at, in milliseconds; more often where they must be heard of within a fraction of a second. */
const TICK = 500;

/** How long one attempt to get the lock of a one-shot pass lasts, in milliseconds; a stop is heeded between two. */
const ONE_SHOT_LOOK = 500;

/** Another supervisor holds the status file; the message names it. */
export class InstanceHeldError extends Error {
	override readonly name = 'InstanceHeldError';
}

/**
 * One supervisor's life, until a signal or the deadline: what it needs of this host is acquired, and released in reverse order however the life ends.
 * Rejects with an {@link InstanceHeldError}, a `ConfigError`, an `InstancePathError`, or whatever else kept it from running.
 */
export function supervise(source: ConfigSource, {logLevel}: {readonly logLevel: LogLevel}): Promise<End> {
	return inScope(async defer => {
		const config = loadConfig(source);
		const paths = instancePaths(config.statusFile);
		prepareDirectory(paths);
		const lock = await FileLock.acquire(paths.lockFile, LOCK_PATIENCE);
		if (!lock) throw heldError(paths);
		defer(() => lock.release());
		// Signals are taken until all that follows is released: one that comes late must not keep the end from being written down.
		let ignoreSignals = () => {};
		defer(() => ignoreSignals());

		const logFile = new LogFile({level: logLevel, file: config.logFile, format: config.logFormat});
		const {log} = logFile;
		defer(() => logFile.close());
		const clock = systemClock;
		const serviceManager = await ServiceManager.find(process.env, {clock, log});
		defer(() => serviceManager.close());
		const tickGap = Math.min(TICK, config.heartbeatTimeout / 4, serviceManager.tickGap);
		const predecessor = readState(paths.stateFile);
		const audit = new Audit({clock, log});
		defer(() => audit.close());
		const notifier = new Notifier({clock, log});
		defer(() => notifier.close());
		const monitoring: Monitoring = new Monitoring({
			clock,
			log,
			status: () => shown(),
			pending: async () => (await supervision.answer({op: 'pending'})).pending ?? [],
		});
		// At once, and not only at the end: it is to be found however this life ends.
		const onAlarm = (sandbox: string, reason: string) => {
			const configuration = supervision.configurationOf(sandbox);
			if (configuration === null) return;
			const complaint = rememberAlarm(paths.alarmFile, {sandbox, configuration, reason});
			if (complaint !== null) log('error', complaint, {sandbox});
		};
		const records = new Records({audit, notifier, clock, tally: monitoring.count, onAlarm});
		// Nothing is shown before what a predecessor left is ended, though a stop may change what there is to show.
		let show = () => {};
		const {random} = Math;
		const standby = new Standby({clock, log, random, run: () => supervision.run, onChange: () => show()});
		const supervision: Supervision = new Supervision(config, predecessor, {
			clock,
			log,
			version: VERSION,
			fork: standby.fork,
			random,
			tickGap,
			findOpenclaw,
			onChange: () => show(),
			onCall: call => monitoring.count({kind: 'called', call}),
			witness: records,
			takeInventory: inventoryTaker,
		});
		/** What goes on whatever the sandboxes are: who may ask, where things are written, who is told. Each step is taken back where a later one fails. */
		const adopt = (next: Config, before: Config): Promise<void> =>
			allOrNone([
				{take: () => control.letIn(next.controlGroup), takeBack: () => control.letIn(before.controlGroup)},
				{take: () => audit.adopt(next), takeBack: () => audit.adopt(before)},
				{take: async () => logFile.reopen({file: next.logFile, format: next.logFormat}), takeBack: async () => {}},
			]).then(() => useBesides(next));
		let present = config;
		/** What never refuses a configuration: where it cannot be as that wants it, it is a warning. */
		const useBesides = async (next: Config): Promise<void> => {
			const {notify, passEnv} = next;
			present = next;
			if (notify === null) notifier.use(null);
			else notifier.use(programTeller(notify, passEnv, supervision.run), whyMissing(notify));
			await monitoring.adopt(next);
		};
		const reload = async (clearsAlarms: boolean): Promise<ControlResponse> => {
			const response = await supervision.reload({
				clearsAlarms,
				// Whether there is such a group is asked when it is let in, without holding everything up.
				load: () => loadConfig(source, {hasGroup: () => true}),
				adopt,
				refused: async present => {
					logFile.tryReopen({file: present.logFile, format: present.logFormat});
					await audit.reopen();
				},
			});
			if (response.result === 'done') {
				if (clearsAlarms) forgetAlarms(paths.alarmFile);
				else retainAlarms(paths.alarmFile, isStanding);
			}
			// Who waits for the end of it may look at the status at once.
			await publisher.write();
			return response;
		};
		/** Whoever has changed its sandbox's configuration has seen it. One that is not there may come back. */
		const isStanding = ({sandbox, configuration}: RememberedAlarm) =>
			[configuration, null].includes(supervision.configurationOf(sandbox));
		const reloads = new Coalesced(
			(clearsAlarms: boolean) => serviceManager.duringReload(() => reload(clearsAlarms)),
			(one, other) => one || other,
		);
		supervision.ending.addEventListener('abort', () => serviceManager.stopping(present.stopTimeout), {once: true});
		const answer = (request: ControlRequest, isOwner: boolean): Promise<ControlResponse> => {
			// Only who may decide about alarms clears them.
			if (request.op === 'reload') return reloads.ask(isOwner);
			if (request.op === 'decide' && !isOwner)
				return Promise.resolve({
					result: 'refused',
					detail: 'decisions about one request are for the owner of pairkeeper',
				});
			return supervision.answer(request);
		};
		const stop = (signal: NodeJS.Signals) => {
			log('info', `received ${signal}`);
			supervision.stop();
		};
		ignoreSignals = onSignals({SIGTERM: stop, SIGINT: stop, SIGHUP: () => void reloads.ask(false)});
		const {path, statusFile} = config;
		const {deadlineAt} = supervision.status([]).supervisor;
		const text = startText(config, {version: VERSION, deadlineAt, now: clock.wall()});
		log('info', `pairkeeper starts: ${text}`, {version: VERSION, pid: process.pid, config: path, statusFile});
		// Before anything is written over what says where to look.
		if (predecessor) await cleanUpAfter(predecessor, log);

		const publisher: Publisher = new Publisher(
			[
				{
					path: paths.statusFile,
					mode: 0o644,
					compose: () => {
						const status = shown();
						serviceManager.show(status);
						return `${JSON.stringify(status, null, '\t')}\n`;
					},
				},
				{path: paths.stateFile, mode: 0o600, compose: () => JSON.stringify(stateOf(supervision, standby))},
			],
			{clock, log},
		);
		const shown = (): Status =>
			supervision.status([publisher, logFile, audit, notifier, monitoring].flatMap(({warnings}) => warnings));
		show = () => {
			publisher.touch();
			monitoring.touch();
		};
		// A start that failed leaves to the next one what it found; after a life that ended well there is nothing to resume.
		let isNothingLeft = predecessor === null;
		defer(async () => {
			await supervision.end();
			await Promise.all([publisher.close(), monitoring.close()]);
			if (isNothingLeft) forgetState(paths.stateFile);
			log('info', 'pairkeeper has ended');
		});
		const control = await ControlSockets.open(paths, config.controlGroup, {
			owner: request => answer(request, true),
			group: paced(request => answer(request, false), clock, supervision.ending),
		});
		defer(() => control.close());
		defer(() => standby.end());
		defer(() => supervision.end());
		await useBesides(config);
		defer(
			every(clock, tickGap, () => {
				supervision.tick();
				serviceManager.ticked();
				audit.tick();
				if (present.notify !== null) records.look(supervision.status().sandboxes, present.runTimeout);
			}),
		);
		defer(supervision.lendIdleCores());

		await publisher.write();
		await otherApproversDone(paths, log, supervision.ending);
		// Whoever wrote the file before is gone by now.
		await audit.start(config);
		retainAlarms(paths.alarmFile, isStanding);
		supervision.recallAlarms(readAlarms(paths.alarmFile));
		await supervision.start();
		if (!supervision.ending.aborted) {
			// Who waits for us to be up may look at the status at once.
			await publisher.write();
			serviceManager.ready();
		}
		if (!supervision.ending.aborted) await once(supervision.ending, 'abort');
		const end: End = supervision.ending.reason;
		log('info', end === 'deadline' ? 'the deadline is reached' : 'stopping');
		isNothingLeft = true;
		return end;
	});
}

function heldError({statusFile, lockFile}: InstancePaths): InstanceHeldError {
	const holder = holderOf(lockFile);
	return new InstanceHeldError(
		`another pairkeeper${holder === null ? '' : ` (pid ${holder})`} holds ${statusFile}; stop it, or give this one a statusFile in a directory of its own`,
	);
}

/** Nothing that a killed supervisor left may approve beside us. */
async function cleanUpAfter(predecessor: SupervisorState, log: Log): Promise<void> {
	const processes = await endLeftovers(predecessor);
	log('warn', 'the last supervisor was killed; what it left has been ended', {processes});
}

function stateOf(supervision: Supervision, standby: Standby): SupervisorState {
	const {run, shift, sandboxes, workers} = supervision.handover;
	return {
		schema: 2,
		bootId: bootId(),
		run,
		shift,
		workers: [...workers, ...standby.processes],
		sandboxes: [...sandboxes],
	};
}

/** Somebody may have begun to approve while nobody listened; two approvers on one gateway race, so it is waited for as long as that takes, or until a stop. */
async function otherApproversDone({approveLockFile}: InstancePaths, log: Log, signal: AbortSignal): Promise<void> {
	let isTold = false;
	while (!signal.aborted) {
		const lock = await FileLock.acquire(approveLockFile, ONE_SHOT_LOOK);
		if (lock) {
			lock.release();
			return;
		}
		if (!isTold)
			log('warn', 'an approve pass that began before this start is waited for', {pid: holderOf(approveLockFile)});
		isTold = true;
	}
}

/** Takes these signals, until the function that is returned is called. */
function onSignals(takers: Readonly<Partial<Record<NodeJS.Signals, (signal: NodeJS.Signals) => void>>>): () => void {
	const all = Object.entries(takers) as [NodeJS.Signals, (signal: NodeJS.Signals) => void][];
	for (const [signal, take] of all) process.on(signal, take);
	return () => {
		for (const [signal, take] of all) process.off(signal, take);
	};
}
