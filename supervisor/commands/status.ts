import {setTimeout as sleep} from 'node:timers/promises';
import {findStatusFile} from '../config/locate.ts';
import {isSupervisorAlive, readStatus} from '../status/reading.ts';
import {EXIT} from './exit-codes.ts';
import type {CommonOptions} from './options.ts';
import {statusTable} from './status-table.ts';

/** How often `--watch` looks, in milliseconds. */
const WATCH_INTERVAL = 1000;

const HOME_AND_CLEAR = '\u001b[H\u001b[J';

/** `pairkeeper status`. */
export async function status(
	options: CommonOptions & {readonly json?: boolean; readonly watch?: boolean},
): Promise<number> {
	const file = findStatusFile({...options, environment: process.env});
	if (!options.watch) return show(file, options.json);
	process.stdout.once('error', () => process.exit(EXIT.ok));
	for (;;) {
		if (process.stdout.isTTY) process.stdout.write(HOME_AND_CLEAR);
		const code = show(file, options.json);
		if (code !== EXIT.ok) return code;
		await sleep(WATCH_INTERVAL);
	}
}

function show(file: string, json = false): number {
	const current = readStatus(file);
	if (!current) {
		process.stderr.write(`there is no status at ${file}; is pairkeeper running? (pairkeeper run)\n`);
		return EXIT.notRunning;
	}
	const text = json
		? JSON.stringify(current, null, '\t')
		: statusTable(current, {isAlive: isSupervisorAlive(current), now: Date.now()});
	process.stdout.write(`${text}\n`);
	return EXIT.ok;
}
