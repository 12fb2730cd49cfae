import type {PendingRequest} from '../control/pending.ts';
import type {ShownMinute} from '../monitoring/history.ts';
import type {Health} from '../status/health.ts';
import type {Status} from '../status/schema.ts';

/** What may be asked about over HTTP, as it is now. */
export interface Sources {
	readonly status: () => Status;
	readonly health: (status: Status) => Health;
	/** What waits for a person. Never rejects. */
	readonly pending: () => Promise<readonly PendingRequest[]>;
	/** The last hour by the minute. */
	readonly history: () => readonly ShownMinute[];
	readonly metrics: () => Promise<{readonly type: string; readonly text: string}>;
}
