import {messageOf} from '../../worker/text.ts';
import {findStatusFile} from '../config/locate.ts';
import {type Health, healthOf} from '../status/health.ts';
import {isSupervisorAlive, readStatus} from '../status/reading.ts';
import {EXIT} from './exit-codes.ts';
import type {CommonOptions} from './options.ts';

/** `pairkeeper health`: one line and an exit code, as monitoring plug-ins do. */
export async function health(options: CommonOptions & {readonly maxAge: number}): Promise<number> {
	const {level, text} = judge(options);
	process.stdout.write(`${level}: ${text}\n`);
	return EXIT.health[level];
}

function judge(options: CommonOptions & {readonly maxAge: number}): Health {
	try {
		const file = findStatusFile({...options, environment: process.env});
		const status = readStatus(file);
		// Critical rather than unknown: /run is empty after a reboot, and a supervisor that was not started again must raise an alarm.
		if (!status) return {level: 'critical', text: `no supervisor is running: there is no status at ${file}`};
		return healthOf(status, {isAlive: isSupervisorAlive(status), now: Date.now(), maxAge: options.maxAge});
	} catch (error) {
		return {level: 'unknown', text: messageOf(error)};
	}
}
