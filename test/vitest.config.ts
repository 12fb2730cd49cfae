import {defineConfig} from 'vitest/config';

/** Files run one after the other: each starts processes of its own, and two real gateways are what two cores bear. */
export default defineConfig({
	test: {
		root: import.meta.dirname,
		globalSetup: './support/global-setup.ts',
		fileParallelism: false,
		testTimeout: 120_000,
		hookTimeout: 120_000,
		teardownTimeout: 30_000,
	},
});
