import {execFileSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';
import {heapLimits, isAbort, saysOutOfMemory} from '../../supervisor/sandbox/heap-limit.ts';

describe('a worker’s heap', () => {
	it.each([
		[192, 96],
		[1024, 512],
		[1, 32],
	])('of %d MiB of memory may have %d, and Node starts with that', (memory, heap) => {
		expect(heapLimits(memory * 2 ** 20)).toEqual([
			`--max-old-space-size=${heap}`,
			'--max-semi-space-size=1',
			'--no-memory-reducer',
		]);
	});

	it('keeps V8 from collecting at rest by an option with which Node finds its own code compiled', () => {
		const builtins = "require('internal/test/binding').internalBinding('builtins')";
		const usage = `require('net'); console.log(JSON.stringify([...${builtins}.getCacheUsage().compiledWithoutCache]))`;
		const options = heapLimits(192 * 2 ** 20).filter(option => !option.includes('='));
		expect(options).toHaveLength(1);
		const args = [...options, '--expose-internals', '--no-warnings', '-e', usage];
		expect(JSON.parse(execFileSync(process.execPath, args, {encoding: 'utf8'}))).toEqual([]);
	});

	it.each([
		'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
		'FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory',
		'FATAL ERROR: Zone Allocation failed - process out of memory',
	])('is at its limit where Node says: %s', line => {
		expect(saysOutOfMemory(line)).toBe(true);
	});

	it.each([
		'FATAL ERROR: v8::ToLocalChecked Empty MaybeLocal',
		'Error: a sandbox says FATAL ERROR: JavaScript heap out of memory',
		'JavaScript heap out of memory',
	])('is not where anything else is said: %s', line => {
		expect(saysOutOfMemory(line)).toBe(false);
	});

	it('ends the process by an abort', () => {
		expect(isAbort({code: null, signal: 'SIGABRT'})).toBe(true);
		expect(isAbort({code: 134, signal: null})).toBe(true);
		expect(isAbort({code: null, signal: 'SIGKILL'})).toBe(false);
		expect(isAbort({code: 1, signal: null})).toBe(false);
	});
});
