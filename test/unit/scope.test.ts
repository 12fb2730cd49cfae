import {describe, expect, it} from 'vitest';
import {inScope} from '../../supervisor/scope.ts';

describe('a scope', () => {
	it('gives what its body gave, and releases in reverse order, one after the other', async () => {
		const done: string[] = [];
		const result = await inScope(async defer => {
			defer(() => done.push('first'));
			defer(async () => {
				done.push('second begins');
				await new Promise(resolve => setImmediate(resolve));
				done.push('second ends');
			});
			done.push('body');
			return 7;
		});
		expect(result).toBe(7);
		expect(done).toEqual(['body', 'second begins', 'second ends', 'first']);
	});

	it('whose body fails releases what was acquired until then, and fails for the same reason', async () => {
		const done: string[] = [];
		const scope = inScope(async defer => {
			defer(() => done.push('released'));
			throw new Error('no such group');
		});
		await expect(scope).rejects.toThrow('no such group');
		expect(done).toEqual(['released']);
	});

	it('whose releases fail does the others all the same, and tells of the first that failed', async () => {
		const done: string[] = [];
		const scope = inScope(async defer => {
			defer(() => done.push('lock'));
			defer(() => {
				throw new Error('log');
			});
			defer(() => Promise.reject(new Error('status')));
		});
		await expect(scope).rejects.toThrow('status');
		expect(done).toEqual(['lock']);
	});

	it('whose body and releases fail tells of the body', async () => {
		const scope = inScope(async defer => {
			defer(() => Promise.reject(new Error('release')));
			throw new Error('body');
		});
		await expect(scope).rejects.toThrow('body');
	});
});
