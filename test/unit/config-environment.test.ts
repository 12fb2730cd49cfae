import {describe, expect, it} from 'vitest';
import {load, problemsIn, useConfigFile} from './config-file.ts';
import {HOUR} from './fixtures.ts';

useConfigFile();

describe('the environment', () => {
	it('overrides the file', () => {
		const config = load('deadline: 1h\nopenclaw: file', {
			NEMOCLAW_AUTO_PAIR_DEADLINE_SECS: '28800',
			NEMOCLAW_AUTO_PAIR_FAST_DEADLINE_SECS: '0.5',
			NEMOCLAW_AUTO_PAIR_SLOW_INTERVAL_SECS: '15',
			NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS: '2.5',
			NEMOCLAW_AUTO_PAIR_FAST_REENTRY_INTERVAL_SECS: '3',
			NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: '0',
			OPENCLAW_BIN: '/opt/openclaw',
		});
		expect(config).toMatchObject({
			deadline: 28_800_000,
			fastDeadline: 500,
			slowInterval: 15_000,
			runTimeout: 2500,
			fastReentryInterval: 3000,
			fastReentryPolls: 0,
			openclaw: '/opt/openclaw',
		});
	});

	it('that is empty overrides nothing', () => {
		const empty = {NEMOCLAW_AUTO_PAIR_DEADLINE_SECS: '', NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: '', OPENCLAW_BIN: ''};
		expect(load('deadline: 1h', empty)).toMatchObject({deadline: HOUR, fastReentryPolls: 5, openclaw: 'openclaw'});
	});

	it.each([' ', '1h', '-1', '1e3', 'NaN', 'Infinity', '0x10', '1,5', '.', '5 ', '9'.repeat(400)])(
		'that says %j is blamed by name',
		value => {
			for (const variable of ['NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS', 'NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS']) {
				expect(problemsIn('', {[variable]: value})).toEqual([
					expect.stringContaining(`${variable} in the environment`),
				]);
			}
		},
	);

	it('that gives a fraction of a poll is blamed too', () => {
		expect(problemsIn('', {NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: '1.5'})).toEqual([
			'NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS in the environment must be a whole number from 0, not "1.5"',
		]);
	});

	it('that gives a value out of bounds is blamed instead of the file', () => {
		expect(problemsIn('runTimeout: 5s', {NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS: '0'})).toEqual([
			'NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS in the environment: must be between 0.1 s and 2147483 s, not 0 s',
		]);
	});
});
