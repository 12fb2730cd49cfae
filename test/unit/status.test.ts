import {describe, expect, it} from 'vitest';
import {statusTable} from '../../supervisor/commands/status-table.ts';
import {describePass} from '../../supervisor/sandbox/pass-text.ts';
import {healthOf} from '../../supervisor/status/health.ts';
import {type SandboxStatus, type Status, statusSchema, totalsOf} from '../../supervisor/status/schema.ts';
import {isoTime} from '../../worker/clock.ts';
import {HOUR, MINUTE, SECOND} from './fixtures.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const ago = (ms: number) => isoTime(now - ms);

function sandboxOf(change: Partial<SandboxStatus> = {}): SandboxStatus {
	return {
		state: 'running',
		healthy: true,
		starting: false,
		pid: 2,
		mode: 'slow',
		interval: 30,
		transport: 'cli',
		route: null,
		transportReason: null,
		restarts: 0,
		crashLooping: false,
		lastExit: null,
		startedAt: ago(HOUR),
		lastHeartbeatAt: ago(SECOND),
		lastListAt: ago(SECOND),
		nextPollAt: ago(-SECOND),
		failures: 0,
		lastError: null,
		warnings: [],
		pending: 0,
		approved: 1,
		refused: 0,
		lastApproval: null,
		lastRefusal: null,
		...change,
	};
}

function statusOf(
	sandboxes: Readonly<Record<string, SandboxStatus>> = {alpha: sandboxOf()},
	supervisor: Partial<Status['supervisor']> = {},
): Status {
	return statusSchema.parse({
		schema: 1,
		supervisor: {
			pid: 1,
			version: '1.0.0',
			host: 'h',
			state: 'running',
			startedAt: ago(HOUR),
			updatedAt: ago(SECOND),
			deadlineAt: ago(-HOUR),
			config: {path: '/c', generation: 1, loadedAt: ago(HOUR), error: null},
			calls: {running: 0, waiting: 0, limit: 2},
			warnings: [],
			...supervisor,
		},
		totals: totalsOf(sandboxes),
		sandboxes,
	});
}

describe('health', () => {
	const judge = (status: Status, {isAlive = true, maxAge = 15 * SECOND} = {}) =>
		healthOf(status, {isAlive, now, maxAge});
	const well = sandboxOf();
	const ill = sandboxOf({healthy: false, lastError: 'no answer'});

	it('is ok when all is well', () => {
		expect(judge(statusOf())).toEqual({
			level: 'ok',
			text: '1 of 1 sandboxes healthy, 1 approved, 0 refused, 0 restarts',
		});
	});

	it('does not mind sandboxes that are disabled, nor a host without any', () => {
		expect(judge(statusOf({alpha: well, beta: sandboxOf({state: 'idle', healthy: false})})).level).toBe('ok');
		expect(judge(statusOf({})).level).toBe('ok');
	});

	it.each<[string, Status]>([
		['a sandbox is unhealthy', statusOf({alpha: well, beta: ill})],
		['a worker is crash looping', statusOf({alpha: sandboxOf({crashLooping: true})})],
		['a sandbox warns, of a stretched interval or an alarm', statusOf({alpha: sandboxOf({warnings: ['odd']})})],
		['the supervisor warns', statusOf({alpha: well}, {warnings: ['the log cannot be written']})],
		['a configuration was refused', statusOf({alpha: well}, {config: {...statusOf().supervisor.config, error: 'bad'}})],
		['the supervisor is starting', statusOf({alpha: well}, {state: 'starting'})],
		['the supervisor is stopping', statusOf({alpha: well}, {state: 'stopping'})],
	])('is degraded when %s', (_, status) => {
		expect(judge(status).level).toBe('degraded');
	});

	it.each<[string, Status, {isAlive?: boolean; maxAge?: number}]>([
		['no supervisor lives', statusOf(), {isAlive: false}],
		['the status is too old', statusOf({alpha: well}, {updatedAt: ago(16 * SECOND)}), {}],
		['nobody can tell how old the status is', statusOf({alpha: well}, {updatedAt: 'yesterday'}), {}],
		['the supervisor was stopped', statusOf({alpha: well}, {state: 'stopped'}), {}],
		['the deadline was reached', statusOf({alpha: well}, {state: 'deadline'}), {}],
		['the deadline is past', statusOf({alpha: well}, {deadlineAt: ago(MINUTE)}), {}],
		['no sandbox is healthy', statusOf({alpha: ill, beta: ill}), {}],
	])('is critical when %s', (_, status, options) => {
		expect(judge(status, options).level).toBe('critical');
	});

	it('names what is wrong, the sandbox first, in one line without control characters', () => {
		const bad = sandboxOf({healthy: false, lastError: 'x\n\u001b[2Jy', warnings: ['\u202ewarning']});
		const {text} = judge(statusOf({alpha: well, beta: bad}));
		expect(text).toContain('beta: unhealthy (running: x \ufffd[2Jy)');
		expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
	});

	it('names only some of many reasons, and how many more there are', () => {
		const many = Object.fromEntries(Array.from({length: 100}, (_, index) => [`s${index}`, ill]));
		const {text} = judge(statusOf({...many, alpha: well}));
		expect(text).toContain('95 more; 1 of 101 sandboxes healthy');
		expect(text.length).toBeLessThan(600);
	});
});

describe('the status table', () => {
	const shown = (status: Status, isAlive = true) => statusTable(status, {isAlive, now});

	it('has a row for each sandbox', () => {
		const text = shown(statusOf({alpha: sandboxOf(), beta: sandboxOf({mode: 'fast', interval: 1.2345})}));
		expect(text).toMatch(/^pairkeeper 1\.0\.0 on h: running, pid 1, deadline in 60 min$/m);
		expect(text).toMatch(/^alpha +running +yes +slow +30 s +cli /m);
		expect(text).toMatch(/^beta +running +yes +fast +1\.2 s +cli /m);
	});

	it('says that a supervisor is gone, unless it ended in good order', () => {
		expect(shown(statusOf(), false)).toContain(': gone (was running), pid 1');
		expect(shown(statusOf({}, {state: 'deadline'}), false)).toContain(': deadline, pid 1');
	});

	it('says under the table what is odd', () => {
		const text = shown(
			statusOf({
				alpha: sandboxOf({
					lastError: 'no answer',
					crashLooping: true,
					lastExit: {reason: 'hang', code: null, signal: 'SIGKILL', at: ago(5 * SECOND)},
					lastRefusal: {
						requestId: 'r',
						clientId: 'x',
						clientMode: null,
						scopes: [],
						reason: 'unknown-client',
						at: ago(90 * MINUTE),
					},
				}),
			}),
		);
		expect(text).toContain('alpha: error: no answer');
		expect(text).toContain('alpha: crash looping');
		expect(text).toContain('alpha: last worker ended 5 s ago: hang (SIGKILL)');
		expect(text).toContain('alpha: last refusal 90 min ago: unknown-client, x / ? asked for no scopes');
	});

	it('shows nothing that could move a cursor, wherever it comes from', () => {
		const evil = '\u001b[2J\u0007\u009b\u202e\nx';
		const text = shown(
			statusOf(
				{
					alpha: sandboxOf({
						lastError: evil,
						warnings: [evil],
						transportReason: evil,
						lastApproval: {requestId: evil, clientId: evil, scopes: [evil], at: ago(0), latencyMs: 1},
						lastRefusal: {
							requestId: evil,
							clientId: evil,
							clientMode: evil,
							scopes: [evil],
							reason: 'malformed',
							at: ago(0),
						},
					}),
				},
				{version: evil, host: evil, warnings: [evil], config: {path: evil, generation: 1, loadedAt: evil, error: evil}},
			),
		);
		expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
		expect(text.split('\n').some(line => line.startsWith('x'))).toBe(false);
	});

	it('copes with a status without sandboxes and without a deadline', () => {
		expect(shown(statusOf({}, {deadlineAt: null}))).toContain('deadline never');
	});
});

describe('the totals', () => {
	it('are the sums over all sandboxes', () => {
		const sandboxes = {alpha: sandboxOf({refused: 2}), beta: sandboxOf({healthy: false, approved: 3, restarts: 4})};
		expect(totalsOf(sandboxes)).toEqual({sandboxes: 2, healthy: 1, approved: 4, refused: 2, restarts: 4});
	});
});

describe('what a pass came to', () => {
	it.each([
		[{error: null, approved: 0, refused: 0, retries: 0, pending: 0}, '0 approved, nothing pending'],
		[
			{error: null, approved: 2, refused: 1, retries: 1, pending: 2},
			'2 approved, 1 refused, 1 not settled, to be tried again',
		],
		[{error: 'no answer', approved: 1, refused: 0, retries: 0, pending: 0}, 'no answer (1 approved)'],
	])('%j is said as %j', (summary, text) => {
		expect(describePass({failure: null, ...summary})).toBe(text);
	});
});
