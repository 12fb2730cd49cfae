import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {parseBounded} from '../../worker/json.ts';
import {type AuditLine, auditLineSchema} from './line.ts';

/** A line of ours is far shorter, in characters; what is longer is passed over. */
const MAX_LINE = 2 ** 16;

/** A line that was read, or `null` for one that cannot be. */
export type ReadLine = AuditLine | null;

/** The lines of an audit file that can be read; others are passed over, as is half a line at the end. */
export function parseLines(text: string): readonly AuditLine[] {
	return text.split('\n').flatMap(line => parseLine(line) ?? []);
}

/**
 * The lines of an audit file, one after the other, however large it is: `null` for what is no line of ours. Half a line at the end is still being
 * written, and is left out. Throws where the file cannot be read.
 */
export async function* readLines(file: string): AsyncGenerator<ReadLine> {
	// Without O_NONBLOCK a named pipe in its place would stop us for ever.
	const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	try {
		if (!(await handle.stat()).isFile()) throw new Error(`${file} is not a regular file`);
		let rest = '';
		let isTooLong = false;
		for await (const chunk of handle.createReadStream({encoding: 'utf8', autoClose: false})) {
			const lines = `${rest}${chunk}`.split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) {
				if (isTooLong || line !== '') yield isTooLong ? null : parseLine(line);
				isTooLong = false;
			}
			if (rest.length > MAX_LINE) {
				isTooLong = true;
				rest = '';
			}
		}
	} finally {
		await handle.close();
	}
}

function parseLine(text: string): ReadLine {
	if (text.length > MAX_LINE) return null;
	const line = auditLineSchema.safeParse(parseBounded(text));
	return line.success ? line.data : null;
}
