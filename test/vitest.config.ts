import {defineConfig, type TestProjectInlineConfiguration} from 'vitest/config';
import {LongestFirst} from './support/longest-first.ts';

/** What starts pairkeeper, and gateways that are not OpenClaw's: these wait long, or keep a core busy. */
const rough = [
	'integration/**/*.test.ts',
	'gateway/empty-gateways.test.ts',
	'gateway/host.test.ts',
	'gateway/hostile-gateways.test.ts',
	'gateway/inside.test.ts',
	'gateway/planted-tokens.test.ts',
	'gateway/session.test.ts',
	'gateway/transport.test.ts',
	'gateway/unusable-gateways.test.ts',
];

/** Tests that start pairkeeper wait for it most of the time: some at once are what two cores bear. */
const scripted = {testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 4, isolate: false};

/** They take turns at the same workers: three wait enough to leave a core to each other. */
const waiting = {maxWorkers: 3, sequence: {groupOrder: 1}};

/** Machines that run this for everybody may stand still for seconds. What passes only at a second try is named at the end of the run. */
const retry = process.env.CI ? 1 : 0;

/**
 * First what keeps two cores busy by itself, then all that waits much: real gateways, the longest files first, and between and after them what is
 * scripted, so that no core is left idle. Nothing sleeps: the bounds are for a machine that others keep busy.
 */
const projects: readonly TestProjectInlineConfiguration[] = [
	{
		test: {
			name: 'quick',
			include: ['unit/**/*.test.ts', 'gateway/**/*.test.ts'],
			exclude: rough,
			maxWorkers: 2,
			sequence: {groupOrder: 0},
			...scripted,
		},
	},
	{test: {name: 'rough', include: rough, retry, ...waiting, ...scripted}},
	{
		test: {
			name: 'e2e',
			include: ['e2e/**/*.test.ts'],
			retry,
			testTimeout: 600_000,
			hookTimeout: 600_000,
			...waiting,
		},
	},
];

export default defineConfig({
	test: {
		root: import.meta.dirname,
		globalSetup: './support/global-setup.ts',
		teardownTimeout: 30_000,
		sequence: {sequencer: LongestFirst},
		projects: projects.map(project => ({extends: true, ...project})),
	},
});
