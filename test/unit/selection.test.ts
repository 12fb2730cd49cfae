import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Config} from '../../supervisor/config/config.ts';
import {type Found, sandboxFor} from '../../supervisor/config/discovered.ts';
import type {Roster} from '../../supervisor/discovery/roster.ts';
import {MAX_REFUSALS, NOBODY, type Selection, select} from '../../supervisor/discovery/selection.ts';
import {folder, load, useConfigFile} from './config-file.ts';

useConfigFile();

/** Rounds of one configuration, and which names were looked at in each. */
class Selecting {
	readonly config: Config;
	readonly #maxRefusals: number;
	last: Selection = NOBODY;
	looked: string[] = [];

	constructor(text: string, maxRefusals = MAX_REFUSALS) {
		this.config = load(text);
		this.#maxRefusals = maxRefusals;
	}

	/** What each inventory says, in the order of the configuration. */
	round(...said: readonly (readonly (string | Partial<Found>)[])[]): string[] {
		const roster: Roster = new Map(
			said.flatMap((entries, index) => {
				const source = this.config.discover[index]?.key ?? '';
				return entries.map(entry => {
					const found = foundAs(typeof entry === 'string' ? {name: entry} : entry);
					return [found.name, {source, found, misses: 0}] as const;
				});
			}),
		);
		this.looked = [];
		this.last = select(roster, this.config, this.last, {
			environment: {},
			maxRefusals: this.#maxRefusals,
			make: (found, ...rest) => {
				this.looked.push(found.name);
				return sandboxFor(found, ...rest);
			},
		});
		return [...this.last.selected.keys()];
	}

	get told(): string[] {
		return [...this.last.complaints.values()].flatMap(each => each.map(({shown, problem}) => `${shown} ${problem}`));
	}
}

function foundAs(change: Partial<Found>): Found {
	const name = change.name ?? 'alpha';
	return {name, id: name, port: null, host: null, isStopped: false, layer: null, ...change};
}

const wantsPort = 'discover: [{command: [one], template: {exec: [enter, "{name}", "{port}"]}}]';

describe('what does not fit', () => {
	it('is looked at once, however many rounds say the same, and told in each', () => {
		const selecting = new Selecting(wantsPort, Number.POSITIVE_INFINITY);
		const bad = Array.from({length: 10_000}, (_, index) => `bad-${index}`);
		expect(selecting.round([...bad, {name: 'good', port: 1}])).toEqual(['good']);
		expect(selecting.looked).toHaveLength(10_001);
		for (let times = 0; times < 3; times++) {
			expect(selecting.round([...bad, {name: 'good', port: 1}])).toEqual(['good']);
			expect(selecting.looked).toEqual([]);
			expect(selecting.told).toHaveLength(10_000);
			expect(selecting.told[0]).toBe('"bad-0" its inventory gives no port, and the template wants {port}');
		}
		expect(selecting.round([...bad.slice(1), {name: 'bad-0', port: 2}, {name: 'good', port: 1}])).toEqual([
			'good',
			'bad-0',
		]);
		expect(selecting.looked).toEqual(['bad-0']);
	});

	it('takes no more than its share of a round, and newcomers behind it have their turn in the next ones', () => {
		const two = wantsPort.replace('discover: [', 'discover: [{command: [two]}, ');
		const selecting = new Selecting(two, 20);
		const bad = Array.from({length: 25}, (_, index) => `bad-${index}`);
		const other = [{name: 'other'}];
		const mine = [...bad, {name: 'good', port: 1}];
		const said = [other, mine] as const;
		expect(selecting.config.discover.map(({label}) => label)).toEqual(['discover[0] (two)', 'discover[1] (one)']);
		selecting.round(...said);
		expect(selecting.looked).toHaveLength(11);
		expect(selecting.told).toContain(
			'"good" is looked at in a later round: in this one, 10 others of its inventory did not fit',
		);
		selecting.round(...said);
		expect(selecting.looked).toHaveLength(10);
		expect(selecting.round(...said)).toEqual(['other', 'good']);
		expect(selecting.looked).toHaveLength(6);
		expect(selecting.told).toHaveLength(25);
		selecting.round(...said);
		expect(selecting.looked).toEqual([]);
	});

	it('for what is on this host is looked at again, those first that were looked at the longest ago, until it fits', () => {
		mkdirSync(path.join(folder, 'tokens'), {mode: 0o700});
		const token = path.join(folder, 'tokens/{name}');
		const text = `discover: [{command: [one], template: {gateway: {url: "ws://127.0.0.1:{port}", tokenFile: "${token}"}, transport: gateway}}]`;
		const selecting = new Selecting(text, 2);
		const said = ['a', 'b', 'c', 'd'].map((name, index) => ({name, port: index + 1}));
		const looks = () => {
			selecting.round(said);
			return selecting.looked;
		};
		expect([looks(), looks(), looks(), looks()]).toEqual([
			['a', 'b'],
			['c', 'd'],
			['a', 'b'],
			['c', 'd'],
		]);
		expect(selecting.told.map(line => line.slice(0, 3))).toEqual(['"a"', '"b"', '"c"', '"d"']);
		writeFileSync(token.replace('{name}', 'a'), 'a-token-of-sixteen', {mode: 0o600});
		expect(selecting.round(said)).toEqual(['a']);
	});

	it('since another one has its gateway is looked at when that one is gone', () => {
		const selecting = new Selecting('discover: [{command: [one], template: {exec: [enter, "{port}"]}}]');
		const first = {name: 'first', port: 1};
		const second = {name: 'second', port: 1};
		selecting.round([first, second]);
		expect(selecting.round([first, second])).toEqual(['first']);
		expect(selecting.looked).toEqual([]);
		expect(selecting.told).toEqual([
			'"second" reaches the same gateway as first (exec enter 1), which was there before',
		]);
		expect(selecting.round([second])).toEqual(['second']);
		expect(selecting.told).toEqual([]);
	});

	it('of a sandbox that was there changes nothing, again and again, and a newcomer does not get its gateway', () => {
		const selecting = new Selecting('discover: [{command: [one], template: {exec: [enter, "{port}"]}}]');
		selecting.round([
			{name: 'a', port: 1},
			{name: 'b', port: 2},
		]);
		const said = [
			{name: 'a', port: null},
			{name: 'b', port: 2},
			{name: 'new', port: 1},
		];
		expect(selecting.round(said).toSorted()).toEqual(['a', 'b']);
		expect(selecting.looked).toEqual(['a', 'new']);
		expect(selecting.round(said).toSorted()).toEqual(['a', 'b']);
		expect(selecting.looked).toEqual([]);
		expect(selecting.last.selected.get('a')?.sandbox.target.exec).toEqual(['enter', '1']);
	});
});
