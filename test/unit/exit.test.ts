import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {expect, it} from 'vitest';

const exit = path.resolve(import.meta.dirname, '../../supervisor/host/exit.ts');

it.each([
	['at once', 'exitAtOnce(7)'],
	['when all else is done', 'process.exitCode = 7; exitDespiteHangingFiles()'],
])('a process ends %s, though the file system does not answer', (_, end) => {
	const folder = mkdtempSync(path.join(os.tmpdir(), 'exit-'));
	try {
		const pipe = path.join(folder, 'pipe');
		// Nobody ever writes to it, so opening it never ends.
		execFileSync('mkfifo', [pipe]);
		const script = `import {open} from 'node:fs'; import {exitAtOnce, exitDespiteHangingFiles} from '${exit}'; open('${pipe}', () => {}); ${end}`;
		const {status, signal, stderr} = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
			encoding: 'utf8',
			timeout: 30_000,
			killSignal: 'SIGKILL',
		});
		expect({status, signal, stderr}).toEqual({status: 7, signal: null, stderr: ''});
	} finally {
		rmSync(folder, {recursive: true});
	}
});
