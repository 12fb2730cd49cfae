import os from 'node:os';
import fc from 'fast-check';
import {afterEach, describe, expect, it, vi} from 'vitest';
import {isInShare, shardOn} from '../../supervisor/config/shard.ts';
import {load, problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();
afterEach(() => {
	vi.restoreAllMocks();
});

const names = (count: number) => Array.from({length: count}, (_, index) => `sandbox-${index}`);

/** The instance of `count` that has this name; all of them, where that is not one. */
function holders(name: string, count: number): number[] {
	return Array.from({length: count}, (_, index) => index + 1).filter(index => isInShare({index, count}, name));
}

describe('the shares of several instances', () => {
	it('have each name exactly once', () => {
		fc.assert(
			fc.property(
				fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
				fc.integer({min: 1, max: 20}),
				(name, count) => {
					expect(holders(name, count)).toHaveLength(1);
				},
			),
		);
	});

	it('are about alike, and one instance more takes its share from all of them and moves nothing else', () => {
		const all = names(1000);
		for (const count of [1, 2, 5]) {
			const before = all.map(name => holders(name, count)[0]);
			const after = all.map(name => holders(name, count + 1)[0]);
			const moved = all.filter((_, index) => before[index] !== after[index]);
			expect(moved.every(name => isInShare({index: count + 1, count: count + 1}, name))).toBe(true);
			expect(moved.length / all.length).toBeCloseTo(1 / (count + 1), 1);
			for (let index = 1; index <= count; index++)
				expect(before.filter(each => each === index).length / all.length).toBeCloseTo(1 / count, 1);
		}
	});

	it('never change: instances of several versions share the same sandboxes', () => {
		expect(names(12).map(name => holders(name, 3)[0])).toMatchInlineSnapshot(`
			[
			  2,
			  1,
			  2,
			  1,
			  3,
			  2,
			  1,
			  3,
			  3,
			  2,
			  2,
			  1,
			]
		`);
	});
});

describe('an instance', () => {
	it.each([
		['2/3', 'anything', {index: 2, count: 3}],
		['auto/3', 'keeper-0', {index: 1, count: 3}],
		['auto/3', 'keeper-2.keepers.ns.svc.cluster.local', {index: 3, count: 3}],
		['auto/3', 'keeper-3', null],
		['auto/3', 'keeper', null],
	])('of %s on %s is %j', (text, host, shard) => {
		expect(shardOn(host, text)).toEqual(shard);
	});

	it.each(['0/3', '4/3', '1/0', '1', 'auto', '1/3 ', '1/1001', '-1/3', 'all/3'])('cannot be %j', text => {
		expect(problemsIn(`shard: "${text}"`)).toEqual([
			expect.stringMatching(/^FILE:1: shard: must be an instance's share, such as 2\/3, or auto\/3 /),
		]);
	});

	it('watches its own share of the written sandboxes, whatever else it reads, and the environment says which over the file', () => {
		const text = `shard: 1/3\nsandboxes:\n${names(30)
			.map(name => `  - {name: ${name}, exec: [enter, ${name}]}`)
			.join('\n')}`;
		const shares = ['1/3', '2/3', '3/3'].map(share => load(text, {PAIRKEEPER_SHARD: share}));
		expect(load(text).sandboxes).toEqual(shares[0]?.sandboxes);
		expect(shares.flatMap(({sandboxes}) => sandboxes.map(({name}) => name)).sort()).toEqual(names(30).sort());
		for (const {sandboxes, elsewhere} of shares) expect(sandboxes.length + elsewhere.length).toBe(30);
		expect(problemsIn(text, {PAIRKEEPER_SHARD: '4/3'})).toEqual([
			expect.stringMatching(/^PAIRKEEPER_SHARD in the environment: must be an instance's share/),
		]);
	});

	it('cannot have its number from a host whose name has none, or one too high', () => {
		vi.spyOn(os, 'hostname').mockReturnValue('keeper');
		const problem = /^FILE:1: shard: auto\/2 takes this instance's number from the end of the host's name, and keeper /;
		expect(problemsIn('shard: auto/2')).toEqual([expect.stringMatching(problem)]);
		vi.mocked(os.hostname).mockReturnValue('keeper-1');
		expect(load('shard: auto/2').shard).toEqual({index: 2, count: 2});
	});
});
