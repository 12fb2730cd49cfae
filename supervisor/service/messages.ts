import {countsOf, sandboxesInWords} from '../status/condition.ts';
import type {Status} from '../status/schema.ts';

/** How long a start may take beyond what was said last, in milliseconds. */
const START_EXTENSION = 30_000;

/** What an end may take beyond the sandboxes' `stopTimeout`, in milliseconds: the status and the audit file are written down. */
const LAST_WRITES = 5000;

/** We are up, or a reload is over. */
export const READY = 'READY=1';

/** The loop turns. */
export const ALIVE = 'WATCHDOG=1';

/** The start goes on: a pass that began before us may be waited for, or there are many sandboxes to start. */
export const STILL_STARTING = `EXTEND_TIMEOUT_USEC=${START_EXTENSION * 1000}`;

/** A reload begins. `now`: CLOCK_MONOTONIC in milliseconds, which `Type=notify-reload` compares with when it asked (systemd.service(5)). */
export function reloadingMessage(now: number): string {
	return `RELOADING=1\nMONOTONIC_USEC=${Math.round(now * 1000)}`;
}

/** The end begins, and takes so many milliseconds at most for the sandboxes. */
export function stoppingMessage(stopTimeout: number): string {
	return `STOPPING=1\nEXTEND_TIMEOUT_USEC=${(stopTimeout + LAST_WRITES) * 1000}`;
}

/** `systemctl status` shows this line. Nothing in it is foreign. */
export function statusMessage(status: Pick<Status, 'supervisor' | 'totals' | 'sandboxes'>): string {
	return `STATUS=${[...phrasesOf(status)].join(', ')}`;
}

function* phrasesOf(status: Pick<Status, 'supervisor' | 'totals' | 'sandboxes'>): Generator<string> {
	const {supervisor, totals} = status;
	const {watched, healthy} = countsOf(status);
	const health = `${healthy} of ${sandboxesInWords(watched)} healthy`;
	yield supervisor.state === 'running' ? health : `${supervisor.state}: ${health}`;
	yield `${totals.approved} approved`;
	const {length} = supervisor.warnings;
	if (length > 0) yield `${length} ${length === 1 ? 'warning' : 'warnings'}`;
	if (supervisor.config.error !== null) yield 'the new configuration is refused (pairkeeper status says why)';
}
