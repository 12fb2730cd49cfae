import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {manPage} from '../../scripts/support/man-page.ts';
import {completionScript, SHELLS} from '../../supervisor/commands/completion.ts';
import {program} from '../../supervisor/main.ts';

const page = manPage(program(), {version: '1.2.3', files: [], environment: [{name: 'NO_COLOR', what: "'quoted'"}]});

/** The page without what roff reads and people do not. */
const words = page.replaceAll('\\-', '-').replaceAll('\\(dq', '"').replaceAll('\\e', '\\').replaceAll('\\&', '');

describe('--help and the manual page', () => {
	it.each(program().commands.map(command => [command.name(), command] as const))(
		'of %s name its exit codes, and the page all else that --help says',
		(_, command) => {
			let help = '';
			command.configureOutput({writeOut: text => (help += text)}).outputHelp();
			expect(help).toMatch(/^Exit codes: 0 /m);
			expect(Math.max(...help.split('\n').map(({length}) => length))).toBeLessThanOrEqual(80);
			const remarks = help.slice(command.helpInformation().length).trim().split('\n');
			for (const line of remarks) expect(words.split('\n')).toContain(line);
			for (const {long, hidden} of command.options) if (long && !hidden) expect(words).toContain(long);
		},
	);

	it('hide what is not for people', () => {
		expect(words).not.toContain('--sandboxes');
	});
});

const hasGroff = spawnSync('groff', ['--version']).status === 0;

it.skipIf(!hasGroff)('the manual page is one that groff finds no fault with', () => {
	const {status, stderr} = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], {input: page, encoding: 'utf8'});
	expect({status, stderr}).toEqual({status: 0, stderr: ''});
});

const there = SHELLS.filter(shell => spawnSync(shell, ['--version']).status === 0);

it.each(there)('the completion for %s is one that it can read', shell => {
	const file = join(mkdtempSync(join(tmpdir(), 'completion-')), 'pairkeeper');
	writeFileSync(file, completionScript(shell, program()));
	const {status, stderr} = spawnSync(shell, ['-n', file], {encoding: 'utf8'});
	rmSync(dirname(file), {recursive: true});
	expect({status, stderr}).toEqual({status: 0, stderr: ''});
});
