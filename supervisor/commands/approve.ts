import {systemClock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import {findOpenclaw} from '../calls/openclaw-path.ts';
import {CallTurns} from '../calls/turns.ts';
import {loadConfig} from '../config/load.ts';
import {askSupervisor} from '../control/client.ts';
import {FileLock} from '../instance/lock.ts';
import {type InstancePaths, prepareDirectory} from '../instance/paths.ts';
import {runOnce} from '../sandbox/one-shot.ts';
import {describePass, isDone} from '../sandbox/pass-text.ts';
import {specFor} from '../sandbox/spec.ts';
import {EXIT} from './exit-codes.ts';
import {findInstance} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** Part of the timeout that is left for printing the outcome and ending the process, in milliseconds. */
const CLOSING_TIME = 300;

type ApproveOptions = CommonOptions & {readonly timeout: number; readonly strict?: boolean};

interface ApproveResult {
	readonly isDone: boolean;
	readonly detail: string;
	readonly notes?: readonly string[];
}

/** `pairkeeper approve SANDBOX`. Scripts run it before they connect a user, which it must never prevent: it exits 0 even on failure, unless `--strict`. */
export async function approve(sandbox: string, options: ApproveOptions): Promise<number> {
	const {
		isDone,
		detail,
		notes = [],
	} = await approveWithin(sandbox, options).catch((error: unknown) => ({
		isDone: false,
		detail: messageOf(error),
		notes: [],
	}));
	for (const note of notes) process.stderr.write(`${note}\n`);
	(isDone ? process.stdout : process.stderr).write(`${sandbox}: ${detail}\n`);
	return isDone || !options.strict ? EXIT.ok : EXIT.failed;
}

async function approveWithin(sandbox: string, options: ApproveOptions): Promise<ApproveResult> {
	// performance.now() counts from the start of the process, as does whoever waits for it to end.
	const left = () => Math.max(options.timeout - CLOSING_TIME - performance.now(), 1);
	const {paths, isLive, own} = findInstance({...options, environment: process.env});
	const reply = await askSupervisor(paths, {op: 'approve', sandbox, timeout: left()}, left() + CLOSING_TIME / 2);
	if (reply.kind === 'answered') return {isDone: reply.response.result === 'done', detail: reply.response.detail};
	if (reply.kind === 'unreachable') return {isDone: false, detail: reply.reason};
	// Somebody else's instance: whether it has a lock that is held is not for us to see.
	if (isLive && paths.statusFile !== own.statusFile)
		return {
			isDone: false,
			detail: `the supervisor of ${paths.statusFile} does not answer at ${paths.controlSocket}; it alone approves`,
		};
	return approveAlone(sandbox, options, own, left);
}

/** Makes the pass itself, since no supervisor listens. One that starts now waits for the lock that is held here, so there is still one approver. */
async function approveAlone(
	name: string,
	options: ApproveOptions,
	paths: InstancePaths,
	left: () => number,
): Promise<ApproveResult> {
	const config = loadConfig({...options, environment: process.env}, 'pass');
	const sandbox = config.sandboxes.find(candidate => candidate.name === name);
	if (!sandbox) return {isDone: false, detail: `no sandbox has this name in ${config.path}`};
	if (!sandbox.enabled) return {isDone: false, detail: `the sandbox is disabled in ${config.path}`};
	prepareDirectory(paths);
	const lock = await FileLock.acquire(paths.approveLockFile, left() / 2);
	if (!lock) return {isDone: false, detail: 'another approve is under way'};
	try {
		if (!(await isFree(paths)))
			return {isDone: false, detail: 'a supervisor is starting or does not answer; it alone approves'};
		const spec = specFor(config, sandbox, findOpenclaw(config.openclaw) ?? config.openclaw);
		const {outcome, notes} = await runOnce('pass', spec, new CallTurns(1, systemClock.now), left());
		return {isDone: isDone(outcome), detail: describePass(outcome), notes};
	} finally {
		lock.release();
	}
}

/** Whether no supervisor runs. One that is starting, or hung, does not answer on its socket but holds this lock. */
async function isFree({lockFile}: InstancePaths): Promise<boolean> {
	const lock = await FileLock.acquire(lockFile);
	lock?.release();
	return lock !== null;
}
