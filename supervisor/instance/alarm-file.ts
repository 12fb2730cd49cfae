import {rmSync} from 'node:fs';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import {readPrivate} from './private-file.ts';

const alarmSchema = z.object({
	sandbox: z.string(),
	/** Names the sandbox's configuration: whoever has changed that has seen the alarm. */
	configuration: z.string(),
	reason: z.string(),
});
/** Why nothing is approved in a sandbox, found by a pass that no supervisor made. */
export type RememberedAlarm = Readonly<z.infer<typeof alarmSchema>>;

const fileSchema = z.object({schema: z.literal(1), alarms: z.array(alarmSchema)});

/** The alarms of passes that no supervisor made. They stand until {@link forgetAlarms}, which `pairkeeper reload` calls. */
export function readAlarms(file: string): readonly RememberedAlarm[] {
	const read = fileSchema.safeParse(readPrivate(file));
	return read.success ? read.data.alarms : [];
}

/** Writes it down, in place of an earlier one of the same sandbox. To be called with the lock of passes without a supervisor held. Throws where it cannot be written. */
export function rememberAlarm(file: string, alarm: RememberedAlarm): void {
	const others = readAlarms(file).filter(({sandbox}) => sandbox !== alarm.sandbox);
	const text = JSON.stringify({schema: 1, alarms: [...others, alarm]} satisfies z.infer<typeof fileSchema>);
	writeFileAtomic.sync(file, text, {mode: 0o600});
}

/** Somebody has looked at what raised them. */
export function forgetAlarms(file: string): void {
	rmSync(file, {force: true});
}
