import type {Reporter, TestModule} from 'vitest/node';

/** Ends a test run with one plain line, `N passed, N failed[, N skipped]`, counted from vitest's own results. */
export default class ClosingLine implements Reporter {
	onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
		let passed = 0;
		// An error outside a test fails the run as well.
		let failed = unhandledErrors.length;
		let skipped = 0;
		for (const module of modules) {
			failed += module.errors().length;
			for (const test of module.children.allTests()) {
				const {state} = test.result();
				if (state === 'passed') passed += 1;
				else if (state === 'skipped') skipped += 1;
				else failed += 1;
			}
			for (const suite of module.children.allSuites()) failed += suite.errors().length;
		}
		// Written at the exit, so that whatever vitest itself has to say comes before it.
		process.once('exit', code => {
			// A run can fail without a failed test, as when the build before it fails.
			const failures = failed === 0 && code !== 0 ? 1 : failed;
			process.stdout.write(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
		});
	}
}
