import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {jsonObjectsIn, parseBounded} from '../../worker/json.ts';
import {readApproval, readListing, readRequest} from '../../worker/requests/listing.ts';
import {isRequestId} from '../../worker/requests/request.ts';
import {entryOf, listingOf} from './fixtures.ts';

const objectsIn = (text: string) => [...jsonObjectsIn(text)];
const listing = {pending: [entryOf()], paired: []};

describe('the answer in what openclaw prints', () => {
	it.each([
		['alone', (json: string) => json],
		['after warnings', (json: string) => `(node:1) Warning: {this is no JSON}\nplugin x failed [oops\n${json}`],
		['after JSON log lines', (json: string) => `{"level":"warn","msg":"{"}\n{"level":"info"}\n${json}`],
		['after an unclosed brace', (json: string) => `{ starting\n${json}`],
		['after an unclosed quote', (json: string) => `{ "starting\n${json}`],
		['before more output', (json: string) => `${json}\nbye }`],
		['indented, with carriage returns', (json: string) => `warning\r\n  ${json}\r\n`],
	])('is found %s', (_, around) => {
		for (const json of [JSON.stringify(listing), JSON.stringify(listing, null, 2)]) {
			expect(objectsIn(around(json))).toContainEqual(listing);
		}
	});

	it.each(['', '\n', 'null', '[]', '[{"a":1}]', '{', '}', '{"a":', 'openclaw: command not found', '\u0000\u001b[2J'])(
		'is not there in %j',
		text => {
			expect(objectsIn(text)).toEqual([]);
		},
	);

	it('is not looked for inside another object', () => {
		expect(objectsIn('{"log":\n{"pending":[]}\n}')).toEqual([{log: {pending: []}}]);
	});

	it('is read up to its bound of nesting, and no deeper', () => {
		const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
		expect(objectsIn(nested(32))).toHaveLength(1);
		expect(objectsIn(nested(33))).toEqual([]);
		expect(objectsIn(nested(100_000))).toEqual([]);
		expect(objectsIn(`{"pending":${'['.repeat(100_000)}`)).toEqual([]);
		expect(parseBounded('['.repeat(100_000))).toBeUndefined();
	});

	it('costs no more than its length, however it is made', () => {
		const size = 4 * 2 ** 20;
		for (const text of ['\r', '\n', ' ', '\t', '\u2028', '{\n', ' \r', '{"', '"{'].map(piece =>
			piece.repeat(size / piece.length),
		)) {
			expect(objectsIn(text)).toEqual([]);
		}
	}, 30_000);

	it('is never a reason to throw, whatever is printed', () => {
		fc.assert(
			fc.property(fc.string({unit: 'binary', maxLength: 200}), text => {
				for (const value of objectsIn(text)) readListing(value);
			}),
		);
		const bracket = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '\n', ' ', 'a', '1');
		fc.assert(
			fc.property(fc.array(bracket, {maxLength: 200}), pieces => {
				for (const value of objectsIn(pieces.join(''))) readListing(value);
			}),
			{numRuns: 500},
		);
	}, 30_000);

	it('is found behind any JSON log lines, as long as they are not too many', () => {
		fc.assert(
			fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue({maxDepth: 3})), {maxLength: 20}), logs => {
				const text = [...logs, listing].map(value => JSON.stringify(value)).join('\n');
				expect(objectsIn(text).at(-1)).toEqual(listing);
			}),
		);
	});
});

describe('a listing', () => {
	it('is anything with lists of what is pending or paired', () => {
		const nothing = {pending: [], paired: [], ignored: 0, ignoredPaired: 0};
		expect(readListing({pending: []})).toEqual(nothing);
		expect(readListing({paired: []})).toEqual(nothing);
	});

	it.each([
		null,
		[],
		'pending',
		7,
		{},
		{pending: null},
		{pending: {}, paired: []},
		{pending: [], paired: 'none'},
		{ok: false, error: {}},
	])('is not %j', value => {
		expect(readListing(value)).toBeNull();
	});

	it('never throws and never gives an entry an id that OpenClaw could misread, whatever it holds', () => {
		const field = fc.oneof(fc.string({unit: 'binary'}), fc.jsonValue(), fc.constant('r1'));
		const entry = fc.oneof(
			fc.jsonValue(),
			fc.record(
				{requestId: field, deviceId: field, clientId: field, roles: field, scopes: field, ts: field},
				{requiredKeys: []},
			),
		);
		fc.assert(
			fc.property(fc.array(entry), fc.array(entry), (pending, paired) => {
				const read = readListing({pending, paired});
				expect(read).not.toBeNull();
				for (const {requestId} of read?.pending ?? []) {
					if (requestId !== null) expect(requestId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/);
				}
			}),
			{numRuns: 500},
		);
	});

	it('names every entry by a key of its own, so that none hides another', () => {
		fc.assert(
			fc.property(fc.array(fc.jsonValue()), pending => {
				const keys = listingOf(pending).pending.map(entry => (entry.kind === 'request' ? entry.requestId : entry.key));
				expect(new Set(keys).size).toBe(keys.length);
			}),
		);
	});

	it('looks at a bounded number of entries and says how many it did not look at', () => {
		const pending = Array.from({length: 300}, (_, index) => entryOf({requestId: `r${index}`}));
		const read = listingOf(pending);
		expect(read.pending).toHaveLength(256);
		expect(read.ignored).toBe(44);
		const paired = Array.from({length: 5000}, (_, index) => ({deviceId: `d${index}`}));
		expect(listingOf([], paired).paired).toHaveLength(4096);
	});

	it('takes a device only with an id, and its scopes only as a list of strings', () => {
		const paired = [
			{deviceId: 'a', scopes: ['operator.read']},
			{deviceId: 'b', scopes: 'all'},
			{deviceId: 7},
			null,
			'x',
		];
		expect(listingOf([], paired).paired).toEqual([
			{deviceId: 'a', publicKey: null, scopes: ['operator.read'], tokens: []},
			{deviceId: 'b', publicKey: null, scopes: [], tokens: [], isUnreadable: true},
		]);
	});

	it('cannot say what a device has of which more is listed than any has, in one entry or in many', () => {
		const scopes = (from: number, count: number) => Array.from({length: count}, (_, index) => `scope-${from + index}`);
		const tokens = [{role: 'operator', scopes: scopes(0, 56)}];
		const paired = [
			{deviceId: 'a', scopes: scopes(0, 200), tokens},
			{deviceId: 'b', scopes: scopes(0, 201), tokens},
			{deviceId: 'c', scopes: scopes(0, 128)},
			{deviceId: 'c', scopes: scopes(128, 129)},
		];
		const read = listingOf([], paired).paired;
		expect(read.map(({isUnreadable}) => isUnreadable === true)).toEqual([false, true, true, true]);
		expect(read.slice(1).flatMap(each => [...each.scopes, ...each.tokens])).toEqual([]);
	});
});

describe('a request id', () => {
	it.each([
		'--url=ws://x',
		'-h',
		'--',
		'',
		' r1',
		'r1 ',
		'r1 r2',
		'r1\n',
		'r1\u0000',
		'\u001b[2J',
		'../r1',
		'$(id)',
		'r1;id',
		'r\u00e91',
		'r1\u202e',
		'.r1',
		':r1',
		'a'.repeat(129),
		7,
		null,
		['r1'],
	])('is not %j', id => {
		expect(isRequestId(id)).toBe(false);
		const read = readRequest(entryOf({requestId: id}));
		expect(read).toMatchObject({kind: 'malformed', requestId: null});
	});

	it.each(['8ff6e828-1', 'r1', 'A.b_c:d-e', 'a'.repeat(128), 'constructor', '1'])('may be %j', id => {
		expect(readRequest(entryOf({requestId: id}))).toMatchObject({kind: 'request', requestId: id});
	});

	it('that cannot be used still stands for its entry, without a control character', () => {
		const read = readRequest(entryOf({requestId: '\u001b]0;x\u0007'}));
		expect(read.kind === 'malformed' && read.key).toMatch(/^\?[^\p{Cc}]+#[0-9a-f]{12}$/u);
	});
});

describe('two entries under one id', () => {
	it('are one request when they are the same', () => {
		expect(listingOf([entryOf(), entryOf()]).pending).toEqual([readRequest(entryOf())]);
	});

	it('are not trusted, and not named to OpenClaw, when they differ', () => {
		const entries = [entryOf(), entryOf({scopes: ['operator.admin']})];
		for (const pending of [entries, entries.toReversed(), [...entries, ...entries], [...entries, entryOf({ts: 3})]]) {
			expect(listingOf(pending).pending).toEqual([expect.objectContaining({kind: 'malformed', requestId: null})]);
		}
	});

	it('keep their key when they are listed in another order', () => {
		const entries = [entryOf(), entryOf({scopes: ['operator.admin']})];
		const keyIn = (pending: readonly unknown[]) => listingOf(pending).pending.map(entry => 'key' in entry && entry.key);
		expect(keyIn(entries)).toEqual(keyIn(entries.toReversed()));
	});

	it('are not trusted when one of them is malformed', () => {
		const pending = [entryOf(), entryOf({scopes: 'operator.write'})];
		expect(listingOf(pending).pending).toEqual([expect.objectContaining({kind: 'malformed', requestId: null})]);
	});

	it('do not take the entries beside them along', () => {
		const pending = [entryOf(), entryOf({requestId: 'r2'}), entryOf({role: 'node'})];
		expect(listingOf(pending).pending.map(({kind, requestId}) => [kind, requestId])).toEqual([
			['malformed', null],
			['request', 'r2'],
		]);
	});
});

describe('a field of a request', () => {
	it('that is too long or a list that is too long is malformed', () => {
		expect(readRequest(entryOf({clientId: 'x'.repeat(129)})).kind).toBe('malformed');
		expect(readRequest(entryOf({scopes: ['x'.repeat(129)]})).kind).toBe('malformed');
		expect(readRequest(entryOf({scopes: Array(33).fill('operator.read')})).kind).toBe('malformed');
		expect(readRequest(entryOf({scopes: Array(32).fill('operator.read')})).kind).toBe('request');
	});

	it('that says when it was created is only a number', () => {
		expect(readRequest(entryOf({ts: 5}))).toMatchObject({ts: 5});
		for (const ts of ['5', null, Number.POSITIVE_INFINITY, Number.NaN, {}]) {
			expect(readRequest(entryOf({ts}))).toMatchObject({kind: 'request', ts: null});
		}
	});
});

describe('an answer to approve', () => {
	it('names a device and its scopes, or does not', () => {
		const device = {deviceId: 'd', scopes: ['a'], approvedScopes: ['b']};
		expect(readApproval({device})).toEqual({deviceId: 'd', scopes: ['a', 'b']});
		expect(readApproval({device: {deviceId: 'd'}})).toEqual({deviceId: 'd', scopes: null});
		for (const value of [undefined, null, {}, {device: {}}])
			expect(readApproval(value)).toEqual({deviceId: null, scopes: null});
	});

	it('names what its live tokens have too', () => {
		const tokens = [
			{role: 'operator', scopes: ['b']},
			{role: 'node', scopes: ['c'], revokedAtMs: 7},
		];
		expect(readApproval({device: {scopes: ['a'], tokens}}).scopes).toEqual(['a', 'b']);
	});

	it.each([
		[[]],
		['ok'],
		[{device: null}],
		[{device: []}],
		[{device: {deviceId: 7}}],
		[{device: {deviceId: 'd'.repeat(129)}}],
		[{device: {scopes: 'a'}}],
		[{device: {scopes: null}}],
		[{device: {scopes: Array.from({length: 33}, () => 'a')}}],
		[{device: {scopes: ['a'.repeat(129)]}}],
		[{device: {scopes: [], approvedScopes: [7]}}],
		[{device: {scopes: [], tokens: {}}}],
		[{device: {scopes: [], tokens: [{role: 'operator', scopes: 'all'}]}}],
	])('that is %j cannot be read', value => {
		expect(readApproval(value)).toEqual({deviceId: null, scopes: null, isUnreadable: true});
	});
});
