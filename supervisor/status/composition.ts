import os from 'node:os';
import {isoTime} from '../../worker/clock.ts';
import type {Shift} from '../shift.ts';
import {type InventoryStatus, type SandboxStatus, type Status, totalsOf} from './schema.ts';

/** What the supervisor is doing. */
export type Phase = Status['supervisor']['state'];

/** What a status is made of. Times are milliseconds since the epoch. */
export interface StatusParts {
	readonly version: string;
	readonly phase: Phase;
	readonly startedAt: number;
	readonly now: number;
	readonly shift: Shift;
	readonly config: Status['supervisor']['config'];
	readonly calls: Status['supervisor']['calls'];
	readonly warnings: readonly string[];
	/** Only where several instances share the sandboxes. */
	readonly shard?: Status['supervisor']['shard'];
	/** Only where there are inventories. */
	readonly discovery?: readonly InventoryStatus[];
	readonly sandboxes: Readonly<Record<string, SandboxStatus>>;
}

/** The status file's contents. */
export function composeStatus(parts: StatusParts): Status {
	const {version, phase, startedAt, now, shift, config, calls, warnings, shard, discovery = [], sandboxes} = parts;
	return {
		schema: 1,
		supervisor: {
			pid: process.pid,
			version,
			host: os.hostname(),
			state: phase,
			startedAt: isoTime(startedAt),
			updatedAt: isoTime(now),
			deadlineAt: shift.deadlineWall,
			config,
			calls,
			warnings: [...warnings],
			...(shard ? {shard} : {}),
			...(discovery.length > 0 ? {discovery: [...discovery]} : {}),
		},
		totals: totalsOf(sandboxes),
		sandboxes,
	};
}
