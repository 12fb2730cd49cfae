import {accessSync, constants} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {errnoInWords} from '../host/errno.ts';
import {assertOwnTemporary, defaultStatusFile} from '../instance/paths.ts';
import {ConfigError} from './config.ts';
import {valueIn} from './document.ts';

/** Where a command was told to look. */
export interface ConfigSource {
	/** `--config`. */
	readonly config?: string | undefined;
	/** `--status-file`. */
	readonly statusFile?: string | undefined;
	readonly environment: NodeJS.ProcessEnv;
}

/**
 * The configuration file: `--config`, else `$PAIRKEEPER_CONFIG`, else the first of the default places that has one. The working directory is
 * not one of them, since somebody else may have filled it. Throws a {@link ConfigError} where there is none.
 */
export function findConfig({config, environment}: ConfigSource): string {
	const named = config ?? (environment.PAIRKEEPER_CONFIG || undefined);
	const candidates = named === undefined ? defaultConfigs(environment) : [path.resolve(named)];
	for (const candidate of candidates) {
		try {
			accessSync(candidate, constants.R_OK);
			return candidate;
		} catch (error) {
			const {code} = error as NodeJS.ErrnoException;
			if (code !== 'ENOENT' && code !== 'ENOTDIR')
				throw new ConfigError(`${candidate}: cannot be read: ${errnoInWords(code)}`);
		}
	}
	throw new ConfigError(
		`there is no configuration at ${candidates.join(' or ')}; write one there, or name another with --config FILE`,
	);
}

/** Where a first configuration would go: the place that is named, else the first of the default ones. */
export function newConfigPath({config, environment}: ConfigSource): string {
	const named = config ?? (environment.PAIRKEEPER_CONFIG || undefined);
	const [first = ''] = defaultConfigs(environment);
	return named === undefined ? first : path.resolve(named);
}

/** Not a home directory's for root: under sudo, `HOME` may be that of whoever called it. */
function defaultConfigs(environment: NodeJS.ProcessEnv): string[] {
	// Relative ones are to be ignored (XDG Base Directory Specification): they would lead to the working directory.
	const {XDG_CONFIG_HOME: named = '', HOME: home = ''} = environment;
	const own = path.isAbsolute(named) ? named : path.join(path.isAbsolute(home) ? home : os.homedir(), '.config');
	const isRoot = process.getuid?.() === 0;
	return [...(isRoot ? [] : [path.join(own, 'pairkeeper', 'config.yaml')]), '/etc/pairkeeper/config.yaml'];
}

/** The status file: `--status-file`, else the one that the configuration names, else the default place. */
export function statusFileOf({statusFile, environment}: ConfigSource, configured: string | null): string {
	if (statusFile !== undefined) return path.resolve(statusFile);
	return configured ?? defaultStatusFile(environment);
}

/**
 * The status file, for commands that must work while the configuration is broken, unreadable or missing: nothing of it but `statusFile` is
 * looked at. Throws a {@link ConfigError} where `--config` names a file that cannot be read.
 */
export function findStatusFile(source: ConfigSource): string {
	if (source.statusFile !== undefined) return path.resolve(source.statusFile);
	const configured = configuredStatusFile(source);
	if (configured !== null) return configured;
	const file = defaultStatusFile(source.environment);
	assertOwnTemporary(path.dirname(file));
	return file;
}

function configuredStatusFile(source: ConfigSource): string | null {
	try {
		const statusFile = valueIn(findConfig(source), 'statusFile');
		return typeof statusFile === 'string' && path.isAbsolute(statusFile) ? statusFile : null;
	} catch (error) {
		// A file that was named and is not there is a mistake in the command line, not a broken configuration.
		if (source.config !== undefined && error instanceof ConfigError) throw error;
		return null;
	}
}

/**
 * The audit file, or `null` where the configuration names none; nothing else of it is looked at. Throws a {@link ConfigError} where there is no
 * configuration, or none that can be read.
 */
export function findAuditFile(source: ConfigSource): string | null {
	const auditFile = valueIn(findConfig(source), 'auditFile');
	return typeof auditFile === 'string' && path.isAbsolute(auditFile) ? auditFile : null;
}
