import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import path from 'node:path';
import {assertAlone} from '../../host/foreign-mounts.ts';
import {assertTrusted} from '../../host/trusted-path.ts';
import type {SandboxTarget} from '../../protocol.ts';
import {messageOf, printable} from '../../text.ts';
import {configFile, hostEnvironment} from '../cli/command.ts';
import {type HostSettings, settingsIn, unfit} from './host-settings.ts';
import {listenerCheck} from './listener-check.ts';
import type {Route} from './route.ts';
import {connectTo} from './url-route.ts';

/** OpenClaw's own file is a few KiB; more is not read, in bytes. */
const MAX_CONFIG = 4 * 2 ** 20;

/** By the port and token in the `openclaw.json` that calls on this host would obey. Nothing is resolved, and no program run. */
export function hostRoute(target: SandboxTarget, passEnv: readonly string[]): Route {
	return {
		kind: 'host',
		warnings: [],
		open: async bounds => {
			const {port, token} = await readSettings(target, passEnv);
			const url = `ws://127.0.0.1:${port}`;
			const stream = await connectTo({url, fingerprint: null}, bounds);
			// Besides root and us there is nobody: the file that says so is ours or root's.
			return {stream, url, token, confirm: listenerCheck(stream, []) ?? undefined};
		},
	};
}

async function readSettings(target: SandboxTarget, passEnv: readonly string[]): Promise<HostSettings> {
	// It may name another gateway than the file does, and only a shell could tell.
	if (target.envFile !== null) throw unfit('is not all that counts, since there is an envFile');
	const file = configFile(target, passEnv);
	try {
		assertTrusted(file);
		assertAlone([path.dirname(file), file]);
	} catch (error) {
		throw unfit(`is not read: ${printable(messageOf(error), 300)}`, error);
	}
	return settingsIn(await parse(await readBounded(file)), hostEnvironment(target, passEnv));
}

async function readBounded(file: string): Promise<string> {
	// Without O_NONBLOCK a named pipe in its place would stop us for ever.
	const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
	try {
		await using handle = await open(file, flags);
		const stats = await handle.stat();
		if (!stats.isFile()) throw unfit(`is not a regular file (${printable(file)})`);
		if (stats.size > MAX_CONFIG) throw unfit('is larger than 4 MiB');
		return await handle.readFile('utf8');
	} catch (error) {
		const {code} = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		throw unfit(code === 'ENOENT' ? `does not exist (${printable(file)})` : `cannot be read (${code})`, error);
	}
}

/** What it is written in is JSON5; most of them are JSON, for which no parser has to be loaded. */
async function parse(text: string): Promise<unknown> {
	try {
		return JSON.parse(text);
	} catch {
		const {default: json5} = await import('json5');
		try {
			return json5.parse(text);
		} catch {
			// The parser's message would show what is in the file.
			throw unfit('is neither JSON nor JSON5');
		}
	}
}
