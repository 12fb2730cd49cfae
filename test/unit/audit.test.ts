import {execFileSync, spawnSync} from 'node:child_process';
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {Audit} from '../../supervisor/audit/audit.ts';
import {AuditFile} from '../../supervisor/audit/file.ts';
import {Journal} from '../../supervisor/audit/journal.ts';
import {type AuditLine, emptyEntry, openIntents, textOf} from '../../supervisor/audit/line.ts';
import {parseLines, readLines} from '../../supervisor/audit/reading.ts';
import {AuditWriter, type AuditWriterDeps} from '../../supervisor/audit/writer.ts';
import {systemClock} from '../../worker/clock.ts';
import type {Subject} from '../../worker/protocol.ts';
import {HOUR, SECOND, SimulatedClock, subjectOf as subject} from './fixtures.ts';

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(os.tmpdir(), 'audit-'));
	file = path.join(folder, 'audit.jsonl');
});
afterEach(() => {
	rmSync(folder, {recursive: true, force: true});
});

const log = () => {};
const lines = (): AuditLine[] =>
	readFileSync(file, 'utf8')
		.split('\n')
		.slice(0, -1)
		.map(line => JSON.parse(line));
const brief = ({phase, action, result, requestId}: AuditLine) => `${phase} ${action} ${result} ${requestId}`;

function subjectOf(requestId: string): Subject {
	return {action: 'approve', ...subject(requestId)};
}

const done = (requestId: string) => ({...subjectOf(requestId), result: 'done' as const, latencyMs: 7, error: null});
const failed = (requestId: string) => ({
	...subjectOf(requestId),
	result: 'failed' as const,
	latencyMs: null,
	error: 'no',
});
const refusal = (requestId: string) => ({...subjectOf(requestId), reason: 'unknown-client'});

const line = (requestId: string, change: Partial<AuditLine> = {}): AuditLine => ({
	...emptyEntry,
	time: '2026-01-01T00:00:00.000Z',
	sandbox: 'alpha',
	action: 'approve',
	requestId,
	...change,
});

async function started(auditFailure: 'continue' | 'stop' = 'continue'): Promise<Audit> {
	const audit = new Audit({clock: systemClock, log});
	await audit.start({auditFile: file, auditFailure, runTimeout: 10 * SECOND});
	return audit;
}

describe('the audit file', () => {
	it('has one intent, on disk before the answer, and one outcome for each approval, with the documented keys', async () => {
		const audit = await started();
		expect(await audit.intent('alpha', subjectOf('r1'), 'allowed')).toBeNull();
		expect(lines().map(brief)).toEqual(['intent approve null r1']);
		audit.outcome('alpha', done('r1'));
		await audit.close();
		expect(lines().map(brief)).toEqual(['intent approve null r1', 'outcome approve done r1']);
		const keys =
			'time sandbox phase action result reason by requestId deviceId clientId clientMode role scopes transport latencyMs error';
		expect(Object.keys(lines()[0] ?? {}).join(' ')).toBe(keys);
		expect(lines()[1]).toMatchObject({sandbox: 'alpha', by: 'policy', reason: 'allowed', latencyMs: 7, error: null});
		expect(statSync(file).mode & 0o777).toBe(0o600);
	});

	it('has mode 0600 whatever it had', async () => {
		writeFileSync(file, '', {mode: 0o644});
		await (await started()).close();
		expect(statSync(file).mode & 0o777).toBe(0o600);
	});

	it('is refused where it is a link, a named pipe, or in a directory that others may write', async () => {
		writeFileSync(path.join(folder, 'other'), '');
		symlinkSync(path.join(folder, 'other'), file);
		await expect(AuditFile.open(file)).rejects.toThrow(/is a link/);
		rmSync(file);
		execFileSync('mkfifo', ['-m', '600', file]);
		await expect(AuditFile.open(file)).rejects.toThrow(/not a regular file/);
		rmSync(file);
		chmodSync(folder, 0o777);
		await expect(AuditFile.open(file)).rejects.toThrow(/anybody could create it|chmod go-w/);
	});

	it('goes on after half a line that a killed process left, which stays a line of its own', async () => {
		writeFileSync(file, `${textOf(line('r0'))}{"time":"20`, {mode: 0o600});
		const audit = await started();
		await audit.intent('alpha', subjectOf('r1'), 'allowed');
		await audit.close();
		const read = await all(readLines(file));
		expect(read.map(each => each?.requestId)).toEqual(['r0', undefined, 'r1', 'r1']);
	});

	it('is made anew where somebody has removed it, and opened anew when asked, as logrotate does', async () => {
		const audit = await started();
		await audit.intent('alpha', subjectOf('r1'), 'allowed');
		rmSync(file);
		await audit.intent('alpha', subjectOf('r2'), 'allowed');
		expect(lines().map(brief)).toEqual(['intent approve null r2']);
		renameSync(file, `${file}.1`);
		await audit.reopen();
		audit.outcome('alpha', done('r2'));
		await audit.close();
		expect(lines().map(brief)[0]).toBe('outcome approve done r2');
		expect(audit.warnings).toEqual([]);
	});

	it('that cannot be opened anew is a warning, and the old one takes the lines', async () => {
		const audit = await started('stop');
		renameSync(file, `${file}.1`);
		mkdirSync(file);
		await audit.reopen();
		expect(audit.warnings).toEqual([expect.stringMatching(/cannot be opened anew/)]);
		expect(await audit.intent('alpha', subjectOf('r1'), 'allowed')).toBeNull();
		expect(readFileSync(`${file}.1`, 'utf8')).toContain('"r1"');
		await audit.close();
	});

	it('that the configuration names no more ends what is begun, and says that this is why', async () => {
		const audit = await started();
		await audit.intent('alpha', subjectOf('r1'), 'allowed');
		await audit.adopt({auditFile: null, auditFailure: 'continue', runTimeout: 10 * SECOND});
		expect(lines().map(brief)).toEqual(['intent approve null r1', 'outcome approve failed r1']);
		expect(lines()[1]?.error).toMatch(/configuration/);
	});

	it('ends what a killed predecessor began, once', async () => {
		const left = [
			line('r1', {phase: 'intent'}),
			line('r2', {phase: 'intent'}),
			line('r2', {result: 'done'}),
			line('r3', {phase: 'intent'}),
		];
		writeFileSync(file, left.map(textOf).join(''), {mode: 0o600});
		await (await started()).close();
		await (await started()).close();
		expect(
			lines()
				.filter(({phase}) => phase === 'outcome')
				.map(brief),
		).toEqual(['outcome approve done r2', 'outcome approve failed r1', 'outcome approve failed r3']);
	});
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const found: T[] = [];
	for await (const item of items) found.push(item);
	return found;
}

/** A file in memory, which is full or hangs when told. */
class FakeFile {
	text = '';
	problem: Error | null = null;
	hang: Promise<void> | null = null;
	readonly open: NonNullable<AuditWriterDeps['open']> = async () => ({
		append: async text => {
			await this.hang;
			if (this.problem) throw this.problem;
			this.text += text;
		},
		sync: async () => {},
		tail: async () => [],
		exists: async () => true,
		close: async () => {},
	});
	get briefs(): string[] {
		return this.text
			.split('\n')
			.slice(0, -1)
			.map(text => brief(JSON.parse(text)));
	}
}

function journalOn(fake: FakeFile, auditFailure: 'continue' | 'stop', clock = new SimulatedClock()) {
	const writer = new AuditWriter('/audit', {auditFailure, runTimeout: 10 * SECOND}, {clock, log, open: fake.open});
	return {writer, clock, journal: new Journal({writer, clock})};
}

describe('a disk that is full', () => {
	it('stops approving with `stop`, and lets it go on when there is room', async () => {
		const fake = new FakeFile();
		const {writer, journal} = journalOn(fake, 'stop');
		fake.problem = new Error('ENOSPC');
		expect(await journal.intent('alpha', subjectOf('r1'), 'allowed')).toMatch(/cannot be recorded.*ENOSPC/);
		expect(writer.warnings).toEqual([expect.stringMatching(/nothing is approved.*ENOSPC/)]);
		// The worker says that it did not go on.
		journal.outcome('alpha', failed('r1'));
		fake.problem = null;
		expect(await journal.intent('alpha', subjectOf('r1'), 'allowed')).toBeNull();
		journal.outcome('alpha', done('r1'));
		await writer.close();
		expect(fake.briefs).toEqual(['intent approve null r1', 'outcome approve done r1']);
		expect(writer.warnings).toEqual([]);
	});

	it('does not stop it with `continue`, and gets the lines when there is room, in their order', async () => {
		const fake = new FakeFile();
		const {writer, journal, clock} = journalOn(fake, 'continue');
		fake.problem = new Error('ENOSPC');
		expect(await journal.intent('alpha', subjectOf('r1'), 'allowed')).toBeNull();
		journal.outcome('alpha', done('r1'));
		expect(writer.warnings).toEqual([expect.stringMatching(/approving goes on.*ENOSPC/)]);
		fake.problem = null;
		await clock.sleep(5 * SECOND);
		expect(fake.briefs).toEqual(['intent approve null r1', 'outcome approve done r1']);
		expect(writer.warnings).toEqual([]);
	});

	it('loses refusals before anything else where too much waits', async () => {
		const fake = new FakeFile();
		const {writer, journal} = journalOn(fake, 'continue');
		fake.problem = new Error('ENOSPC');
		await journal.intent('alpha', subjectOf('r1'), 'allowed');
		journal.outcome('alpha', done('r1'));
		for (let index = 0; index < 10_100; index++) writer.add(line(`x${index}`, {action: 'refuse'}));
		expect(writer.warnings).toContainEqual(expect.stringMatching(/100 lines are lost/));
		fake.problem = null;
		await writer.close();
		expect(fake.briefs.slice(0, 2)).toEqual(['intent approve null r1', 'outcome approve done r1']);
	});
});

/** Whether we may mount a file system. */
function mounts(action: 'mount' | 'umount', where: string): boolean {
	const args = action === 'mount' ? ['-t', 'tmpfs', '-o', 'size=8k,mode=700', 'tmpfs', where] : [where];
	return spawnSync(action, args).status === 0;
}

it('a line for which a real disk has no room leaves no half behind, and comes when there is some', async context => {
	const small = path.join(folder, 'small');
	mkdirSync(small);
	if (!mounts('mount', small)) return context.skip();
	try {
		file = path.join(small, 'audit.jsonl');
		const filler = path.join(small, 'filler');
		writeFileSync(filler, 'x'.repeat(4096));
		const audit = await started('stop');
		let error: string | null = null;
		for (let index = 0; error === null && index < 100; index++)
			error = await audit.intent('alpha', subjectOf(`r${index}`), 'allowed');
		expect(error).toMatch(/ENOSPC/);
		const written = lines().length;
		expect(written).toBeGreaterThan(3);
		expect(audit.warnings).toEqual([expect.stringMatching(/nothing is approved.*ENOSPC/)]);
		rmSync(filler);
		expect(await audit.intent('alpha', subjectOf('last'), 'allowed')).toBeNull();
		expect(lines()).toHaveLength(written + 1);
		expect(audit.warnings).toEqual([]);
		await audit.close();
	} finally {
		mounts('umount', small);
	}
});

describe('a disk that hangs', () => {
	it.each(['continue', 'stop'] as const)('holds an approval up for two seconds at most, with %s', async onFailure => {
		const fake = new FakeFile();
		const {writer, journal, clock} = journalOn(fake, onFailure);
		const {promise, resolve} = Promise.withResolvers<void>();
		fake.hang = promise;
		const asked = journal.intent('alpha', subjectOf('r1'), 'allowed');
		await clock.sleep(2 * SECOND);
		if (onFailure === 'continue') expect(await asked).toBeNull();
		else expect(await asked).toMatch(/cannot be recorded/);
		if (onFailure === 'continue') journal.outcome('alpha', done('r1'));
		resolve();
		await writer.close();
		const result = onFailure === 'continue' ? 'done' : 'failed';
		expect(fake.briefs).toEqual(['intent approve null r1', `outcome approve ${result} r1`]);
	});

	/** A disk for each path; the first one takes what it is given, and does not answer. */
	function hungAndSound() {
		const disks = {'/hung': new FakeFile(), '/sound': new FakeFile()};
		const {promise, resolve} = Promise.withResolvers<void>();
		disks['/hung'].hang = promise;
		const clock = new SimulatedClock();
		const config = {auditFailure: 'stop', runTimeout: 10 * SECOND} as const;
		const open: NonNullable<AuditWriterDeps['open']> = path => disks[path as keyof typeof disks].open(path);
		const writer = new AuditWriter('/hung', config, {clock, log, open});
		return {disks, answer: resolve, writer, journal: new Journal({writer, clock}), clock, config};
	}

	it('is left for the file that a reload names, and nothing stands in both', async () => {
		const {disks, answer, writer, journal, clock, config} = hungAndSound();
		const asked = journal.intent('alpha', subjectOf('r1'), 'allowed');
		await clock.sleep(2 * SECOND);
		expect(await asked).toMatch(/cannot be recorded/);
		expect(writer.warnings).toEqual([expect.stringMatching(/nothing is approved.*hung did not take a line/)]);
		await writer.reopen('/sound', config);
		expect(writer.warnings).toEqual([expect.stringMatching(/1 lines were given to \/hung, .* may be missing there/)]);
		expect(await journal.intent('alpha', subjectOf('r2'), 'allowed')).toBeNull();
		journal.outcome('alpha', done('r2'));
		answer();
		await vi.waitUntil(() => writer.warnings.length === 0);
		await writer.close();
		expect(disks['/hung'].briefs).toEqual(['intent approve null r1']);
		expect(disks['/sound'].briefs).toEqual([
			'outcome approve failed r1',
			'intent approve null r2',
			'outcome approve done r2',
		]);
	});

	it('that refuses in the end what it was given, loses nothing: that comes late, and is no new beginning', async () => {
		const {disks, answer, writer, journal, clock, config} = hungAndSound();
		void journal.intent('alpha', subjectOf('r1'), 'allowed');
		await clock.sleep(2 * SECOND);
		await writer.reopen('/sound', config);
		disks['/hung'].problem = new Error('EIO');
		answer();
		await vi.waitUntil(() => disks['/sound'].briefs.length === 2);
		await writer.close();
		expect(writer.warnings).toEqual([]);
		expect(disks['/hung'].briefs).toEqual([]);
		expect(disks['/sound'].briefs).toEqual(['outcome approve failed r1', 'intent approve null r1']);
		expect(openIntents(parseLines(disks['/sound'].text))).toEqual([]);
	});

	it('says at the end how many lines it has not answered for', async () => {
		const {writer, journal, clock} = hungAndSound();
		void journal.intent('alpha', subjectOf('r1'), 'allowed');
		const closed = writer.close();
		await clock.sleep(2 * SECOND);
		await closed;
		expect(writer.warnings).toContainEqual(expect.stringMatching(/1 lines were given to \/hung/));
	});

	it('does not hold up a reload for longer than two seconds, nor is it opened more than twice at once', async () => {
		const clock = new SimulatedClock();
		const config = {auditFailure: 'continue', runTimeout: 10 * SECOND} as const;
		const open = vi.fn(() => new Promise<never>(() => {}));
		const writer = new AuditWriter('/hung', config, {clock, log, open});
		for (let time = 0; time < 4; time++)
			await expect(writer.reopen('/hung', config)).rejects.toThrow(/not be opened within 2 s|does not answer/);
		expect(open).toHaveBeenCalledTimes(2);
	});

	it('does not hold up the end', async () => {
		const fake = new FakeFile();
		const {writer, journal, clock} = journalOn(fake, 'continue');
		fake.hang = new Promise(() => {});
		void journal.intent('alpha', subjectOf('r1'), 'allowed');
		const closed = writer.close();
		await clock.sleep(2 * SECOND);
		await closed;
	});
});

describe('a file that takes long to be opened', () => {
	/** Files that are opened as soon as `opens` says, and what was written to each. */
	function slowFiles(opens: readonly Promise<void>[]) {
		const files: {readonly path: string; text: string; isClosed: boolean}[] = [];
		let count = 0;
		const open: NonNullable<AuditWriterDeps['open']> = async path => {
			await opens[count++];
			const file = {path, text: '', isClosed: false};
			files.push(file);
			return {
				append: async text => {
					file.text += text;
				},
				sync: async () => {},
				tail: async () => [],
				exists: async () => true,
				close: async () => {
					file.isClosed = true;
				},
			};
		};
		return {files, open};
	}
	const config = {auditFailure: 'continue', runTimeout: 10 * SECOND} as const;

	it('at the start, and comes when another was opened in its place, is closed', async () => {
		const first = Promise.withResolvers<void>();
		const {files, open} = slowFiles([first.promise]);
		const writer = new AuditWriter('/audit', config, {clock: new SimulatedClock(), log, open});
		expect(await writer.start()).toEqual([]);
		await writer.record(line('r1'));
		first.resolve();
		await vi.waitUntil(() => files.length === 2);
		await writer.record(line('r2'));
		expect(files.map(({isClosed}) => isClosed)).toEqual([false, true]);
		expect(files[0]?.text).toMatch(/r1.*r2/s);
		await writer.close();
	});

	it('does not take the place of the one that a reload names meanwhile', async () => {
		const first = Promise.withResolvers<void>();
		const {files, open} = slowFiles([first.promise]);
		const clock = new SimulatedClock();
		const writer = new AuditWriter('/audit', config, {clock, log, open});
		writer.add(line('r1'));
		await writer.reopen('/other', config);
		first.resolve();
		await vi.waitUntil(() => files.length === 2);
		await writer.record(line('r2'));
		await writer.close();
		expect(files).toMatchObject([
			{path: '/other', text: expect.stringMatching(/r1.*r2/s)},
			{path: '/audit', text: '', isClosed: true},
		]);
	});
});

describe('a journal', () => {
	it('gives what a worker left when it died one outcome, and what is granted after all another', async () => {
		const fake = new FakeFile();
		const {writer, journal} = journalOn(fake, 'continue');
		await journal.intent('alpha', subjectOf('r1'), 'allowed');
		await journal.intent('beta', subjectOf('r1'), 'allowed');
		journal.gone('alpha');
		journal.gone('alpha');
		journal.outcome('alpha', failed('r1'));
		journal.outcome('alpha', done('r1'));
		await writer.close();
		expect(fake.briefs).toEqual([
			'intent approve null r1',
			'intent approve null r1',
			'outcome approve failed r1',
			'outcome approve done r1',
		]);
	});

	it('writes 60 refusals of a sandbox in an hour, then counts, and never an approval less', async () => {
		const fake = new FakeFile();
		const {writer, journal, clock} = journalOn(fake, 'continue');
		for (let index = 0; index < 200; index++) journal.refusal('alpha', refusal(`x${index}`));
		journal.refusal('beta', refusal('b'));
		await journal.intent('alpha', subjectOf('r1'), 'allowed');
		journal.outcome('alpha', done('r1'));
		await clock.sleep(HOUR);
		journal.tick();
		journal.refusal('alpha', refusal('y'));
		await writer.close();
		const refused = fake.text.split('\n').filter(text => text.includes('"refuse"'));
		expect(refused).toHaveLength(63);
		expect(refused.at(-2)).toMatch(/140 more refusals/);
		expect(fake.briefs).toContain('outcome approve done r1');
	});
});

describe('reading', () => {
	it('passes over what is no line, however long, and leaves half a line at the end out', async () => {
		writeFileSync(file, textOf(line('r1')));
		appendFileSync(
			file,
			`${'x'.repeat(300_000)}\n[1]\n{"time":7}\n${textOf(line('r2'))}${textOf(line('r3')).slice(0, 40)}`,
		);
		const read = await all(readLines(file));
		expect(read.map(each => each?.requestId ?? null)).toEqual(['r1', null, null, null, 'r2']);
	});
});
