import {chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {assertTrusted, assertTrustedProgram, UntrustedPathError} from '../../worker/host/trusted-path.ts';

const isRoot = process.getuid?.() === 0;
const us = process.getuid?.() ?? 0;
const stranger = 54_321;

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'trusted-path-'));
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

function file(name: string, mode = 0o600): string {
	const full = path.join(folder, name);
	mkdirSync(path.dirname(full), {recursive: true, mode: 0o700});
	writeFileSync(full, '');
	chmodSync(full, mode);
	return full;
}

describe('a path is trusted', () => {
	it('when only we and root can change what stands there', () => {
		expect(() => assertTrusted(file('a/b/c', 0o644))).not.toThrow();
		expect(() => assertTrusted('/')).not.toThrow();
	});

	it('when it does not exist, in a directory that only we can write', () => {
		expect(() => assertTrusted(path.join(folder, 'not/there'))).not.toThrow();
	});

	it('through links of ours, absolute and relative, to what is trusted', () => {
		const target = file('real/config');
		symlinkSync(target, path.join(folder, 'absolute'));
		symlinkSync('real/../real/config', path.join(folder, 'relative'));
		for (const name of ['absolute', 'relative']) expect(() => assertTrusted(path.join(folder, name))).not.toThrow();
	});

	it.runIf(isRoot)('when it is ours, whoever we are', () => {
		const full = file('config');
		for (const each of [folder, full]) chownSync(each, stranger, stranger);
		expect(() => assertTrusted(full, stranger)).not.toThrow();
	});
});

describe('a path is not trusted', () => {
	const reasonFor = (full: string, uid = us) => {
		try {
			assertTrusted(full, uid);
		} catch (error) {
			expect(error).toBeInstanceOf(UntrustedPathError);
			return (error as Error).message;
		}
		return null;
	};

	it.each([0o620, 0o602, 0o666])('when others may write the file (%o), and says how to mend it', mode => {
		const full = file('config', mode);
		expect(reasonFor(full)).toBe(`${full} can be written by other users; fix: chmod go-w ${full}`);
	});

	it.each([0o770, 0o707, 0o777])('when others may write a parent (%o)', mode => {
		const full = file('parent/config');
		chmodSync(path.join(folder, 'parent'), mode);
		expect(reasonFor(full)).toContain(`${path.join(folder, 'parent')} can be written`);
		expect(reasonFor(path.join(folder, 'parent/not-there'))).toContain('can be written');
	});

	it('when a link leads to what is not', () => {
		const full = file('open/config', 0o666);
		symlinkSync('open', path.join(folder, 'link'));
		expect(reasonFor(path.join(folder, 'link/config'))).toContain(full);
	});

	it('when links lead nowhere but to each other', () => {
		symlinkSync('b', path.join(folder, 'a'));
		symlinkSync('a', path.join(folder, 'b'));
		expect(reasonFor(path.join(folder, 'a'))).toContain('too many symbolic links');
	});

	it.runIf(isRoot)('when somebody else owns the file, a parent, or a link on the way', () => {
		const full = file('sub/config');
		chownSync(full, stranger, stranger);
		expect(reasonFor(full)).toContain(`belongs to user ${stranger}`);
		chownSync(full, us, 0);
		chownSync(path.join(folder, 'sub'), stranger, stranger);
		expect(reasonFor(full)).toContain(`${path.join(folder, 'sub')} belongs to user ${stranger}`);
		const link = path.join(folder, 'link');
		symlinkSync(file('mine'), link);
		lchownSync(link, stranger, stranger);
		expect(reasonFor(link)).toContain('is a link that belongs to user');
	});

	it.runIf(isRoot)('in a sticky directory of somebody else, but in one of root', () => {
		const full = file('shared/config');
		const shared = path.join(folder, 'shared');
		chmodSync(shared, 0o1777);
		expect(reasonFor(full)).toBeNull();
		chownSync(shared, stranger, stranger);
		chownSync(folder, stranger, stranger);
		expect(reasonFor(full, stranger)).toContain('can be written');
	});

	it.runIf(isRoot)('right below a sticky directory, where it does not exist and anybody could make it', () => {
		const shared = path.join(folder, 'shared');
		mkdirSync(shared);
		chmodSync(shared, 0o1777);
		expect(() => assertTrusted(path.join(shared, 'state', 'openclaw.json'))).toThrow(UntrustedPathError);
		mkdirSync(path.join(shared, 'state'), {mode: 0o700});
		expect(() => assertTrusted(path.join(shared, 'state', 'openclaw.json'))).not.toThrow();
	});

	it('and what the system made for all is not to be changed for our sake', () => {
		for (const shared of ['/tmp', '/var/tmp']) {
			const reason = reasonFor(shared);
			expect(reason).toMatch(
				/can be written by other users; .*configure a place in a directory that only you can write/,
			);
			expect(reason).not.toContain('chmod');
		}
	});

	it.runIf(isRoot)('and what is somebody else’s is not to be given away, but by root', () => {
		const full = file('config');
		expect(reasonFor(full, stranger)).toBeNull();
		for (const each of [folder, full]) chownSync(each, 7, 7);
		expect(reasonFor(full, stranger)).toMatch(
			/belongs to user 7, who could change it; use one that is yours or root's/,
		);
		expect(reasonFor(full)).toContain(`make it yours: chown 0 ${folder}`);
	});

	it.runIf(isRoot)('as a sticky directory itself', () => {
		const shared = path.join(folder, 'shared');
		mkdirSync(shared);
		chmodSync(shared, 0o1777);
		expect(reasonFor(shared)).toContain('can be written');
	});
});

describe('a program', () => {
	it.runIf(isRoot)('may stand where its owner’s own group can write, and nobody else’s', () => {
		const full = file('bin/openclaw', 0o775);
		const bin = path.dirname(full);
		chmodSync(bin, 0o775);
		for (const each of [folder, bin, full]) chownSync(each, stranger, stranger);
		expect(() => assertTrustedProgram(full, stranger)).not.toThrow();
		expect(() => assertTrusted(full, stranger)).toThrow(UntrustedPathError);
		chownSync(bin, stranger, 7);
		expect(() => assertTrustedProgram(full, stranger)).toThrow(`${bin} can be written`);
		chownSync(bin, stranger, stranger);
		chmodSync(bin, 0o777);
		expect(() => assertTrustedProgram(full, stranger)).toThrow(`${bin} can be written`);
	});
});

it('what is missing where anybody may create files is to be made with the mode that fits: a file, or a directory on the way', () => {
	expect(() => assertTrusted('/tmp/no-such-pairkeeper.jsonl')).toThrow('with mode 0600');
	expect(() => assertTrusted('/tmp/no-such-pairkeeper/audit.jsonl')).toThrow('with mode 0700');
});
