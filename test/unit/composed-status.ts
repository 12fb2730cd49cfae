// Statuses as screens are tried on: few sandboxes and many, sick and well.

import {type SandboxStatus, type Status, statusSchema, totalsOf} from '../../supervisor/status/schema.ts';
import {isoTime} from '../../worker/clock.ts';
import {HOUR, MINUTE, SECOND} from './fixtures.ts';

/** A sandbox that is well, at the wall-clock millisecond `now`. */
export function wellSandbox(now: number, change: Partial<SandboxStatus> = {}): SandboxStatus {
	const ago = (ms: number) => isoTime(now - ms);
	return {
		state: 'running',
		healthy: true,
		starting: false,
		pid: 4711,
		mode: 'slow',
		interval: 30,
		transport: 'gateway',
		route: 'inside',
		transportReason: null,
		restarts: 0,
		crashLooping: false,
		lastExit: null,
		startedAt: ago(HOUR),
		lastHeartbeatAt: ago(2 * SECOND),
		lastListAt: ago(12 * SECOND),
		nextPollAt: ago(-18 * SECOND),
		failures: 0,
		lastError: null,
		warnings: [],
		pending: 0,
		approved: 3,
		refused: 0,
		lastApproval: {
			requestId: '6e1f3c9a-7d52-4a52-9c1e-0f6d1b0a9f11',
			clientId: 'cli',
			scopes: ['operator.read', 'operator.write'],
			at: ago(20 * MINUTE),
			latencyMs: 9,
		},
		lastRefusal: null,
		...change,
	};
}

/** What goes wrong most, one of each kind. */
export function sickSandboxes(now: number): Record<string, SandboxStatus> {
	const ago = (ms: number) => isoTime(now - ms);
	return {
		'night-build': wellSandbox(now, {
			healthy: false,
			mode: 'fast',
			interval: 1,
			transport: 'cli',
			route: null,
			transportReason: 'connect ECONNREFUSED 127.0.0.1:18789',
			failures: 17,
			lastListAt: ago(4 * MINUTE),
			lastError:
				'openclaw devices list exited with 1: Error response from daemon: container 8f5c1c0f6f6d2c9b is not running, start it with docker start night-build',
			approved: 0,
			lastApproval: null,
		}),
		review: wellSandbox(now, {
			state: 'backoff',
			healthy: false,
			pid: null,
			restarts: 9,
			crashLooping: true,
			lastExit: {reason: 'memory', code: null, signal: 'SIGKILL', at: ago(12 * SECOND)},
		}),
		日本語の箱: wellSandbox(now, {
			transport: 'cli',
			route: null,
			transportReason: 'unauthorized: gateway token mismatch (provide gateway auth token)',
			warnings: [
				'on the slow way, the CLI, for more than a minute: unauthorized: gateway token mismatch (provide gateway auth token)',
			],
			pending: 1,
			refused: 2,
			lastRefusal: {
				requestId: '0d0c8a52-8f6d-4c5e-9a41-b1b5c8e6a7f2',
				clientId: 'openclaw-control-ui',
				clientMode: 'webchat',
				scopes: ['operator.admin', 'operator.read', 'operator.write', 'operator.approvals', 'operator.pairing'],
				reason: 'disallowed-scope',
				at: ago(95 * SECOND),
			},
		}),
		young: wellSandbox(now, {
			healthy: false,
			starting: true,
			mode: 'fast',
			interval: 1,
			transport: 'cli',
			route: null,
			transportReason: 'not connected yet',
			lastListAt: null,
			approved: 0,
			lastApproval: null,
			startedAt: ago(SECOND),
		}),
		retired: wellSandbox(now, {state: 'idle', healthy: false, pid: null, startedAt: null, lastApproval: null}),
	};
}

/** So many sandboxes, `isSick`: some of them not well. */
export function composedStatus(
	now: number,
	count: number,
	isSick: boolean,
	supervisor: Partial<Status['supervisor']> = {},
): Status {
	const ago = (ms: number) => isoTime(now - ms);
	const sick = isSick ? sickSandboxes(now) : {};
	const wells = Math.max(count - Object.keys(sick).length, 0);
	const well = Object.fromEntries(
		Array.from({length: wells}, (_, index) => [
			`${index % 3 === 0 ? 'team-a' : 'box'}-${String(index + 1).padStart(3, '0')}`,
			wellSandbox(now, {pid: 5000 + index, ...(index % 5 === 4 ? {transport: 'cli', route: null} : {})}),
		]),
	);
	// The sick ones in the middle, as they come.
	const entries = Object.entries(well);
	const half = Math.floor(entries.length / 2);
	const sandboxes = Object.fromEntries([...entries.slice(0, half), ...Object.entries(sick), ...entries.slice(half)]);
	return statusSchema.parse({
		schema: 1,
		supervisor: {
			pid: 1,
			version: '1.0.0',
			host: 'build-host-7',
			state: 'running',
			startedAt: ago(HOUR),
			updatedAt: ago(SECOND),
			deadlineAt: ago(-7 * HOUR),
			config: {path: '/etc/pairkeeper/config.yaml', generation: 1, loadedAt: ago(HOUR), error: null},
			calls: {running: 1, waiting: 0, limit: 2},
			warnings: isSick ? ['/var/log/pairkeeper.prom cannot be written: ENOSPC: no space left on device, open'] : [],
			...supervisor,
		},
		totals: totalsOf(sandboxes),
		sandboxes,
	});
}
