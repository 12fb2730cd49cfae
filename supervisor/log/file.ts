import {close, fstat, ftruncate, write} from 'node:fs';
import {Writable} from 'node:stream';
import {promisify} from 'node:util';
import winston from 'winston';
import {messageOf, printable} from '../../worker/text.ts';
import {LOG_LEVELS, type Log, type LogLevel} from './log.ts';
import {openLog} from './path.ts';

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
	/** What the file is written through; `null`: standard error. */
	#output: Writable | null;
	#isClosed = false;
	/** Why it cannot be written; `null`: nothing is wrong. */
	#writeProblem: string | null = null;
	/** Why it could not be opened anew. */
	#openProblem: string | null = null;

	/** Throws a `ConfigError` where the file cannot be opened. */
	constructor(options: LogOptions) {
		this.#options = options;
		const {logger, output} = this.#open(options);
		this.#logger = logger;
		this.#output = output;
	}

	/** `message` is a text of ours, never one from elsewhere: that goes into fields. */
	readonly log: Log = (level, message, fields = {}) => {
		// Not `log(level, message, fields)`: there winston fills `%s` and the like in the message with the fields, and drops them.
		if (!this.#isClosed) this.#logger.log({...fields, level, message});
	};

	/** What is wrong with the log. */
	get warnings(): readonly string[] {
		return [this.#openProblem, this.#writeProblem].filter(problem => problem !== null);
	}

	/** Opens the file anew, as after `logrotate`, perhaps another one. Throws, and changes nothing, where that cannot be. */
	reopen(options: Partial<LogOptions> = {}): void {
		const old = {logger: this.#logger, output: this.#output};
		const wanted = {...this.#options, ...options};
		const {logger, output} = this.#open(wanted);
		this.#logger = logger;
		this.#output = output;
		this.#options = wanted;
		end(old);
	}

	/** As {@link reopen}; where that cannot be, it is a warning. */
	tryReopen(options: Partial<LogOptions> = {}): void {
		try {
			this.reopen(options);
		} catch (error) {
			this.#openProblem = `the log cannot be opened anew: ${messageOf(error)}`;
		}
	}

	/** Resolves when all that was said is written; what is said from then on is dropped. */
	async close(): Promise<void> {
		this.#isClosed = true;
		const output = this.#output;
		const finished = new Promise<void>(resolve => (output ?? this.#logger).once('finish', resolve));
		end({logger: this.#logger, output});
		await Promise.race([finished, new Promise(resolve => setTimeout(resolve, 500).unref())]);
	}

	#open({level, file, format}: LogOptions): {readonly logger: winston.Logger; readonly output: Writable | null} {
		const isPretty = format === 'pretty' || (format === 'auto' && file === null && process.stderr.isTTY);
		const colour =
			isPretty && file === null && process.stderr.isTTY && process.stderr.hasColors() && !process.env.NO_COLOR;
		// Not winston's own file transport, which creates directories, follows links, opens late, and waits for ever where it cannot.
		const output = file === null ? null : appendingTo(openLog(file), error => this.#onWritten(error));
		const transport = new winston.transports.Stream({stream: output ?? process.stderr});
		this.#openProblem = null;
		this.#writeProblem = null;
		transport.on('error', (error: Error) => this.#onError(error));
		const logger = winston.createLogger({
			level,
			levels: Object.fromEntries(LOG_LEVELS.map((name, severity) => [name, severity])),
			format: winston.format.combine(winston.format.timestamp(), isPretty ? prettyFormat(colour) : jsonFormat()),
			transports: [transport],
			exitOnError: false,
		});
		logger.on('error', (error: Error) => this.#onError(error));
		return {logger, output};
	}

	/** A full disk may have room again. */
	#onWritten(error: Error | null): void {
		if (error) this.#onError(error);
		else this.#writeProblem = null;
	}

	/** Told once on the standard error, in case that nobody looks at the status. */
	#onError(error: Error): void {
		const problem = `the log cannot be written: ${messageOf(error)}`;
		if (this.#writeProblem === null) process.stderr.write(`pairkeeper: ${problem}\n`);
		this.#writeProblem = problem;
	}
}

/** What the logger still holds goes before the end of the file. */
function end({logger, output}: {readonly logger: winston.Logger; readonly output: Writable | null}): void {
	logger.once('finish', () => output?.end());
	logger.end();
}

/** Appends to an open file, and closes it at the end. What cannot be written is lost, told of, and keeps nothing that follows from being written. */
function appendingTo(descriptor: number, onWritten: (error: Error | null) => void): Writable {
	return new Writable({
		decodeStrings: true,
		write(chunk: Buffer, _, done) {
			append(descriptor, chunk)
				.then(() => onWritten(null), onWritten)
				.finally(done);
		},
		final(done) {
			close(descriptor, () => done());
		},
	});
}

/** Appends all of it, or nothing: half a line, as of a disk that is full, is taken back, as far as nobody has added to it. */
async function append(descriptor: number, chunk: Buffer): Promise<void> {
	let written = 0;
	try {
		while (written < chunk.length)
			written += (await promisify(write)(descriptor, chunk, written, chunk.length - written, null)).bytesWritten;
	} catch (error) {
		if (written > 0) {
			const {size} = await promisify(fstat)(descriptor);
			await promisify(ftruncate)(descriptor, size - written).catch(() => {});
		}
		throw error;
	}
}

/** A line begins with what it is looked for by. */
function jsonFormat(): winston.Logform.Format {
	return winston.format.printf(({timestamp, level, message, sandbox, ...fields}) =>
		JSON.stringify({time: timestamp, level, message, sandbox, ...fields}),
	);
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
