import type {PendingRequest} from '../control/pending.ts';

/** What somebody may want to hear of at once, the most urgent first. */
export const NOTIFY_EVENTS = ['alarm', 'crash-loop', 'unhealthy', 'healthy', 'refused'] as const;
export type NotifyKind = (typeof NOTIFY_EVENTS)[number];

/** Something happened in a sandbox. Texts are safe to show. */
export interface Happening {
	/** ISO 8601 UTC. */
	readonly time: string;
	readonly event: NotifyKind;
	readonly sandbox: string;
	/** For a person. */
	readonly message: string;
	/** The request that a person may decide about, where that is what happened. */
	readonly request: PendingRequest | null;
}

/** What the `notify` program is told, as one line of JSON on its standard input. `skipped`: how many events of that sandbox it was not told since the last one. */
export interface NotifyEvent extends Happening {
	readonly host: string;
	readonly skipped: number;
}

/** The line, its keys in the order in which they are documented. */
export function lineOf({time, host, event, sandbox, message, skipped, request}: NotifyEvent): string {
	return `${JSON.stringify({time, host, event, sandbox, message, skipped, request})}\n`;
}
