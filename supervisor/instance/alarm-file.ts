import {rmSync} from 'node:fs';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import {messageOf} from '../../worker/text.ts';
import {readPrivate} from './private-file.ts';

const alarmSchema = z.object({
	sandbox: z.string(),
	/** Names the sandbox's configuration: whoever has changed that has seen the alarm. */
	configuration: z.string(),
	reason: z.string(),
});
/** Why nothing is approved in a sandbox. */
export type RememberedAlarm = Readonly<z.infer<typeof alarmSchema>>;

const fileSchema = z.object({schema: z.literal(1), alarms: z.array(alarmSchema)});

/**
 * The alarms that were raised by supervisors, however they ended, and by passes that no supervisor made. They stand until {@link forgetAlarms}, which
 * `pairkeeper reload` calls, or until their sandbox is configured otherwise.
 */
export function readAlarms(file: string): readonly RememberedAlarm[] {
	const read = fileSchema.safeParse(readPrivate(file));
	return read.success ? read.data.alarms : [];
}

/**
 * Writes it down, in place of an earlier one of the same sandbox. For whoever alone may approve: a supervisor, or who holds the lock of passes without
 * one. Returns a complaint where it cannot be written, else `null`.
 */
export function rememberAlarm(file: string, alarm: RememberedAlarm): string | null {
	const others = readAlarms(file).filter(({sandbox}) => sandbox !== alarm.sandbox);
	try {
		write(file, [...others, alarm]);
		return null;
	} catch (error) {
		return `the alarm is not remembered, since ${file} cannot be written: ${messageOf(error)}`;
	}
}

/**
 * Forgets those that stand no more, lest one comes back with the configuration that it was raised under. For the same as {@link rememberAlarm}. Where the file
 * cannot be written they stay in it, until it can: a full disk is no reason not to start.
 */
export function retainAlarms(file: string, isStanding: (alarm: RememberedAlarm) => boolean): void {
	const alarms = readAlarms(file);
	const standing = alarms.filter(isStanding);
	if (standing.length === alarms.length) return;
	try {
		write(file, standing);
	} catch {}
}

/** Somebody has looked at what raised them. */
export function forgetAlarms(file: string): void {
	rmSync(file, {force: true});
}

function write(file: string, alarms: readonly RememberedAlarm[]): void {
	const text = JSON.stringify({schema: 1, alarms: [...alarms]} satisfies z.infer<typeof fileSchema>);
	writeFileAtomic.sync(file, text, {mode: 0o600});
}
