import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {messageOf, printable, printableList, redact} from '../../worker/text.ts';

describe('foreign text made printable', () => {
	it.each([
		['\u001b]0;title\u0007', '\ufffd]0;title\ufffd'],
		['a\u001b[2Jb', 'a\ufffd[2Jb'],
		['one\r\ntwo\tthree', 'one two three'],
		['\u009b31m', '\ufffd31m'],
		['user\u202etxt.exe', 'user\ufffdtxt.exe'],
		['zero\u200bwidth', 'zero\ufffdwidth'],
		['tag\u{e0041}', 'tag\ufffd'],
		['\ud800lone', '\ufffdlone'],
		['gr\u00fc\u00dfe \u65e5\u672c \u{1f600}', 'gr\u00fc\u00dfe \u65e5\u672c \u{1f600}'],
	])('of %j is %j', (text, shown) => {
		expect(printable(text)).toBe(shown);
	});

	it('is one line of at most so many characters, without controls, whatever it was', () => {
		fc.assert(
			fc.property(fc.string({unit: 'binary', maxLength: 2000}), fc.integer({min: 1, max: 300}), (text, length) => {
				const shown = printable(text, length);
				expect(shown.length).toBeLessThanOrEqual(length);
				expect(shown).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
				expect(shown.isWellFormed()).toBe(true);
			}),
			{numRuns: 500},
		);
	}, 30_000);

	it('is not cut in the middle of a character', () => {
		expect(printable('\u{1f600}'.repeat(10), 6).isWellFormed()).toBe(true);
	});

	it('says that it was cut', () => {
		expect(printable('x'.repeat(300))).toBe(`${'x'.repeat(199)}\u2026`);
		expect(printable(`${' '.repeat(5000)}x`)).toBe('\u2026');
		expect(printable('x'.repeat(200))).toBe('x'.repeat(200));
	});

	it('of a list is a short list', () => {
		expect(printableList(null)).toEqual([]);
		const list = printableList(Array(100).fill('x'.repeat(100)));
		expect(list).toHaveLength(16);
		expect(list[0]).toHaveLength(64);
	});
});

describe('a credential', () => {
	it.each([
		'token=abcdef123456',
		'Authorization: abcdef123456',
		'authorization: Bearer abcdef123456',
		'{"token":"abcdef123456"}',
		"password = 'abcdef123456'",
		'--token abcdef123456',
		'api_key:abcdef123456',
		'ws://127.0.0.1:1/?token=abcdef123456&x=1',
	])('does not show in %j', text => {
		expect(redact(text)).not.toContain('abcdef123456');
	});

	it('that is known shows nowhere', () => {
		expect(redact('gateway said s3cr3t!, s3cr3t!', ['s3cr3t!'])).toBe('gateway said [redacted], [redacted]');
	});

	it('that is known does not show as JSON spells it either', () => {
		const secret = 'a-"quoted"-\\-one';
		expect(redact(`bad frame: ${JSON.stringify({auth: secret})}`, [secret])).toBe('bad frame: {"auth":"[redacted]"}');
	});

	it('that is known may hold anything, and an empty one replaces nothing', () => {
		expect(redact('a $& b .* c', ['$& b', '.* c', ''])).toBe('a [redacted] [redacted]');
	});

	it('is looked for in a time that grows no faster than the text', () => {
		for (const piece of ['token ', 'token', 'token=', ' ', 'bearer\t']) redact(piece.repeat(2 ** 20 / piece.length));
	});
});

describe('the message of an error', () => {
	it('holds those of its causes, once', () => {
		const cause = new Error('disk full');
		expect(messageOf(new Error('cannot write', {cause}))).toBe('cannot write: disk full');
		expect(messageOf(new Error('cannot write: disk full', {cause}))).toBe('cannot write: disk full');
	});

	it('is there for whatever was thrown', () => {
		expect(messageOf('text')).toBe('text');
		expect(messageOf(undefined)).toBe('undefined');
		expect(messageOf(new AggregateError([new Error('a'), new Error('a'), new Error('b')]))).toBe('a; b');
	});
});
