import {messageOf} from '../../worker/text.ts';
import {type Health, healthOf} from '../status/health.ts';
import {isSupervisorAlive, readStatus} from '../status/reading.ts';
import {EXIT} from './exit-codes.ts';
import {findInstance, noStatusAt} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** `pairkeeper health`: one line and an exit code, as monitoring plug-ins do. */
export async function health(options: CommonOptions & {readonly maxAge: number}): Promise<number> {
	const {level, text, perfdata} = judge(options);
	process.stdout.write(`${level}: ${text}${perfdata === '' ? '' : ` | ${perfdata}`}\n`);
	return EXIT.health[level];
}

function judge(options: CommonOptions & {readonly maxAge: number}): Health {
	try {
		const {statusFile} = findInstance({...options, environment: process.env}).paths;
		const status = readStatus(statusFile);
		if (!status) return unknown(noStatusAt(statusFile));
		const now = Date.now();
		return healthOf(status, {isAlive: isSupervisorAlive(status, now), now, maxAge: options.maxAge});
	} catch (error) {
		return unknown(messageOf(error).replaceAll('|', '/'));
	}
}

function unknown(text: string): Health {
	return {level: 'unknown', text, perfdata: ''};
}
