import {readFileSync} from 'node:fs';

/** Whether these very sources run, and not what is built from them. */
const IS_SOURCE = import.meta.url.endsWith('.ts');

/** Where this package begins: its package.json stands above `supervisor/`, and above `dist/supervisor/` where that is what runs. */
const ROOT = new URL(IS_SOURCE ? '../' : '../../', import.meta.url);

/** Where the program begins: `supervisor/` as it is read or as it is built. */
export const PROGRAM_ROOT = new URL(IS_SOURCE ? 'supervisor/' : 'dist/supervisor/', ROOT);

/** This package's version. */
export const VERSION: string = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')).version;
