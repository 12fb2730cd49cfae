// Writes beside the code what is made from it: JSON Schemas, the manual page, the completions. Run by build.sh.
import {mkdir, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {completionScript, SHELLS} from '../supervisor/commands/completion.ts';
import {configJsonSchema} from '../supervisor/config/schema.ts';
import {program} from '../supervisor/main.ts';
import {statusJsonSchema} from '../supervisor/status/schema.ts';
import {VERSION} from '../supervisor/version.ts';
import {manPage} from './support/man-page.ts';

const dist = path.resolve(import.meta.dirname, '../dist');

const page = manPage(program(), {
	version: VERSION,
	files: [
		{path: '/etc/pairkeeper/config.yaml', what: 'the configuration; its keys are in "pairkeeper schema config"'},
		{path: '~/.config/pairkeeper/config.yaml', what: 'that of another user than root, where there is one'},
		{path: '/run/pairkeeper/status.json', what: 'the status, of root\'s instance; "pairkeeper schema status"'},
		{path: '$XDG_RUNTIME_DIR/pairkeeper/status.json', what: "that of another user's instance"},
	],
	environment: [
		{name: 'PAIRKEEPER_CONFIG', what: 'the configuration, where --config does not name it'},
		{name: 'OPENCLAW_BIN', what: 'goes over "openclaw" of the configuration'},
		{name: 'NO_COLOR', what: 'no colours, on a terminal neither'},
		{
			name: 'NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID',
			what: 'whom "run" tells how it is, see sd_notify(3); nothing that it starts gets them',
		},
	],
});
await mkdir(path.join(dist, 'man'), {recursive: true});
await mkdir(path.join(dist, 'completion'), {recursive: true});
await writeFile(path.join(dist, 'man/pairkeeper.1'), page);
for (const shell of SHELLS)
	await writeFile(path.join(dist, `completion/pairkeeper.${shell}`), completionScript(shell, program()));
for (const [name, schema] of [
	['config', configJsonSchema()],
	['status', statusJsonSchema()],
] as const)
	await writeFile(path.join(dist, `${name}.schema.json`), `${JSON.stringify(schema, null, '\t')}\n`);
