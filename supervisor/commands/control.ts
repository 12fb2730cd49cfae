import {askSupervisor} from '../control/client.ts';
import type {ControlRequest} from '../control/protocol.ts';
import {forgetAlarms, readAlarms} from '../instance/alarm-file.ts';
import {EXIT} from './exit-codes.ts';
import {type FoundInstance, findInstance, notRunningAt} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** How long the supervisor may take, in milliseconds: a reload waits for workers to stop. */
const TIMEOUT = 60_000;

/** `pairkeeper kick [SANDBOX…]`. */
export function kick(sandboxes: readonly string[], options: CommonOptions): Promise<number> {
	return ask({op: 'kick', sandboxes: [...sandboxes]}, options);
}

/** `pairkeeper reload`. Without a supervisor it clears what passes without one have left: their alarms. */
export function reload(options: CommonOptions): Promise<number> {
	return ask({op: 'reload'}, options, ({own}) => {
		if (readAlarms(own.alarmFile).length === 0) return '';
		forgetAlarms(own.alarmFile);
		return '; the alarms that approve without it had raised are cleared';
	});
}

/** `alone`: what is done where no supervisor runs, and says so. */
async function ask(
	request: ControlRequest,
	options: CommonOptions,
	alone: (instance: FoundInstance) => string = () => '',
): Promise<number> {
	const instance = findInstance({...options, environment: process.env});
	const {paths} = instance;
	const reply = await askSupervisor(paths, request, TIMEOUT);
	if (reply.kind === 'nobody') {
		process.stderr.write(`${notRunningAt(paths)}${alone(instance)}\n`);
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
