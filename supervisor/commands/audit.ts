import {printable} from '../../worker/text.ts';
import {type AuditLine, pairOf} from '../audit/line.ts';
import {readLines} from '../audit/reading.ts';
import {findAuditFile} from '../config/locate.ts';
import {EXIT} from './exit-codes.ts';
import type {CommonOptions} from './options.ts';
import {shownId, shownIds} from './pending-text.ts';
import {safeJson} from './safe-json.ts';
import {styled} from './table.ts';

type AuditOptions = CommonOptions & {
	/** Milliseconds. */
	readonly since?: number;
	readonly sandbox?: string;
	readonly json?: boolean;
};

/** `pairkeeper audit`: what was decided, from the audit file. A line is printed as soon as it is read, since the file may be large. */
export async function audit(options: AuditOptions): Promise<number> {
	const file = findAuditFile({...options, environment: process.env});
	if (file === null) return none('the configuration names no auditFile');
	const from = options.since === undefined ? Number.NEGATIVE_INFINITY : Date.now() - options.since;
	const isWanted = ({time, sandbox}: AuditLine) =>
		!(Date.parse(time) < from) && (options.sandbox === undefined || sandbox === options.sandbox);
	try {
		const unreadable = await print(file, isWanted, options.json === true);
		if (unreadable > 0) process.stderr.write(`${unreadable} lines of ${file} cannot be read\n`);
		return EXIT.ok;
	} catch (error) {
		const {code, message} = error as NodeJS.ErrnoException;
		if (code === 'ENOENT' || code === 'ENOTDIR') return none(`there is no audit file at ${file}`);
		process.stderr.write(`${file} cannot be read: ${code ?? message}\n`);
		return EXIT.failed;
	}
}

function none(reason: string): number {
	process.stderr.write(`${reason}\n`);
	return EXIT.notRunning;
}

/** Prints what is wanted, and gives back how many lines could not be read. */
async function print(file: string, isWanted: (line: AuditLine) => boolean, asJson: boolean): Promise<number> {
	let unreadable = 0;
	/** For people an intent is a line only where nothing came of it. */
	const open = new Map<string, AuditLine>();
	for await (const line of readLines(file)) {
		if (line === null) unreadable++;
		if (line === null || !isWanted(line)) continue;
		if (asJson) await say(safeJson(line));
		else if (line.phase === 'intent') open.set(pairOf(line), line);
		else {
			open.delete(pairOf(line));
			await say(textOf(line));
		}
	}
	for (const line of open.values()) await say(textOf(line));
	return unreadable;
}

/** Not faster than it is read. */
async function say(text: string): Promise<void> {
	if (process.stdout.write(`${text}\n`) || process.stdout.destroyed) return;
	await new Promise<void>(resolve => {
		process.stdout.once('drain', resolve);
		process.stdout.once('close', resolve);
		process.stdout.once('error', () => resolve());
	});
}

function textOf(line: AuditLine): string {
	const {time, sandbox, requestId, clientId, clientMode, deviceId, scopes, reason, by, latencyMs, transport, error} =
		line;
	if (requestId === null) return [shownId(time), shownId(sandbox), shownText(error ?? '')].join('  ');
	const parts = [
		shownId(time),
		shownId(sandbox),
		verb(line),
		shownId(requestId),
		`${shownId(clientId)} / ${shownId(clientMode)}`,
		shownIds(scopes),
		`device ${shownId(deviceId)}`,
		`by ${by}${reason === null ? '' : ` (${shownId(reason)})`}`,
		...(transport === null ? [] : [`via ${shownId(transport)}`]),
		...(latencyMs === null ? [] : [`after ${latencyMs} ms`]),
		...(error === null ? [] : [shownText(error)]),
	];
	return parts.join('  ');
}

function verb({phase, action, result}: AuditLine): string {
	if (action === 'refuse') return styled('yellow', 'refused');
	const what = action === 'approve' ? 'approve' : 'reject';
	if (phase === 'intent') return styled('yellow', `${what} begun`);
	return result === 'done' ? styled('green', `${what} done`) : styled('red', `${what} failed`);
}

/** A text from elsewhere, on one line. */
function shownText(text: string): string {
	return printable(text, 400);
}
