import {existsSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {hasEnded} from '../status/condition.ts';
import {isSupervisorAlive, readStatus} from '../status/reading.ts';
import type {Status} from '../status/schema.ts';
import {EXIT} from './exit-codes.ts';
import {findInstance, noStatusAt} from './instance.ts';
import type {CommonOptions} from './options.ts';
import {sandboxLines} from './sandbox-view.ts';
import {headLines, type Named, statusTable, type View} from './status-table.ts';
import {outputWidth} from './table.ts';

/** How often `--watch` looks, in milliseconds. */
const WATCH_INTERVAL = 1000;

export type StatusOptions = CommonOptions & {
	readonly json?: boolean;
	readonly watch?: boolean;
	readonly all?: boolean;
};

/** `pairkeeper status [NAME…]`. */
export async function status(names: readonly string[], options: StatusOptions): Promise<number> {
	const find = () => findInstance({...options, environment: process.env}).paths.statusFile;
	if (!options.watch) return show(find(), names, options);
	if (process.stdout.isTTY && process.stdin.isTTY && !options.json && names.length === 0) {
		// Loaded only here.
		const {watchScreen} = await import('./watch-screen.ts');
		return watchScreen(find);
	}
	process.stdout.once('error', () => process.exit(EXIT.ok));
	for (;;) {
		const code = show(find(), names, options);
		if (code === EXIT.usage || !existsSync(find())) return code;
		await sleep(WATCH_INTERVAL);
	}
}

function show(file: string, names: readonly string[], {json = false, all = false}: StatusOptions): number {
	const current = readStatus(file);
	if (!current) {
		process.stderr.write(`${noStatusAt(file)}\n`);
		return EXIT.notRunning;
	}
	const unknown = names.filter(name => !Object.hasOwn(current.sandboxes, name));
	if (unknown.length > 0) {
		const there = Object.keys(current.sandboxes).join(', ') || 'none';
		process.stderr.write(`no sandbox is called ${unknown.join(', ')} in ${file}; there are: ${there}\n`);
		return EXIT.usage;
	}
	const now = Date.now();
	const view: View = {isAlive: isSupervisorAlive(current, now), now, width: outputWidth(), all};
	process.stdout.write(`${textOf(current, names, view, json)}\n`);
	return view.isAlive && !hasEnded(current) ? EXIT.ok : EXIT.notRunning;
}

function textOf(status: Status, names: readonly string[], view: View, json: boolean): string {
	const chosen = Object.entries(status.sandboxes).filter(([name]) => names.includes(name));
	if (json) {
		const sandboxes = names.length === 0 ? status.sandboxes : Object.fromEntries(chosen);
		return JSON.stringify({...status, sandboxes}, null, '\t');
	}
	if (names.length === 0) return statusTable(status, view);
	return [headLines(status, view).join('\n'), ...chosen.map(each => paragraph(each, status, view))].join('\n\n');
}

function paragraph(named: Named, status: Status, view: View): string {
	return sandboxLines(named, status, view).join('\n');
}
