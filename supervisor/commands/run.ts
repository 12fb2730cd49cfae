import {exitAtOnce} from '../host/exit.ts';
import type {LogLevel} from '../log/log.ts';
import {InstanceHeldError, supervise} from '../supervisor.ts';
import {EXIT} from './exit-codes.ts';
import type {CommonOptions} from './options.ts';

/** `pairkeeper run`. Resolves with an exit code where it could not supervise; a shift that is over ends the process. */
export async function run(options: CommonOptions & {readonly logLevel: LogLevel}): Promise<number> {
	const {logLevel, ...source} = options;
	// As ps and top show it.
	process.title = 'pairkeeper';
	try {
		await supervise({...source, environment: process.env}, {logLevel});
		// At once: a signal from now on would turn a good end into another.
		exitAtOnce(EXIT.ok);
	} catch (error) {
		if (!(error instanceof InstanceHeldError)) throw error;
		process.stderr.write(`${error.message}\n`);
		return EXIT.held;
	}
}
