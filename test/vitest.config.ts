import {defineConfig} from 'vitest/config';

/** Nothing here sleeps: the bounds are for a machine that others keep busy. */
export default defineConfig({
	test: {
		root: import.meta.dirname,
		globalSetup: './support/global-setup.ts',
		teardownTimeout: 30_000,
		projects: [
			{
				extends: true,
				test: {
					name: 'quick',
					include: ['unit/**/*.test.ts', 'integration/**/*.test.ts', 'gateway/**/*.test.ts'],
					testTimeout: 150_000,
					hookTimeout: 150_000,
					// Tests wait for processes most of the time, and two cores bear a few of them at once.
					maxWorkers: 2,
					maxConcurrency: 4,
					isolate: false,
				},
			},
			{
				extends: true,
				test: {
					name: 'e2e',
					include: ['e2e/**/*.test.ts'],
					testTimeout: 240_000,
					hookTimeout: 240_000,
					// Two real gateways at once are what two cores bear.
					maxWorkers: 2,
					sequence: {groupOrder: 1},
				},
			},
		],
	},
});
