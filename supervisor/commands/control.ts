import {askSupervisor} from '../control/client.ts';
import type {ControlRequest} from '../control/protocol.ts';
import {forgetAlarms, readAlarms} from '../instance/alarm-file.ts';
import {withoutSupervisor} from '../instance/alone.ts';
import type {InstancePaths} from '../instance/paths.ts';
import {amendState, readState} from '../instance/state-file.ts';
import {withoutAlarm} from '../sandbox/record.ts';
import {EXIT} from './exit-codes.ts';
import {type FoundInstance, findInstance, notRunningAt} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** How long the supervisor may take, in milliseconds: a reload waits for workers to stop. */
const TIMEOUT = 60_000;

/** How long a pass without a supervisor, which may be raising an alarm, is waited for, in milliseconds. */
const PASS_PATIENCE = 60_000;

/** `pairkeeper kick [SANDBOX…]`. */
export function kick(sandboxes: readonly string[], options: CommonOptions): Promise<number> {
	return ask({op: 'kick', sandboxes: [...sandboxes]}, options);
}

/** `pairkeeper reload`. Without a supervisor it clears the alarms that stand. */
export function reload(options: CommonOptions): Promise<number> {
	return ask({op: 'reload'}, options, ({own}) => clearAlarms(own));
}

/** Clears what supervisors, and passes without one, have left. Returns what there is to say of it. */
async function clearAlarms(paths: InstancePaths): Promise<string> {
	const left = readState(paths.stateFile)?.sandboxes ?? [];
	const isLeft = left.some(({record}) => record.checkpoint.ledger.alarm !== null);
	if (!isLeft && readAlarms(paths.alarmFile).length === 0) return '';
	const lock = await withoutSupervisor(paths, PASS_PATIENCE);
	if (typeof lock === 'string') return `; no alarm is cleared: ${lock}`;
	try {
		const isCleared = await amendState(paths, state => ({
			...state,
			sandboxes: state.sandboxes.map(({name, record}) => ({name, record: withoutAlarm(record)})),
		}));
		if (!isCleared) return '; no alarm is cleared: a supervisor has started, ask again';
		forgetAlarms(paths.alarmFile);
		return '; the alarms that stood are cleared';
	} finally {
		lock.release();
	}
}

/** `alone`: what is done where no supervisor runs, and says so. */
async function ask(
	request: ControlRequest,
	options: CommonOptions,
	alone: (instance: FoundInstance) => Promise<string> = async () => '',
): Promise<number> {
	const instance = findInstance({...options, environment: process.env});
	const {paths} = instance;
	const reply = await askSupervisor(paths, request, TIMEOUT);
	if (reply.kind === 'nobody') {
		process.stderr.write(`${notRunningAt(paths)}${await alone(instance)}\n`);
		return EXIT.notRunning;
	}
	if (reply.kind === 'unreachable') {
		process.stderr.write(`${reply.reason}\n`);
		return EXIT.failed;
	}
	const {result, detail} = reply.response;
	(result === 'done' ? process.stdout : process.stderr).write(`${detail}\n`);
	return {done: EXIT.ok, failed: EXIT.failed, refused: EXIT.usage}[result];
}
