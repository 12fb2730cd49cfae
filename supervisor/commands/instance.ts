import {existsSync} from 'node:fs';
import type {ConfigSource} from '../config/locate.ts';
import {findStatusFile} from '../config/locate.ts';
import {defaultStatusFile, InstancePathError, type InstancePaths, instancePaths} from '../instance/paths.ts';
import {hasEnded} from '../status/condition.ts';
import {isSupervisorAlive, readStatus} from '../status/reading.ts';

/** Where the supervisor of a whole host keeps its status, whoever asks. */
const SYSTEM_STATUS_FILE = '/run/pairkeeper/status.json';

/** The instance that a client is about. */
export interface FoundInstance {
	readonly paths: InstancePaths;
	/** Somebody supervises there, as far as can be seen; a supervisor alone approves. */
	readonly isLive: boolean;
	/** Where an instance of our own would be. */
	readonly own: InstancePaths;
}

/** The places where an instance may be that nobody has named. */
export interface DefaultPlaces {
	readonly own: string;
	readonly system: string;
}

/**
 * The one rule by which all clients find their instance: the one that was named; else one of our own user at the default place; else that of the host.
 * Throws a `ConfigError` where a named configuration cannot be read, and an {@link InstancePathError} where our own place is not safe.
 */
export function findInstance(
	source: ConfigSource,
	{own, system}: DefaultPlaces = {own: defaultStatusFile(source.environment), system: SYSTEM_STATUS_FILE},
): FoundInstance {
	const isSystemLive = system !== own && isLive(system);
	const file = statusFileIn(source, isSystemLive ? system : null);
	const found = (statusFile: string, live: boolean): FoundInstance => ({
		paths: instancePaths(statusFile),
		isLive: live,
		own: instancePaths(file),
	});
	const isNamed = source.statusFile !== undefined || file !== own;
	if (isNamed || own === system || isLive(own)) return found(file, isLive(file));
	if (isSystemLive) return found(system, true);
	// Nobody lives: shown is what there is to be shown.
	return found(existsSync(own) || !existsSync(system) ? own : system, false);
}

/** What is said where nobody answers. */
export function notRunningAt({controlSocket}: InstancePaths): string {
	return `pairkeeper is not running (nothing listens at ${controlSocket})`;
}

/** What is said where there is no status file. */
export function noStatusAt(statusFile: string): string {
	return `there is no status at ${statusFile}; is pairkeeper running? (pairkeeper run)`;
}

/** Where our own place is not safe, whoever made it so must not keep us from the host's instance. */
function statusFileIn(source: ConfigSource, instead: string | null): string {
	try {
		return findStatusFile(source);
	} catch (error) {
		if (instead === null || !(error instanceof InstancePathError)) throw error;
		return instead;
	}
}

/** What cannot be read may be that of somebody who lives. */
function isLive(statusFile: string): boolean {
	try {
		const status = readStatus(statusFile);
		return status !== null && !hasEnded(status) && isSupervisorAlive(status, Date.now());
	} catch {
		return true;
	}
}
