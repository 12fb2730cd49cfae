import {closeSync, constants, fstatSync, openSync, readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import JSON5 from 'json5';
import {assertAlone} from '../../host/foreign-mounts.ts';
import {assertTrusted, assertTrustedProgram} from '../../host/trusted-path.ts';
import {assertProgram} from '../../host/trusted-program.ts';
import {isRecord} from '../../json.ts';
import type {SandboxTarget} from '../../protocol.ts';
import {obeyedFiles} from './command.ts';

/**
 * Directories of a state directory that hold code: plugins and what they are installed with, hooks, skills, tools (docs/cli/plugins,
 * docs/automation/hooks). What stands right in them is a package or a program each.
 */
const CODE = ['extensions', 'plugins', 'npm', 'git', 'node_modules', 'hooks', 'skills', 'tools', 'bin'];

/** Those that hold what OpenClaw acts by: identities, tokens, allowed programs (docs/reference/database-schemas). */
const STATE = ['state', 'credentials', 'devices', 'identity', 'agents'];

/** More than these are not looked at in one directory of code. */
const MAX_ENTRIES = 1000;

/** Includes may be nested ten deep (docs/gateway/configuration/common-tasks.md); more files than these no configuration has. */
const MAX_INCLUDES = 64;

/** The largest configuration that is looked into, in bytes. */
const MAX_CONFIGURATION = 2 ** 20;

/** The most values of one that are looked at. */
const MAX_VALUES = 50_000;

/**
 * Throws where anybody but root and us could change what a call obeys: the program that is run, and for a call on the host all files and directories from
 * which OpenClaw takes code, or is told of programs.
 */
export function assertObeyed(target: SandboxTarget, passEnv: readonly string[]): void {
	const [prefix] = target.exec;
	if (prefix !== undefined) {
		assertProgram(prefix);
		return;
	}
	const files = obeyedFiles(target, passEnv);
	for (const file of files) assertTrusted(file);
	const [main = ''] = files;
	for (const name of STATE) assertTrusted(path.join(path.dirname(main), name));
	for (const name of CODE) assertCode(path.join(path.dirname(main), name));
	assertAlone([path.dirname(main), ...files]);
	const home = target.env.HOME ?? process.env.HOME ?? '/';
	assertNamed(
		files.filter(file => file.endsWith('.json')),
		home,
	);
	if (target.openclaw !== null) assertProgram(target.openclaw);
}

function assertCode(directory: string): void {
	assertTrustedProgram(directory);
	for (const name of entriesOf(directory).slice(0, MAX_ENTRIES)) assertTrustedProgram(path.join(directory, name));
}

function entriesOf(directory: string): readonly string[] {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}

/** What these configurations name, and what those name in turn: `$include` and `plugins.load.paths`. */
function assertNamed(configurations: readonly string[], home: string): void {
	const pending = [...configurations];
	for (let looked = 0; pending.length > 0; looked++) {
		const file = pending.shift() ?? '';
		if (looked >= MAX_INCLUDES) throw new Error(`${configurations[0]} includes more than ${MAX_INCLUDES} files`);
		const {includes, code} = namedIn(readConfiguration(file));
		const named = [...includes, ...code].map(each => pathFrom(each, file, home));
		for (const each of named) assertTrusted(each);
		assertAlone(named);
		pending.push(...includes.map(each => pathFrom(each, file, home)));
	}
}

interface Named {
	readonly includes: readonly string[];
	/** Files and directories that are loaded as code. */
	readonly code: readonly string[];
}

/** The paths that a configuration names, or a part of one that is a file of its own. */
export function namedIn(configuration: unknown): Named {
	const includes: string[] = [];
	const code: string[] = [];
	const pending = [configuration];
	for (let looked = 0; pending.length > 0 && looked < MAX_VALUES; looked++) {
		const value = pending.pop();
		if (Array.isArray(value)) pending.push(...value.slice(0, MAX_VALUES));
		else if (isRecord(value)) {
			includes.push(...stringsIn(value.$include));
			if (isRecord(value.load)) code.push(...stringsIn(value.load.paths));
			pending.push(...Object.values(value));
		}
	}
	return {includes, code};
}

function stringsIn(value: unknown): string[] {
	return [value].flat().filter(each => typeof each === 'string');
}

function pathFrom(named: string, file: string, home: string): string {
	return path.resolve(path.dirname(file), named.replace(/^~(?=\/|$)/, home));
}

/** A configuration that is not there, or that cannot be read, names nothing: OpenClaw will say the same of it. */
function readConfiguration(file: string): unknown {
	let descriptor: number;
	try {
		descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	} catch {
		return null;
	}
	try {
		const stats = fstatSync(descriptor);
		if (!stats.isFile()) return null;
		if (stats.size > MAX_CONFIGURATION)
			throw new Error(`${file} is larger than ${MAX_CONFIGURATION / 2 ** 20} MiB, and is not looked into`);
		return parse(readFileSync(descriptor, 'utf8'));
	} finally {
		closeSync(descriptor);
	}
}

function parse(text: string): unknown {
	try {
		return JSON5.parse(text);
	} catch {
		return null;
	}
}
