import {chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {UntrustedPathError} from '../../worker/host/trusted-path.ts';
import type {SandboxTarget} from '../../worker/protocol.ts';
import {assertObeyed, namedIn} from '../../worker/transport/cli/obeyed.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'obeyed-'));
	mkdirSync(at('state'), {mode: 0o700});
	put('openclaw', '', 0o755);
});
afterEach(() => rmSync(folder, {recursive: true, force: true}));

const at = (name: string) => path.join(folder, name);

function put(name: string, text: string, mode = 0o600): string {
	mkdirSync(path.dirname(at(name)), {recursive: true, mode: 0o700});
	writeFileSync(at(name), text);
	chmodSync(at(name), mode);
	return at(name);
}

function check(change: Partial<SandboxTarget> = {}): void {
	const env = {OPENCLAW_STATE_DIR: at('state'), HOME: folder};
	assertObeyed({exec: [], env, envFile: null, approveUnset: [], openclaw: at('openclaw'), ...change}, []);
}

describe('a call on the host', () => {
	it('is made where only we can change what it obeys', () => {
		put(
			'state/openclaw.json',
			`{plugins: {$include: './plugins.json5', load: {paths: ['~/plugin']}}, x: ['$include']} // JSON5`,
		);
		put('state/plugins.json5', '{}');
		put('plugin/index.js', '');
		put('state/extensions/one/index.js', '');
		put('state/credentials/x', '');
		expect(() => check()).not.toThrow();
		put('state/openclaw.json', 'this is nothing');
		expect(() => check()).not.toThrow();
	});

	it.each(['extensions', 'hooks', 'skills', 'state', 'credentials', 'devices', 'npm'])(
		'is refused while others can write %s in the state directory',
		name => {
			put(`state/${name}/x`, '');
			chmodSync(at(`state/${name}`), 0o777);
			expect(() => check()).toThrow(`chmod go-w ${at(`state/${name}`)}`);
		},
	);

	it('is refused while others can write what stands in a directory of code, or where a link there leads', () => {
		put('state/extensions/one/index.js', '');
		chmodSync(at('state/extensions/one'), 0o777);
		expect(() => check()).toThrow(at('state/extensions/one'));
		chmodSync(at('state/extensions/one'), 0o700);
		put('elsewhere/index.js', '');
		chmodSync(at('elsewhere'), 0o777);
		symlinkSync(at('elsewhere'), at('state/extensions/two'));
		expect(() => check()).toThrow(at('elsewhere'));
	});

	it.each([
		['an include', `{a: {$include: '../shared/x.json'}}`],
		['one among several', `{a: {b: [{$include: ['./none.json', '../shared/x.json']}]}}`],
		['one by its whole path', '{a: {$include: "FOLDER/shared/x.json"}}'],
		['one in the home directory', '{a: {$include: "~/shared/x.json"}}'],
		['one in another one', `{$include: './inner.json'}`],
		['a plugin’s path', `{plugins: {load: {paths: ['../shared']}}}`],
		['a plugin’s path in an include', `{plugins: {$include: './plugins.json'}}`],
	])('is refused while others can write %s', (_, text) => {
		put('state/openclaw.json', text.replace('FOLDER', folder));
		put('state/inner.json', `{b: {$include: "../shared/x.json"}}`);
		put('state/plugins.json', `{load: {paths: ["../shared"]}}`);
		put('shared/x.json', '{}');
		expect(() => check()).not.toThrow();
		chmodSync(at('shared'), 0o777);
		expect(() => check()).toThrow(`${at('shared')} can be written by other users`);
	});

	it('is refused where includes have no end', () => {
		put('state/openclaw.json', `{$include: './openclaw.json', a: {$include: './openclaw.json'}}`);
		expect(() => check()).toThrow(/includes more than 64 files/);
	});

	it('is refused while others can exchange openclaw, also where a link leads to it', () => {
		put('lib/openclaw.mjs', '', 0o755);
		rmSync(at('openclaw'));
		symlinkSync('lib/openclaw.mjs', at('openclaw'));
		expect(() => check()).not.toThrow();
		chmodSync(at('lib'), 0o777);
		expect(() => check()).toThrow(UntrustedPathError);
	});
});

describe('a call behind a prefix', () => {
	it('is refused while others can exchange the prefix, and asks nothing else of the host', () => {
		chmodSync(at('state'), 0o777);
		const enter = put('bin/enter', '', 0o755);
		expect(() => check({exec: [enter, 'alpha'], openclaw: null})).not.toThrow();
		expect(() => check({exec: ['env', 'alpha'], openclaw: null})).not.toThrow();
		chmodSync(at('bin'), 0o777);
		expect(() => check({exec: [enter, 'alpha'], openclaw: null})).toThrow(`chmod go-w ${at('bin')}`);
	});
});

it('what a configuration names is found wherever it stands, and nothing else is taken for it', () => {
	const none = {includes: [], code: []};
	for (const value of [null, 1, 'x', [], {$include: 1}, {load: 'x'}, {load: {paths: {}}}])
		expect(namedIn(value)).toEqual(none);
	expect(namedIn({a: [{$include: ['b', 1, 'c']}], load: {paths: ['d']}})).toEqual({includes: ['b', 'c'], code: ['d']});
});
