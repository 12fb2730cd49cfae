import type {Clock} from '../../worker/clock.ts';
import {type Rate, RateLimit} from '../../worker/rate-limit.ts';

/** From the most to the least severe. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where the supervisor and its workers write what happens. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Lines get through as far as `rate` allows; how many did not is said when they do again. */
export function limitedLog(log: Log, clock: Pick<Clock, 'now'>, rate: Rate = {burst: 50, perSecond: 5}): Log {
	const limit = new RateLimit(rate, clock);
	let dropped = 0;
	return (level, message, fields) => {
		if (!limit.take()) {
			dropped++;
			return;
		}
		log(level, message, dropped === 0 ? fields : {...fields, droppedLines: dropped});
		dropped = 0;
	};
}
