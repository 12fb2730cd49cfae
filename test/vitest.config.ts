import {defineConfig, type TestProjectInlineConfiguration} from 'vitest/config';

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
const scripted = {testTimeout: 150_000, hookTimeout: 150_000, maxWorkers: 2, maxConcurrency: 4, isolate: false};

/** One project after the other. Nothing sleeps: the bounds are for a machine that others keep busy. */
const projects: readonly TestProjectInlineConfiguration[] = [
	{
		test: {
			name: 'quick',
			include: ['unit/**/*.test.ts', 'gateway/**/*.test.ts'],
			exclude: rough,
			sequence: {groupOrder: 0},
			...scripted,
		},
	},
	{test: {name: 'rough', include: rough, sequence: {groupOrder: 1}, ...scripted}},
	{
		test: {
			name: 'e2e',
			include: ['e2e/**/*.test.ts'],
			testTimeout: 300_000,
			hookTimeout: 300_000,
			// Each file has a real gateway or two, and starts them one after the other with what else it does.
			maxWorkers: 2,
			sequence: {groupOrder: 2},
		},
	},
];

export default defineConfig({
	test: {
		root: import.meta.dirname,
		globalSetup: './support/global-setup.ts',
		teardownTimeout: 30_000,
		projects: projects.map(project => ({extends: true, ...project})),
	},
});
