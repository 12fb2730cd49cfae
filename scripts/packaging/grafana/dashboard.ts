// Writes pairkeeper.json, the dashboard for Grafana, beside itself: node scripts/packaging/grafana/dashboard.ts
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {METRICS, type MetricName, PREFIX} from '../../../supervisor/monitoring/catalog.ts';

/** The variables that a reader chooses by: data source, host, sandbox. */
const source = {type: 'prometheus', uid: '$datasource'};
const HOST = 'instance=~"$instance"';
const SANDBOX = `${HOST},sandbox=~"$sandbox"`;

/** One query: what is asked, and how its lines are called. */
interface Query {
	readonly expr: string;
	readonly legend: string;
}

/** A panel, besides its place. */
interface Panel {
	readonly title: string;
	readonly description?: string;
	readonly kind: 'stat' | 'timeseries' | 'table';
	readonly unit?: string;
	readonly width: number;
	readonly height: number;
	readonly queries: readonly Query[];
	/** Colours from these values on. */
	readonly thresholds?: readonly (readonly [from: number | null, color: string])[];
	readonly isStacked?: boolean;
	/** Words for values. */
	readonly words?: Readonly<Record<string, string>>;
}

/** A metric by its name in the catalogue; `part`: of a histogram. */
function metric(name: MetricName, labels: string = HOST, part: '' | '_bucket' | '_count' | '_sum' = ''): string {
	if ((METRICS[name].type === 'histogram') !== (part !== '')) throw new Error(`${name} is not asked for as what it is`);
	return `${PREFIX}${name}${part}{${labels}}`;
}

function increase(name: MetricName, by: string, labels: string = HOST, part: '' | '_count' = ''): string {
	return `sum by (${by}) (increase(${metric(name, labels, part)}[$__rate_interval]))`;
}

function quantile(share: number, name: MetricName, by: string): string {
	return `histogram_quantile(${share}, sum by (${by}) (rate(${metric(name, HOST, '_bucket')}[$__rate_interval])))`;
}

const goodAtZero = [
	[null, 'green'],
	[1, 'orange'],
] as const;

const panels: readonly Panel[] = [
	{
		title: 'Hosts up',
		kind: 'stat',
		width: 4,
		height: 4,
		queries: [{expr: `sum(${metric('up')})`, legend: ''}],
		thresholds: [
			[null, 'red'],
			[1, 'green'],
		],
	},
	{
		title: 'Sandboxes healthy',
		description: 'Of those that are watched.',
		kind: 'stat',
		unit: 'percentunit',
		width: 4,
		height: 4,
		queries: [{expr: `avg(${metric('sandbox_healthy', SANDBOX)})`, legend: ''}],
		thresholds: [
			[null, 'red'],
			[0.9, 'orange'],
			[1, 'green'],
		],
	},
	{
		title: 'Waiting for a person',
		kind: 'stat',
		width: 4,
		height: 4,
		queries: [{expr: `sum(${metric('sandbox_held_requests', SANDBOX)})`, legend: ''}],
		thresholds: goodAtZero,
	},
	{
		title: 'Warnings',
		kind: 'stat',
		width: 4,
		height: 4,
		queries: [{expr: `sum(${metric('warnings')}) + sum(${metric('sandbox_warnings', SANDBOX)})`, legend: ''}],
		thresholds: goodAtZero,
	},
	{
		title: 'Approved in the time shown',
		kind: 'stat',
		width: 4,
		height: 4,
		queries: [{expr: `sum(increase(${metric('approvals_total', SANDBOX)}[$__range]))`, legend: ''}],
	},
	{
		title: 'Next deadline',
		kind: 'stat',
		unit: 's',
		width: 4,
		height: 4,
		queries: [{expr: `min(${metric('deadline_timestamp_seconds')} - time())`, legend: ''}],
		thresholds: [
			[null, 'red'],
			[1800, 'green'],
		],
	},
	{
		title: 'Approvals',
		kind: 'timeseries',
		width: 12,
		height: 8,
		isStacked: true,
		queries: [{expr: increase('decisions_total', 'action, by'), legend: '{{action}} by {{by}}'}],
	},
	{
		title: 'Refusals by reason',
		kind: 'timeseries',
		width: 12,
		height: 8,
		isStacked: true,
		queries: [{expr: increase('refusals_total', 'reason'), legend: '{{reason}}'}],
	},
	{
		title: 'From request to approval',
		kind: 'timeseries',
		unit: 's',
		width: 12,
		height: 8,
		queries: [0.5, 0.9, 0.99].map(share => ({
			expr: quantile(share, 'approval_latency_seconds', 'le'),
			legend: `${share * 100} %`,
		})),
	},
	{
		title: 'How long openclaw calls take (90 %)',
		kind: 'timeseries',
		unit: 's',
		width: 12,
		height: 8,
		queries: [{expr: quantile(0.9, 'call_duration_seconds', 'le, call'), legend: '{{call}}'}],
	},
	{
		title: 'Sandboxes by state',
		kind: 'timeseries',
		width: 8,
		height: 8,
		isStacked: true,
		queries: [{expr: `sum by (state) (${metric('sandboxes')})`, legend: '{{state}}'}],
	},
	{
		title: 'Sandboxes by how they are asked',
		kind: 'timeseries',
		width: 8,
		height: 8,
		isStacked: true,
		queries: [{expr: `sum by (transport) (${metric('sandboxes_by_transport')})`, legend: '{{transport}}'}],
	},
	{
		title: 'Turns of openclaw calls',
		kind: 'timeseries',
		width: 8,
		height: 8,
		queries: [
			{expr: `sum(${metric('calls_running')})`, legend: 'running'},
			{expr: `sum(${metric('calls_waiting')})`, legend: 'waiting'},
			{expr: `sum(${metric('calls_limit')})`, legend: 'limit'},
		],
	},
	{
		title: 'Calls that fail',
		kind: 'timeseries',
		width: 8,
		height: 8,
		isStacked: true,
		queries: [{expr: increase('call_failures_total', 'kind'), legend: '{{kind}}'}],
	},
	{
		title: 'Workers that are replaced',
		kind: 'timeseries',
		width: 8,
		height: 8,
		isStacked: true,
		queries: [{expr: increase('worker_restarts_total', 'reason'), legend: '{{reason}}'}],
	},
	{
		title: 'Age of the metrics',
		kind: 'timeseries',
		unit: 's',
		width: 8,
		height: 8,
		queries: [{expr: `time() - ${metric('last_update_timestamp_seconds')}`, legend: '{{instance}}'}],
	},
	{
		title: 'Sandboxes that do not answer',
		kind: 'table',
		width: 12,
		height: 9,
		queries: [{expr: `${metric('sandbox_healthy', SANDBOX)} == 0`, legend: ''}],
		words: {'0': 'does not answer'},
	},
	{
		title: 'Requests that wait for a person',
		kind: 'table',
		width: 12,
		height: 9,
		queries: [{expr: `${metric('sandbox_held_requests', SANDBOX)} > 0`, legend: ''}],
	},
];

/** Where each panel stands: in rows of 24 columns, as Grafana counts. */
function placed(all: readonly Panel[]): readonly {readonly panel: Panel; readonly x: number; readonly y: number}[] {
	let [x, y, rowHeight] = [0, 0, 0];
	return all.map(panel => {
		if (x + panel.width > 24) [x, y, rowHeight] = [0, y + rowHeight, 0];
		const place = {panel, x, y};
		x += panel.width;
		rowHeight = Math.max(rowHeight, panel.height);
		return place;
	});
}

function panelJson({panel, x, y}: ReturnType<typeof placed>[number], index: number): object {
	const {title, description = '', kind, unit = 'short', width, height, queries, thresholds, isStacked, words} = panel;
	const isTable = kind === 'table';
	const steps = (thresholds ?? [[null, 'blue']]).map(([value, color]) => ({value, color}));
	return {
		id: index + 1,
		title,
		description,
		type: kind,
		datasource: source,
		gridPos: {x, y, w: width, h: height},
		targets: queries.map(({expr, legend}, query) => ({
			refId: String.fromCharCode('A'.charCodeAt(0) + query),
			datasource: source,
			expr,
			legendFormat: legend,
			...(isTable ? {instant: true, format: 'table'} : {}),
		})),
		fieldConfig: {
			defaults: {
				unit,
				min: kind === 'timeseries' ? 0 : null,
				thresholds: {mode: 'absolute', steps},
				mappings:
					words === undefined
						? []
						: [
								{
									type: 'value',
									options: Object.fromEntries(Object.entries(words).map(([value, text]) => [value, {text}])),
								},
							],
				...(kind === 'timeseries'
					? {
							custom: {
								fillOpacity: isStacked ? 60 : 10,
								lineWidth: 1,
								showPoints: 'never',
								stacking: {mode: isStacked ? 'normal' : 'none'},
							},
						}
					: {}),
			},
			overrides: [],
		},
		options: kind === 'stat' ? {reduceOptions: {calcs: ['lastNotNull']}, colorMode: 'value', graphMode: 'none'} : {},
		...(isTable
			? {
					transformations: [
						{
							id: 'organize',
							options: {excludeByName: {Time: true, __name__: true, job: true}, renameByName: {Value: 'Is'}},
						},
					],
				}
			: {}),
	};
}

function variable(name: string, label: string, of: string): object {
	return {
		name,
		label,
		type: 'query',
		datasource: source,
		query: {query: `label_values(${of}, ${name})`, refId: name},
		includeAll: true,
		allValue: '.*',
		multi: true,
		current: {text: 'All', value: '$__all'},
		refresh: 2,
		sort: 1,
	};
}

/** The dashboard as Grafana imports it (Grafana: "Dashboard JSON model"). */
export function dashboard(): object {
	return {
		title: 'pairkeeper',
		uid: 'pairkeeper',
		tags: ['pairkeeper'],
		description:
			'Pairing watchers of OpenClaw sandboxes: what is approved and refused, how fast, and who does not answer.',
		editable: true,
		schemaVersion: 39,
		refresh: '30s',
		time: {from: 'now-6h', to: 'now'},
		templating: {
			list: [
				{name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus'},
				variable('instance', 'Host', `${PREFIX}up`),
				variable('sandbox', 'Sandbox', `${PREFIX}sandbox_healthy{${HOST}}`),
			],
		},
		panels: placed(panels).map(panelJson),
	};
}

if (import.meta.main)
	writeFileSync(
		fileURLToPath(new URL('pairkeeper.json', import.meta.url)),
		`${JSON.stringify(dashboard(), null, '\t')}\n`,
	);
