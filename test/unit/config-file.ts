import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, expect} from 'vitest';
import {type Config, ConfigError} from '../../supervisor/config/config.ts';
import {loadConfig} from '../../supervisor/config/load.ts';

/** The directory of the test under way, and the configuration in it. */
export let folder: string;
export let file: string;

/** Gives each test of the file that calls this a directory of its own. */
export function useConfigFile(): void {
	beforeEach(() => {
		folder = mkdtempSync(path.join(os.tmpdir(), 'config-'));
		file = path.join(folder, 'config.yaml');
	});
	afterEach(() => {
		rmSync(folder, {recursive: true, force: true});
	});
}

export function write(text: string, mode = 0o600): void {
	writeFileSync(file, text);
	chmodSync(file, mode);
}

export function load(text: string, environment: NodeJS.ProcessEnv = {}): Config {
	write(text);
	return loadConfig({config: file, environment});
}

/** What is said of a configuration that cannot be used, with the file's name left out. */
export function problemsIn(text: string, environment: NodeJS.ProcessEnv = {}): string[] {
	try {
		load(text, environment);
	} catch (error) {
		expect(error).toBeInstanceOf(ConfigError);
		return (error as Error).message.split('\n').map(line => line.replaceAll(file, 'FILE'));
	}
	return [];
}
