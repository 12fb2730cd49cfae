import {describe, expect, it} from 'vitest';
import {closingLines} from '../support/closing-line.ts';

describe('the end of a test run', () => {
	it('is one line where every test did as it should, or failed', () => {
		expect(closingLines({passed: 12, failed: 0, skipped: 0, secondTries: []})).toEqual(['12 passed, 0 failed']);
		expect(closingLines({passed: 12, failed: 1, skipped: 3, secondTries: []})).toEqual([
			'12 passed, 1 failed, 3 skipped',
		]);
	});

	it('names every test that passed only at a second try, with what it said at first, and ends as ever', () => {
		const secondTries = [
			{test: 'e2e/a.test.ts > a gateway > comes back', atFirst: 'Waited 60 s in vain for it'},
			{test: 'integration/b.test.ts > health', atFirst: 'expected 2 to be 1'},
		];
		expect(closingLines({passed: 12, failed: 0, skipped: 0, secondTries})).toEqual([
			'at first failed: e2e/a.test.ts > a gateway > comes back: Waited 60 s in vain for it',
			'at first failed: integration/b.test.ts > health: expected 2 to be 1',
			'2 passed at a second try: e2e/a.test.ts > a gateway > comes back; integration/b.test.ts > health',
			'12 passed, 0 failed',
		]);
	});
});
