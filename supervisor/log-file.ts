import type {Writable} from 'node:stream';
import winston from 'winston';
import {assertAppendable} from '../worker/host/trusted-path.ts';
import {messageOf, printable} from '../worker/text.ts';
import {LOG_LEVELS, type Log, type LogLevel} from './log.ts';

/** Where the log goes, and how. */
export interface LogOptions {
	readonly level: LogLevel;
	/** `null`: standard error. */
	readonly file: string | null;
	readonly format: 'json' | 'pretty' | 'auto';
}

/** A log that can be opened anew after rotation, and that never takes the supervisor down with it. */
export class LogFile {
	#options: LogOptions;
	#logger: winston.Logger;
	#isClosed = false;
	/** Why it cannot be written, or could not be opened anew; `null`: nothing is wrong. */
	#problem: string | null = null;

	/** Throws where the file cannot be opened. */
	constructor(options: LogOptions) {
		this.#options = options;
		this.#logger = this.#open(options);
	}

	/** `message` is a text of ours, never one from elsewhere: that goes into fields. */
	readonly log: Log = (level, message, fields = {}) => {
		// Not `log(level, message, fields)`: there winston fills `%s` and the like in the message with the fields, and drops them.
		if (!this.#isClosed) this.#logger.log({...fields, level, message});
	};

	/** What is wrong with the log. */
	get warnings(): readonly string[] {
		return this.#problem === null ? [] : [this.#problem];
	}

	/** Opens the file anew, as after `logrotate`, perhaps another one. Throws, and changes nothing, where that cannot be. */
	reopen(options: Partial<LogOptions> = {}): void {
		const old = this.#logger;
		const wanted = {...this.#options, ...options};
		this.#logger = this.#open(wanted);
		this.#options = wanted;
		old.end();
	}

	/** As {@link reopen}; where that cannot be, it is a warning. */
	tryReopen(options: Partial<LogOptions> = {}): void {
		try {
			this.reopen(options);
		} catch (error) {
			this.#problem = `the log cannot be opened anew: ${messageOf(error)}`;
		}
	}

	/** Resolves when all that was said is written; what is said from then on is dropped. */
	async close(): Promise<void> {
		this.#isClosed = true;
		const finished = new Promise<void>(resolve => this.#logger.once('finish', resolve));
		this.#logger.end();
		await Promise.race([finished, new Promise(resolve => setTimeout(resolve, 500).unref())]);
	}

	#open({level, file, format}: LogOptions): winston.Logger {
		const isPretty = format === 'pretty' || (format === 'auto' && file === null && process.stderr.isTTY);
		const colour =
			isPretty && file === null && process.stderr.isTTY && process.stderr.hasColors() && !process.env.NO_COLOR;
		if (file !== null) assertAppendable(file);
		this.#problem = null;
		const transport =
			file === null
				? new winston.transports.Stream({stream: process.stderr as Writable})
				: new winston.transports.File({filename: file, options: {flags: 'a', mode: 0o640}});
		transport.on('error', (error: Error) => this.#onError(error));
		const logger = winston.createLogger({
			level,
			levels: Object.fromEntries(LOG_LEVELS.map((name, severity) => [name, severity])),
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

	/** Told once on the standard error, in case that nobody looks at the status. */
	#onError(error: Error): void {
		const problem = `the log cannot be written: ${messageOf(error)}`;
		if (this.#problem === null) process.stderr.write(`pairkeeper: ${problem}\n`);
		this.#problem = problem;
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
