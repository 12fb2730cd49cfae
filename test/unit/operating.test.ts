import {readFileSync} from 'node:fs';
import path from 'node:path';
import {describe, expect, it} from 'vitest';
import {type SourceText, textsIn, textsInSource} from '../support/messages.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** Texts that are neither warning nor error nor a person's mistake: all of a file, or those that begin so. */
const OTHER_TEXTS: Readonly<Record<string, 'all' | readonly string[]>> = {
	// Screens, tables and lines that say how things are.
	'supervisor/commands/check.ts': ['…: the configuration is fine', 'see below', 'install it'],
	'supervisor/commands/decide.ts': ['Approve this?'],
	'supervisor/commands/exit-codes.ts': 'all',
	'supervisor/commands/init-text.ts': 'all',
	'supervisor/commands/init.ts': ['pairkeeper init --write', 'written to'],
	'supervisor/commands/pending-text.ts': 'all',
	'supervisor/commands/sandbox-text.ts': 'all',
	'supervisor/commands/sandbox-view.ts': 'all',
	'supervisor/commands/status-table.ts': [
		...['no sandbox is watched', '… idle', 'last seen', 'openclaw calls', 'deadline reached', 'gone (was'],
		...['LAST', 'not yet', 'not by the gateway', 'and … more remarks', 'share … of', 'not read yet'],
	],
	'supervisor/commands/watch-view.ts': 'all',
	'supervisor/control/answers.ts': ['… of … asked to poll now', '… more are not shown'],
	'supervisor/records.ts': ['no scopes'],
	'supervisor/sandbox/pass-text.ts': ['nothing pending'],
	'supervisor/start-text.ts': 'all',
	'supervisor/status/health.ts': ['last seen', '… of … sandboxes healthy'],
	'supervisor/supervision.ts': ['configuration reloaded'],
	// Remedies, which say themselves what to do.
	'supervisor/commands/remedies.ts': 'all',
	// What a message of the configuration says of a value or a place.
	'supervisor/config/discover-schema.ts': ['nemoclaw, openclaw-fleet'],
	'supervisor/config/environment.ts': ['a '],
	'supervisor/config/issues.ts': ['at the top', 'to the '],
	'supervisor/config/known.ts': ['a client'],
	'supervisor/config/schema.ts': ['[', '1 to 63', 'an IP address'],
	'supervisor/config/shard.ts': ['an instance'],
	'supervisor/config/sources.ts': ['kubernetes, namespace'],
	'supervisor/config/targets.ts': ['not set'],
	'supervisor/config/words.ts': ['a ', 'an ', 'at ', 'true or false', 'what stands there', 'something else'],
	'supervisor/config/yaml-mistakes.ts': ['the keys beside it', '… on line'],
	'worker/requests/listing.ts': ['array of'],
	// What ends an errand of our own; what ps shows.
	'worker/main.ts': ['pairkeeper: '],
	'supervisor/discovery/rounds.ts': ['not wanted any more'],
	// What programs read: metrics' help, headers, C.
	'supervisor/http/answers.ts': ['text/', 'application/json'],
	'supervisor/http/event-streams.ts': ['event: '],
	'supervisor/http/page.ts': ['img-src'],
	'supervisor/monitoring/catalog.ts': 'all',
	'supervisor/service/datagrams.ts': ['int socket', 'long sendto'],
	// Programs for a shell.
	'supervisor/commands/completion.ts': 'all',
	'worker/transport/cli/command.ts': 'all',
	'worker/transport/cli/lifeline.ts': 'all',
};

/** The messages of the document: all that stands as code in the first cell of a table's row. */
function documented(): readonly string[] {
	const lines = readFileSync(path.join(root, 'supervisor/operating.md'), 'utf8').split('\n');
	const cells = lines.filter(line => line.startsWith('| `')).map(line => line.split(' | ')[0] ?? '');
	return cells.flatMap(cell => [...cell.matchAll(/`([^`]+)`/g)].map(([, message = '']) => message));
}

/** Without what differs each time at its beginning, since a message may be part of a longer one. */
function withoutLead(text: string): string {
	return text.replace(/^[…\s:;,]+/, '');
}

/** How a documented message begins. */
function headOf(message: string): string {
	return withoutLead(message).replace(/[…\s]+$/, '');
}

function isOther({file, text}: SourceText): boolean {
	const others = OTHER_TEXTS[file] ?? [];
	return others === 'all' || others.some(other => text.startsWith(other));
}

const texts = textsInSource();
const messages = texts.filter(text => !isOther(text));
const heads = documented().map(headOf);

/** Whether a documented message, by its head, is this one. Two words begin many messages: they must be all there is before something is filled in. */
function begins(text: string, head: string): boolean {
	const said = withoutLead(text);
	if (!said.startsWith(head)) return false;
	const isShort = head.split(/\s+/).length < 3;
	return !isShort || /^\W*(…|$)/.test(said.slice(head.length));
}

it('every message has an entry in operating.md, as the beginning of it', () => {
	const missing = messages.filter(({text}) => !heads.some(head => begins(text, head)));
	expect(missing.map(({file, line, text}) => `${file}:${line}: ${text}`)).toEqual([]);
});

it('operating.md has no entry for what is never said, and none so short that it means anything', () => {
	expect(heads.filter(head => !messages.some(({text}) => begins(text, head)))).toEqual([]);
	expect(heads.filter(head => !/\w\W+\w/.test(head))).toEqual([]);
});

it('what is left out is still there', () => {
	const stale = Object.entries(OTHER_TEXTS).flatMap(([file, others]) =>
		(others === 'all' ? [''] : others)
			.filter(other => !texts.some(text => text.file === file && text.text.startsWith(other)))
			.map(other => `${file}: ${other}`),
	);
	expect(stale).toEqual([]);
});

describe('messages are found', () => {
	const found = (source: string) => textsIn('a.ts', source).map(({text}) => text);

	it.each([
		[`throw new ConfigError(\`\${file} cannot be read: \${why as string}\`);`, ['… cannot be read: …']],
		[`const text = isNew ? 'it is new here' : \`\${age} days old\`;`, ['it is new here', '… days old']],
		["log('error', 'the disk is full');", ['the disk is full']],
		["log(isBad ? 'warn' : 'info', 'the disk is full');", ['the disk is full']],
	])('in %s', (source, texts) => {
		expect(found(source)).toEqual(texts);
	});

	it.each([
		"log('info', 'all is well');",
		"program.option('--json', 'print it as JSON');",
		"const hint = '; did you mean this?';",
		"const schema = z.string(wanted('a text, such as alpha'));",
		"throw new TypeError('our own mistake');",
		"import {a} from './some file.ts';",
	])('and not in %s', source => {
		expect(found(source)).toEqual([]);
	});
});
