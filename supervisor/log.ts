import type {Writable} from 'node:stream';
import winston from 'winston';
import type {Clock} from '../worker/clock.ts';
import {type Rate, RateLimit} from '../worker/rate-limit.ts';
import {printable} from '../worker/text.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
	readonly level: LogLevel;
	/** `null`: standard error. */
	readonly file: string | null;
	readonly format: 'json' | 'pretty' | 'auto';
}

/** Where the supervisor and its workers write what happens. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** A log that can be opened anew after rotation, and that never takes the supervisor down with it. */
export class LogFile {
	readonly #onError: (error: Error | null) => void;
	#options: LogOptions;
	#logger: winston.Logger;

	/** `onError` is told when the log cannot be written, and with `null` when it is opened anew. */
	constructor(options: LogOptions, onError: (error: Error | null) => void) {
		this.#onError = onError;
		this.#options = options;
		this.#logger = this.#open(options);
	}

	readonly log: Log = (level, message, fields = {}) => {
		this.#logger.log(level, message, fields);
	};

	/** Opens the file anew, as after `logrotate`, perhaps another one. Throws, and changes nothing, where that cannot be. */
	reopen(options: Partial<LogOptions> = {}): void {
		const old = this.#logger;
		const wanted = {...this.#options, ...options};
		this.#logger = this.#open(wanted);
		this.#options = wanted;
		old.end();
	}

	/** Resolves when all that was said is written. */
	async close(): Promise<void> {
		const finished = new Promise<void>(resolve => this.#logger.once('finish', resolve));
		this.#logger.end();
		await Promise.race([finished, new Promise(resolve => setTimeout(resolve, 500).unref())]);
	}

	#open({level, file, format}: LogOptions): winston.Logger {
		const isPretty = format === 'pretty' || (format === 'auto' && file === null && process.stderr.isTTY);
		const colour =
			isPretty && file === null && process.stderr.isTTY && process.stderr.hasColors() && !process.env.NO_COLOR;
		const transport =
			file === null
				? new winston.transports.Stream({stream: process.stderr as Writable})
				: new winston.transports.File({filename: file, options: {flags: 'a', mode: 0o640}});
		this.#onError(null);
		transport.on('error', (error: Error) => this.#onError(error));
		const logger = winston.createLogger({
			level,
			levels: {error: 0, warn: 1, info: 2, debug: 3},
			format: winston.format.combine(
				winston.format.timestamp(),
				isPretty ? prettyFormat(colour) : winston.format.json(),
			),
			transports: [transport],
			exitOnError: false,
		});
		logger.on('error', (error: Error) => this.#onError(error));
		return logger;
	}
}

function prettyFormat(colour: boolean): winston.Logform.Format {
	const colorizer = winston.format.colorize({colors: {error: 'red', warn: 'yellow', info: 'green', debug: 'gray'}});
	return winston.format.printf(({level, message, timestamp, sandbox, ...fields}) => {
		const name = level.padEnd(5);
		const parts = Object.entries(fields).map(
			([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
		);
		const text = [...(sandbox ? [`${sandbox}:`] : []), message, ...parts].join(' ');
		// The last guard before a terminal.
		return `${timestamp} ${colour ? colorizer.colorize(level, name) : name} ${printable(text, 2000)}`;
	});
}

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
