import {systemClock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import {Audit} from '../audit/audit.ts';
import {findOpenclaw} from '../calls/openclaw-path.ts';
import {CallTurns} from '../calls/turns.ts';
import type {Config, SandboxConfig} from '../config/config.ts';
import {loadConfig} from '../config/load.ts';
import {isInShare, shardText} from '../config/shard.ts';
import {discoverOnce, inventoryTroubles} from '../discovery/once.ts';
import {readAlarms, rememberAlarm} from '../instance/alarm-file.ts';
import {FileLock} from '../instance/lock.ts';
import {type InstancePaths, prepareDirectory} from '../instance/paths.ts';
import {Records} from '../records.ts';
import {type OneShot, type OneShotResult, runOnce} from '../sandbox/one-shot.ts';
import {configurationOf, STOPPED, specFor} from '../sandbox/spec.ts';
import type {FoundInstance} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** What came of working without a supervisor. */
export type Alone =
	| {readonly kind: 'done'; readonly result: OneShotResult}
	| {readonly kind: 'not-done'; readonly reason: string};

/**
 * Does it itself, since no supervisor listens, and records it where the configuration wants that. A supervisor that starts now waits for the lock that is
 * held here, so there is still one approver. `left`: the milliseconds that are left.
 */
export async function runAlone(
	what: OneShot,
	name: string,
	options: CommonOptions,
	{paths, isLive, own}: FoundInstance,
	left: () => number,
): Promise<Alone> {
	// Somebody else's instance: whether it has a lock that is held is not for us to see.
	if (isLive && paths.statusFile !== own.statusFile)
		return notDone(
			`the supervisor of ${paths.statusFile} does not answer at ${paths.controlSocket}; it alone approves`,
		);
	const config = loadConfig({...options, environment: process.env}, {purpose: 'pass'});
	const sandbox = await sandboxNamed(name, config, left() / 2);
	if (typeof sandbox === 'string') return notDone(sandbox);
	prepareDirectory(own);
	const lock = await FileLock.acquire(own.approveLockFile, left() / 2);
	if (!lock) return notDone('another approve is under way');
	const clock = systemClock;
	const audit = new Audit({clock, log: () => {}});
	try {
		if (!(await isFree(own))) return notDone('a supervisor is starting or does not answer; it alone approves');
		await audit.start(config);
		const spec = specFor(config, sandbox, findOpenclaw(config.openclaw) ?? config.openclaw);
		const configuration = configurationOf(spec);
		const warnings: string[] = [];
		const onAlarm = (_: string, reason: string) => {
			try {
				rememberAlarm(own.alarmFile, {sandbox: name, configuration, reason});
			} catch (error) {
				warnings.push(`the alarm is not remembered, since ${own.alarmFile} cannot be written: ${messageOf(error)}`);
			}
		};
		const records = new Records({audit, notifier: {put: () => {}}, clock, onAlarm});
		const before = readAlarms(own.alarmFile).find(
			alarm => alarm.sandbox === name && alarm.configuration === configuration,
		);
		const alarm = before?.reason ?? null;
		if (alarm !== null)
			warnings.push('an earlier pass raised an alarm: nothing is approved there until pairkeeper reload');
		const result = await runOnce(what, spec, new CallTurns(1, clock.now), left(), records, alarm);
		return {kind: 'done', result: {...result, notes: [...result.notes, ...warnings, ...audit.warnings]}};
	} finally {
		await audit.close();
		lock.release();
	}
}

/** The sandbox of this name, written or discovered within so many milliseconds, or why nothing is done about it. */
async function sandboxNamed(name: string, config: Config, timeout: number): Promise<SandboxConfig | string> {
	if (!isInShare(config.shard, name))
		return `it is another instance's: the share of this one is ${shardText(config.shard)} (shard), and only one may approve there`;
	const written = config.sandboxes.find(candidate => candidate.name === name);
	if (written) return written.enabled ? written : `the sandbox is disabled in ${config.path}`;
	if (config.discover.length === 0) return `no sandbox has this name in ${config.path}`;
	const {sandboxes, inventories} = await discoverOnce(config, timeout);
	const found = sandboxes.find(candidate => candidate.name === name);
	if (found) return found.enabled ? found : STOPPED;
	const troubles = inventories.flatMap(inventoryTroubles);
	return `no sandbox has this name in ${config.path}, nor in its inventories${troubles.length > 0 ? ` (${troubles.join('; ')})` : ''}`;
}

function notDone(reason: string): Alone {
	return {kind: 'not-done', reason};
}

/** Whether no supervisor runs. One that is starting, or hung, does not answer on its socket but holds this lock. */
async function isFree({lockFile}: InstancePaths): Promise<boolean> {
	const lock = await FileLock.acquire(lockFile);
	lock?.release();
	return lock !== null;
}
