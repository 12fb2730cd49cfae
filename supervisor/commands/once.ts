import {type Checkpoint, emptyCheckpoint} from '../../worker/checkpoint.ts';
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
import {withoutSupervisor} from '../instance/alone.ts';
import {type InstancePaths, prepareDirectory} from '../instance/paths.ts';
import {amendState, readState} from '../instance/state-file.ts';
import {resume} from '../predecessor.ts';
import {Records} from '../records.ts';
import {type OneShot, type OneShotResult, runOnce} from '../sandbox/one-shot.ts';
import {configurationOf, STOPPED, specFor, targetOf} from '../sandbox/spec.ts';
import type {FoundInstance} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** What is known of a sandbox's requests. */
type Ledger = Checkpoint['ledger'];

/** What came of working without a supervisor. */
export type Alone =
	| {readonly kind: 'done'; readonly result: OneShotResult}
	| {readonly kind: 'not-done'; readonly reason: string};

/**
 * Does it itself, since no supervisor listens, and records it where the configuration wants that. What a killed supervisor knew of the sandbox holds here
 * too, and what is learnt goes to the next one. `left`: the milliseconds that are left.
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
	const lock = await withoutSupervisor(own, left() / 2);
	if (typeof lock === 'string') return notDone(lock);
	const clock = systemClock;
	const audit = new Audit({clock, log: () => {}});
	try {
		await audit.start(config);
		const spec = specFor(config, sandbox, findOpenclaw(config.openclaw) ?? config.openclaw);
		const configuration = configurationOf(spec);
		const warnings: string[] = [];
		const onAlarm = (_: string, reason: string) => {
			const complaint = rememberAlarm(own.alarmFile, {sandbox: name, configuration, reason});
			if (complaint !== null) warnings.push(complaint);
		};
		const records = new Records({audit, notifier: {put: () => {}}, clock, onAlarm});
		const which = {name, target: targetOf(spec)};
		const known = knownOf(which, config.deadline, own);
		const before = readAlarms(own.alarmFile).find(
			alarm => alarm.sandbox === name && alarm.configuration === configuration,
		);
		const alarm = before?.reason ?? known?.alarm ?? null;
		if (alarm !== null)
			warnings.push('an earlier pass raised an alarm: nothing is approved there until pairkeeper reload');
		const ledger = {...(known ?? emptyCheckpoint.ledger), alarm};
		const result = await runOnce(what, spec, new CallTurns(1, clock.now), left(), records, ledger);
		if (known !== null) {
			const complaint = await handOn(which, result.ledger, own);
			if (complaint !== null) warnings.push(complaint);
		}
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

/** A sandbox, and the gateway that it has. */
interface Which {
	readonly name: string;
	readonly target: string;
}

/** What a killed supervisor knew of this sandbox's requests; `null`: none was killed, or it knew nothing of it. */
function knownOf({name, target}: Which, deadline: number | null, {stateFile}: InstancePaths): Ledger | null {
	const state = readState(stateFile);
	if (!state) return null;
	const {sandboxes} = resume(state, deadline, systemClock);
	const known = sandboxes.find(each => each.name === name && each.record.target === target);
	return known?.record.checkpoint.ledger ?? null;
}

/** The next supervisor finds this, unless it has begun already. Returns a complaint where it cannot be written, else `null`. */
async function handOn({name, target}: Which, ledger: Ledger, paths: InstancePaths): Promise<string | null> {
	try {
		await amendState(paths, state => ({
			...state,
			sandboxes: state.sandboxes.map(({name: each, record}) => {
				if (each !== name || record.target !== target) return {name: each, record};
				return {name: each, record: {...record, checkpoint: {...record.checkpoint, ledger}}};
			}),
		}));
		return null;
	} catch (error) {
		return `what was learnt here is not remembered, since ${paths.stateFile} cannot be written: ${messageOf(error)}`;
	}
}
