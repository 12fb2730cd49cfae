// Programs of a host that are not there: each is a piece of bash, and writes down how it was called.
import {chmod, readFile, rename, writeFile} from 'node:fs/promises';
import type {Instance} from './instance.ts';

/** Puts a program into the PATH of an instance, or another in its place. */
export async function standIn(instance: Instance, name: string, body: string): Promise<void> {
	const file = instance.path(`bin/${name}`);
	const record = `words=$*\nprintf '%s\\n' "\${words//$'\\n'/ }" >>'${instance.path(`${name}.calls`)}'`;
	await writeFile(`${file}.new`, `#!/bin/bash\n${record}\n${body}\n`);
	await chmod(`${file}.new`, 0o755);
	await rename(`${file}.new`, file);
}

/** The arguments of its calls so far, a line each. */
export async function callsOf(instance: Instance, name: string): Promise<string[]> {
	const text = await readFile(instance.path(`${name}.calls`), 'utf8').catch(() => '');
	return text.split('\n').filter(Boolean);
}
