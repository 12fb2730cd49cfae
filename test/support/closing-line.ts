import type {Reporter, TestModule} from 'vitest/node';

/** What became of the tests of a run. */
export interface Outcome {
	readonly passed: number;
	readonly failed: number;
	readonly skipped: number;
	/** Those among the passed ones that failed at first. */
	readonly secondTries: readonly SecondTry[];
}

/** A test that passed after it had failed. */
export interface SecondTry {
	/** Its file, from the project's folder of tests, and its whole name. */
	readonly test: string;
	/** What it said when it failed, one line. */
	readonly atFirst: string;
}

/** The last lines of a run: each test that needed a second try, and last of all `N passed, N failed[, N skipped]`. Pure. */
export function closingLines({passed, failed, skipped, secondTries}: Outcome): string[] {
	return [
		...secondTries.map(({test, atFirst}) => `at first failed: ${test}: ${atFirst}`),
		...(secondTries.length > 0
			? [`${secondTries.length} passed at a second try: ${secondTries.map(({test}) => test).join('; ')}`]
			: []),
		`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
	];
}

/** Ends a test run with plain lines, counted from vitest's own results. */
export default class ClosingLine implements Reporter {
	onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
		const outcome = outcomeOf(modules, unhandledErrors.length);
		// Written at the exit, so that whatever vitest itself has to say comes before it.
		process.once('exit', code => {
			// A run can fail without a failed test, as when the build before it fails.
			const failed = outcome.failed === 0 && code !== 0 ? 1 : outcome.failed;
			process.stdout.write(`${closingLines({...outcome, failed}).join('\n')}\n`);
		});
	}
}

/** Counts. `errors`: how many there were outside all tests, which fail the run as well. */
function outcomeOf(modules: readonly TestModule[], errors: number): Outcome {
	const secondTries: SecondTry[] = [];
	let [passed, failed, skipped] = [0, errors, 0];
	for (const module of modules) {
		failed += module.errors().length;
		for (const test of module.children.allTests()) {
			const {state, errors: ofTries = []} = test.result();
			if (state === 'passed') passed += 1;
			else if (state === 'skipped') skipped += 1;
			else failed += 1;
			if (state !== 'passed' || !test.diagnostic()?.flaky) continue;
			const [atFirst = ''] = (ofTries[0]?.message ?? '').split('\n');
			secondTries.push({test: `${module.relativeModuleId} > ${test.fullName}`, atFirst});
		}
		for (const suite of module.children.allSuites()) failed += suite.errors().length;
	}
	return {passed, failed, skipped, secondTries};
}
