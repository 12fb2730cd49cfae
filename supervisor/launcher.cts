#!/usr/bin/env node
// Loads nothing and uses no new syntax before it knows that Node is new enough to run the rest.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 19)) {
	process.stderr.write(
		`pairkeeper needs Node 22.19 or newer, and this is Node ${process.versions.node} (${process.execPath}).\n` +
			'Install a newer one (https://nodejs.org), or put it first in PATH; with npm: npm install --global node@24\n',
	);
	process.exitCode = 1;
} else {
	// Young objects keep the room that V8 begins with, 2 MiB where 32 may be: what is published again and again is soon collected.
	// Set from within, since whoever starts us says no options; V8 reads this one whenever it would grow that room (src/heap/new-spaces.cc).
	require('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
	// Node would start its debugger on SIGUSR1, for whoever may send it.
	process.on('SIGUSR1', () => {});
	import('./main.ts')
		.then(main => main.main(process.argv))
		.catch(error => {
			process.stderr.write(`pairkeeper: ${error instanceof Error ? error.stack : error}\n`);
			process.exitCode = 1;
		});
}
