import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import type {Found} from '../../supervisor/config/discovered.ts';
import type {Entry} from '../../supervisor/discovery/listing.ts';
import {type Reckoning, type Roster, reckon} from '../../supervisor/discovery/roster.ts';

function found(name: string, change: Partial<Found> = {}): Entry {
	return {kind: 'found', found: {name, id: name, port: null, host: null, isStopped: false, layer: null, ...change}};
}

function refused(name: string | null): Entry {
	return {kind: 'refused', name, shown: `"${name}"`, problem: 'is wrong'};
}

const nobody: Roster = new Map();
const names = ({roster}: Reckoning) => [...roster.keys()];

describe('the sandboxes that inventories have named', () => {
	it('come at once, and go when two inventories in a row lack them', () => {
		const one = reckon(nobody, 'a', [found('alpha'), found('beta')]);
		expect(one.appeared).toEqual(['alpha', 'beta']);
		const two = reckon(one.roster, 'a', [found('alpha')]);
		expect(names(two)).toEqual(['alpha', 'beta']);
		const back = reckon(two.roster, 'a', [found('alpha'), found('beta')]);
		const three = reckon(back.roster, 'a', [found('alpha')]);
		expect(names(three)).toEqual(['alpha', 'beta']);
		const four = reckon(three.roster, 'a', [found('alpha')]);
		expect([names(four), four.gone]).toEqual([['alpha'], ['beta']]);
	});

	it('are missed by their own inventory alone', () => {
		const one = reckon(nobody, 'a', [found('alpha')]).roster;
		expect(names(reckon(reckon(one, 'b', []).roster, 'b', []))).toEqual(['alpha']);
	});

	it('keep their name against another inventory, and against a second one of that name', () => {
		const one = reckon(nobody, 'a', [found('alpha', {id: '1'})]);
		const two = reckon(one.roster, 'b', [found('alpha', {id: '2'}), found('beta')]);
		expect(two.roster.get('alpha')).toEqual(one.roster.get('alpha'));
		expect(two.complaints).toEqual([
			{shown: '"alpha"', problem: 'is the name of a sandbox that another inventory has named before'},
		]);
		const three = reckon(one.roster, 'a', [found('alpha', {id: '2'}), found('alpha', {id: '1'})]);
		expect(three.roster.get('alpha')?.found.id).toBe('1');
		expect(three.complaints).toEqual([{shown: '"alpha"', problem: 'is named twice'}]);
	});

	it('are others with another id under the name', () => {
		const one = reckon(nobody, 'a', [found('alpha', {id: '1'})]);
		const two = reckon(one.roster, 'a', [found('alpha', {id: '2'})]);
		expect([two.appeared, two.roster.get('alpha')?.found.id]).toEqual([['alpha'], '2']);
	});

	it('stay as they were where what is said of them cannot be used', () => {
		const one = reckon(nobody, 'a', [found('alpha', {port: 1})]).roster;
		let roster = one;
		for (let times = 0; times < 5; times++) roster = reckon(roster, 'a', [refused('alpha'), refused(null)]).roster;
		expect(roster).toEqual(one);
	});

	it('never are one that no inventory has named, and never lose one that its last inventory has named', () => {
		const entry = fc
			.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2'), fc.boolean())
			.map(([name, id, isFound]) => (isFound ? found(name, {id}) : refused(name)));
		const inventory = fc.tuple(fc.constantFrom('x', 'y'), fc.array(entry, {maxLength: 6}));
		fc.assert(
			fc.property(fc.array(inventory, {maxLength: 12}), inventories => {
				let roster = nobody;
				for (const [source, entries] of inventories) {
					const before = roster;
					const after = reckon(before, source, entries);
					roster = after.roster;
					for (const [name, member] of before) {
						// Another inventory changes nothing.
						if (member.source !== source) expect(roster.get(name)).toBe(member);
						else if (entries.some(each => (each.kind === 'found' ? each.found.name : each.name) === name))
							expect(roster.get(name)?.misses).toBe(0);
						else expect(roster.get(name)?.misses).toBe(member.misses === 0 ? 1 : undefined);
					}
					for (const [name, member] of roster)
						if (!before.has(name)) expect(entries).toContainEqual(found(name, {id: member.found.id}));
				}
			}),
		);
	});
});
