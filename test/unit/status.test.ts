import {describe, expect, it} from 'vitest';
import {statusTable} from '../../supervisor/commands/status-table.ts';
import {describePass} from '../../supervisor/sandbox/pass-text.ts';
import {healthOf} from '../../supervisor/status/health.ts';
import {type SandboxStatus, type Status, statusSchema, totalsOf} from '../../supervisor/status/schema.ts';
import {isoTime} from '../../worker/clock.ts';
import {stretchWarning} from '../../worker/stretch.ts';
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
			perfdata: 'healthy=1;;;0;1 starting=0;;;0;1 pending=0;;;0 approved=1c refused=0c restarts=0c',
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
		const many = Object.fromEntries(
			Array.from({length: 100}, (_, index) => [`s${index}`, sandboxOf({healthy: false, lastError: `no ${index}`})]),
		);
		const {text} = judge(statusOf({...many, alpha: well}));
		expect(text).toContain('95 more; 1 of 101 sandboxes healthy');
		expect(text.length).toBeLessThan(600);
	});

	it('names together those that have the same trouble', () => {
		const many = Object.fromEntries(Array.from({length: 100}, (_, index) => [`s${index}`, ill]));
		expect(judge(statusOf({...many, alpha: well})).text).toBe(
			's0, s1, s2, s3, s4 and 95 more: unhealthy (running: no answer); 1 of 101 sandboxes healthy, 101 approved, 0 refused, 0 restarts',
		);
	});

	it('says in one reason how far the intervals of those are stretched that have no turns, and what to do about it', () => {
		const every = (seconds: number) =>
			sandboxOf({interval: seconds, warnings: [stretchWarning({seconds, regular: 1}), 'odd']});
		const many = Object.fromEntries(Array.from({length: 64}, (_, index) => [`s${index}`, every(38 + (index % 3))]));
		const {level, text} = judge(statusOf(many));
		expect(level).toBe('degraded');
		expect(text).toMatch(
			/^s0, s1, s2, s3, s4 and 59 more: polled every 38 to 40 s instead of 1 s: .*a gateway that is configured/,
		);
		expect(text).not.toContain('s0: polled');
		expect(text).toContain('s0: odd');
	});

	it('counts only those that are enabled, and keeps its performance data to itself', () => {
		const odd = sandboxOf({healthy: false, lastError: 'exit | 7', pending: 2});
		const {text, perfdata} = judge(
			statusOf({alpha: well, beta: odd, gamma: sandboxOf({state: 'idle', healthy: false})}),
		);
		expect(text).toBe(
			'beta: unhealthy (running: exit / 7); 1 of 2 sandboxes healthy, 1 idle, 3 approved, 0 refused, 0 restarts',
		);
		expect(perfdata).toBe('healthy=1;;;0;2 starting=0;;;0;2 pending=2;;;0 approved=3c refused=0c restarts=0c');
	});

	it('bears with sandboxes that are starting, but not with one that is ill beside nothing else', () => {
		const young = sandboxOf({healthy: false, starting: true, lastListAt: null});
		expect(judge(statusOf({alpha: well, beta: young}))).toMatchObject({
			level: 'ok',
			text: expect.stringMatching(/^1 of 2 sandboxes healthy, 1 starting/),
		});
		expect(judge(statusOf({alpha: young})).level).toBe('ok');
		expect(judge(statusOf({alpha: young, beta: ill})).level).toBe('critical');
	});

	it('calls nothing healthy that nobody watches any more', () => {
		const {text, perfdata} = judge(statusOf(), {isAlive: false});
		expect(text).toMatch(/^no supervisor is running \(its pid was 1\); last seen: 1 of 1/);
		expect(perfdata).toMatch(/^healthy=0;/);
	});
});

describe('the status table', () => {
	const shown = (status: Status, isAlive = true) =>
		statusTable(status, {isAlive, now, width: Number.POSITIVE_INFINITY});

	it('has a row for each sandbox', () => {
		const text = shown(statusOf({alpha: sandboxOf(), beta: sandboxOf({mode: 'fast', interval: 1.2345})}));
		expect(text).toMatch(/^pairkeeper 1\.0\.0 on h: running, pid 1, deadline in 60 min$/m);
		expect(text).toMatch(/^alpha +running +yes +slow, 30 s +cli /m);
		expect(text).toMatch(/^beta +running +yes +fast, 1\.2 s +cli /m);
	});

	it('says that a supervisor is gone, unless it ended in good order', () => {
		const text = shown(statusOf(), false);
		expect(text).toMatch(/^STALE since 2026-11-22T11:59:59.000Z \(1 s ago\): no supervisor is running, pid 1 is gone/);
		expect(text).toContain(': gone (was running)');
		expect(text).toMatch(/^alpha +gone +- /m);
		const ended = shown(statusOf({alpha: sandboxOf({state: 'stopped'})}, {state: 'stopped'}), false);
		expect(ended).toContain(': stopped 1 s ago');
		expect(ended).not.toContain('STALE');
		// Nobody is going to reach it.
		expect(ended).not.toContain('deadline');
		expect(shown(statusOf({}, {state: 'deadline'}), false)).toContain(': deadline reached 1 s ago');
	});

	it('says that a status is old, where its supervisor is there and does not write', () => {
		expect(shown(statusOf({}, {updatedAt: ago(MINUTE)}))).toMatch(
			/^STALE since .*\(60 s ago\): the supervisor, pid 1,/,
		);
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
		[
			{
				error: null,
				approved: 0,
				refused: 0,
				retries: 0,
				pending: 2,
				refusals: [{reason: 'disallowed-scope' as const, count: 2}],
			},
			'0 approved, 2 still pending (refused by the policy: disallowed-scope; pairkeeper pending shows them)',
		],
		[
			{
				error: null,
				approved: 8,
				refused: 1,
				retries: 0,
				pending: 4,
				refusals: [
					{reason: 'disallowed-scope' as const, count: 1},
					{reason: 'unknown-client' as const, count: 2},
				],
			},
			'8 approved, 1 refused, 4 still pending (3 refused by the policy: 1 disallowed-scope, 2 unknown-client; pairkeeper pending shows them; 1 left to the next pass)',
		],
		[{error: 'no answer', approved: 1, refused: 0, retries: 0, pending: 0}, 'no answer (1 approved)'],
	])('%j is said as %j', (summary, text) => {
		expect(describePass({failure: null, ...summary})).toBe(text);
	});
});
