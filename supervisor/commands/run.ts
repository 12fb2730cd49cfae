import {systemClock} from '../../worker/clock.ts';
import {messageOf} from '../../worker/text.ts';
import {loadConfig} from '../config/load.ts';
import {EXIT} from '../exit-codes.ts';
import {FileLock, holderOf} from '../lock.ts';
import {LogFile, type LogLevel} from '../log.ts';
import {type InstancePaths, instancePaths, prepareDirectory} from '../paths.ts';
import {Supervisor} from '../supervisor.ts';
import {VERSION} from '../version.ts';
import type {CommonOptions} from './options.ts';

/** Somebody may hold the lock for a moment only to see whether we do, in milliseconds. */
const LOCK_PATIENCE = 500;

/** `pairkeeper run`. Resolves with the exit code when the shift is over. */
export async function run(options: CommonOptions & {readonly logLevel: LogLevel}): Promise<number> {
	const source = {...options, environment: process.env};
	const config = loadConfig(source);
	const paths = instancePaths(config.statusFile);
	prepareDirectory(paths);
	const lock = await FileLock.acquire(paths.lockFile, LOCK_PATIENCE);
	if (!lock) return reportHeld(paths);

	let logError: string | null = null;
	const logFile = new LogFile({level: options.logLevel, file: config.logFile, format: config.logFormat}, error => {
		if (error && logError === null)
			process.stderr.write(`pairkeeper: the log cannot be written: ${messageOf(error)}\n`);
		logError = error && `the log cannot be written: ${messageOf(error)}`;
	});
	const supervisor = new Supervisor(config, {
		paths,
		logFile,
		clock: systemClock,
		version: VERSION,
		loadConfig: () => loadConfig(source),
		logWarning: () => logError,
	});
	const stop = (signal: NodeJS.Signals) => {
		logFile.log('info', `received ${signal}`);
		supervisor.stop();
	};
	process.on('SIGTERM', stop);
	process.on('SIGINT', stop);
	process.on('SIGHUP', () => void supervisor.reload());
	try {
		logFile.log('info', 'pairkeeper starts', {
			version: VERSION,
			pid: process.pid,
			config: config.path,
			statusFile: config.statusFile,
		});
		const end = await supervisor.run();
		logFile.log('info', 'pairkeeper has ended', {reason: end});
		return EXIT.ok;
	} finally {
		await logFile.close();
		lock.release();
	}
}

function reportHeld({statusFile, lockFile}: InstancePaths): number {
	const holder = holderOf(lockFile);
	process.stderr.write(
		`another pairkeeper${holder === null ? '' : ` (pid ${holder})`} holds ${statusFile}; stop it, or give this one a statusFile in a directory of its own\n`,
	);
	return EXIT.held;
}
