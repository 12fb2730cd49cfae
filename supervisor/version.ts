import {readFileSync} from 'node:fs';

/** This package's version. Its package.json stands above `supervisor/`, and above `dist/supervisor/` where that is what runs. */
export const VERSION: string = JSON.parse(
	readFileSync(
		new URL(import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json', import.meta.url),
		'utf8',
	),
).version;
