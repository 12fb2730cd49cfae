import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {dashboard} from '../../scripts/packaging/grafana/dashboard.ts';
import {METRICS, PREFIX} from '../../supervisor/monitoring/catalog.ts';
import {promtool, whyNoPromtool} from '../support/promtool.ts';

const packaging = path.resolve(import.meta.dirname, '../../scripts/packaging');
const rules = path.join(packaging, 'prometheus/alerts.yaml');
const cases = path.join(packaging, 'prometheus/alerts.test.yaml');
const dashboardFile = path.join(packaging, 'grafana/pairkeeper.json');

/** The series that a metric has, by the names that queries know them by, and their labels. */
const series = new Map<string, readonly string[]>(
	Object.entries(METRICS).flatMap(([name, {type, labels}]) => {
		const own = Object.keys(labels);
		if (type !== 'histogram') return [[`${PREFIX}${name}`, own] as const];
		return ['_bucket', '_sum', '_count'].map(
			part => [`${PREFIX}${name}${part}`, part === '_bucket' ? [...own, 'le'] : own] as const,
		);
	}),
);

/** What every series gets from whoever scrapes it. */
const given = ['instance', 'job'];

/** What is wrong with the names and labels in a query's text; none where all exist. */
function unknownIn(query: string): string[] {
	return [...query.matchAll(/\b(pairkeeper_\w+)(?:\{([^}]*)\})?/g)].flatMap(([, name = '', matchers = '']) => {
		const labels = series.get(name);
		if (!labels) return [name];
		const asked = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
		return asked.filter(label => ![...labels, ...given].includes(label)).map(label => `${name}{${label}}`);
	});
}

/** The texts of all queries in a dashboard, wherever they stand. */
function queriesIn(value: unknown): string[] {
	if (typeof value !== 'object' || value === null) return [];
	return Object.entries(value).flatMap(([key, item]) =>
		(key === 'expr' || key === 'query') && typeof item === 'string' ? [item] : queriesIn(item),
	);
}

describe('the alert rules', () => {
	const alerts: {alert: string; expr: string; labels: {severity: string}; annotations: Record<string, string>}[] =
		parse(readFileSync(rules, 'utf8')).groups.flatMap(({rules}: {rules: unknown[]}) => rules);

	it('name only metrics and labels that exist', () => {
		expect(alerts.length).toBeGreaterThan(10);
		for (const {alert, expr} of alerts) expect([alert, unknownIn(expr)]).toEqual([alert, []]);
		expect(unknownIn('pairkeeper_nothing > pairkeeper_up{state="x"}')).toEqual([
			'pairkeeper_nothing',
			'pairkeeper_up{state}',
		]);
	});

	it('say how bad it is, what it means and what to do, and have each a case', () => {
		const tested = readFileSync(cases, 'utf8');
		for (const {alert, labels, annotations} of alerts) {
			expect(['critical', 'warning', 'info']).toContain(labels.severity);
			expect(annotations).toEqual({summary: expect.any(String), description: expect.any(String)});
			expect(tested).toMatch(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:`));
		}
	});

	it.skipIf(whyNoPromtool !== null)(
		`are valid, and alarm when they should and not else${whyNoPromtool === null ? '' : ` (left out: ${whyNoPromtool})`}`,
		() => {
			expect(promtool(['check', 'rules', rules])).toEqual({code: 0, said: expect.stringContaining('SUCCESS')});
			expect(promtool(['test', 'rules', cases])).toEqual({code: 0, said: expect.stringContaining('SUCCESS')});
		},
	);
});

describe('the dashboard', () => {
	const text = readFileSync(dashboardFile, 'utf8');

	it('is what its source makes: node scripts/packaging/grafana/dashboard.ts', () => {
		expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(dashboard())));
	});

	it('names only metrics and labels that exist', () => {
		const queries = queriesIn(JSON.parse(text));
		expect(queries.length).toBeGreaterThan(20);
		expect(queries.flatMap(unknownIn)).toEqual([]);
	});

	it.skipIf(whyNoPromtool !== null)('asks nothing that Prometheus does not understand', () => {
		const queries = queriesIn(JSON.parse(text)).filter(
			query => query.includes('pairkeeper_') && !query.startsWith('label_values'),
		);
		const plain = queries.map(query => query.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h'));
		const asRules = {
			groups: [{name: 'dashboard', rules: plain.map((expr, index) => ({record: `panel:${index}`, expr}))}],
		};
		const folder = mkdtempSync(path.join(os.tmpdir(), 'dashboard-'));
		try {
			const file = path.join(folder, 'queries.yaml');
			writeFileSync(file, JSON.stringify(asRules));
			expect(promtool(['check', 'rules', '--lint=none', file])).toEqual({
				code: 0,
				said: expect.stringContaining(`${plain.length} rules found`),
			});
		} finally {
			rmSync(folder, {recursive: true, force: true});
		}
	});
});
