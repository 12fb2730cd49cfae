import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {mayHold, withoutSecrets} from '../../worker/without-secrets.ts';

const SECRET = 'a-"secret"-of-\\-some-length';

describe('what a gateway says, without a secret', () => {
	it('has it in no text and in no key, however deep, and all else as it was', () => {
		const said = {[`${SECRET}!`]: 1, list: [`a ${SECRET}, ${SECRET}`, 'b', null, true], deep: [{a: [SECRET]}]};
		expect(withoutSecrets(said, ['another-secret-of-some-length', SECRET])).toEqual({
			'[redacted]!': 1,
			list: ['a [redacted], [redacted]', 'b', null, true],
			deep: [{a: ['[redacted]']}],
		});
	});

	it.each([
		['as it has to be', JSON.stringify(SECRET)],
		[
			'by numbers',
			`"${Array.from(SECRET, each => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`,
		],
	])('does not have it where JSON spells it %s', (_, json) => {
		expect(mayHold(json, [SECRET])).toBe(true);
		expect(withoutSecrets(JSON.parse(json), [SECRET])).toBe('[redacted]');
	});

	it('is the value itself, where there is nothing to replace', () => {
		fc.assert(
			fc.property(fc.jsonValue({maxDepth: 8}), value => {
				expect(withoutSecrets(value, [SECRET])).toBe(value);
				expect(withoutSecrets(value, [])).toBe(value);
			}),
		);
	});

	it('need not be looked through where the JSON has neither the secret nor a backslash', () => {
		expect(mayHold('{"a":"plain-secret-of-some-length"}', ['plain-secret-of-some-length'])).toBe(true);
		expect(mayHold('{"a":"b"}', [SECRET])).toBe(false);
	});

	it('holds on to what a short secret may be part of', () => {
		const said = {clientId: 'cli'};
		expect(withoutSecrets(said, ['cli', ''])).toBe(said);
	});

	it('keeps a key that means something to JavaScript what it is', () => {
		const clean = withoutSecrets(JSON.parse(`{"__proto__":{"a":1},"b":${JSON.stringify(SECRET)}}`), [SECRET]);
		expect(JSON.stringify(clean)).toBe('{"__proto__":{"a":1},"b":"[redacted]"}');
		expect(Object.getPrototypeOf(clean)).toBe(Object.prototype);
	});

	it('ends where it is nested deeper than anything that is read', () => {
		const nested = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
		expect(JSON.stringify(withoutSecrets(nested, [SECRET]))).toBe(`${'['.repeat(32)}null${']'.repeat(32)}`);
	});
});
