import {chmodSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {ConfigError} from '../../supervisor/config/config.ts';
import {loadConfig} from '../../supervisor/config/load.ts';
import {findStatusFile} from '../../supervisor/config/locate.ts';
import {file, folder, useConfigFile, write} from './config-file.ts';
import {HOUR} from './fixtures.ts';

useConfigFile();

describe('the file', () => {
	it('is refused when others could write it', () => {
		write('', 0o666);
		expect(() => loadConfig({config: file, environment: {}})).toThrow(/refused, since others could change it/);
	});

	it('is refused when others could replace it', () => {
		write('');
		chmodSync(folder, 0o777);
		expect(() => loadConfig({config: file, environment: {}})).toThrow(/refused, since others could change it/);
	});

	it('that is not there is said to be missing, and how to name another', () => {
		expect(() => loadConfig({config: file, environment: {}})).toThrow(/there is no configuration at .*--config FILE/);
		expect(() => loadConfig({environment: {PAIRKEEPER_CONFIG: file}})).toThrow(file);
	});

	it('that is a directory, or no text, is an error that names it', () => {
		expect(() => loadConfig({config: folder, environment: {}})).toThrow(ConfigError);
		write('\u0000\u0001');
		expect(() => loadConfig({config: file, environment: {}})).toThrow(ConfigError);
	});

	it('is named by --config before the environment', () => {
		write('deadline: 1h');
		expect(loadConfig({config: file, environment: {PAIRKEEPER_CONFIG: '/nowhere'}}).deadline).toBe(HOUR);
		expect(loadConfig({environment: {PAIRKEEPER_CONFIG: file}}).deadline).toBe(HOUR);
	});
});

describe('the status file', () => {
	it('is the one of the command line, else of the configuration', () => {
		write('statusFile: /srv/status.json');
		const source = {config: file, environment: {}};
		expect(loadConfig(source).statusFile).toBe('/srv/status.json');
		expect(loadConfig({...source, statusFile: '/other/status.json'}).statusFile).toBe('/other/status.json');
		expect(findStatusFile(source)).toBe('/srv/status.json');
	});

	it('is found while the configuration is broken', () => {
		write('statusFile: /srv/status.json\nrunTimeout: soon\nnonsense: [');
		expect(findStatusFile({config: file, environment: {}})).toBe('/srv/status.json');
	});

	it('is the default one where the configuration is missing or names none, unless a missing one was named', () => {
		const environment = {XDG_CONFIG_HOME: folder, XDG_RUNTIME_DIR: '/run/user/somebody', HOME: folder};
		const byDefault =
			process.getuid?.() === 0 ? '/run/pairkeeper/status.json' : '/run/user/somebody/pairkeeper/status.json';
		expect(findStatusFile({environment: {...environment, PAIRKEEPER_CONFIG: file}})).toBe(byDefault);
		expect(() => findStatusFile({config: file, environment})).toThrow(/there is no configuration at/);
		write('statusFile: relative.json');
		expect(findStatusFile({config: file, environment})).toBe(byDefault);
		expect(findStatusFile({config: '/nowhere', statusFile: '/other/status.json', environment})).toBe(
			'/other/status.json',
		);
	});
});
