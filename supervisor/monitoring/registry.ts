import {Counter, Gauge, Histogram, Registry} from 'prom-client';
import {knownSeries, METRICS, type Metric, PREFIX, type ShownName} from './catalog.ts';
import {type Look, samplesOf} from './samples.ts';
import type {Counted} from './tally.ts';

/** The metrics of the catalogue, counted from when this is made, in the words of Prometheus. */
export class MetricsRegistry {
	readonly #registry = new Registry();
	readonly #gauges = new Map<string, Gauge>();
	readonly #counters = new Map<string, Counter>();
	readonly #histograms = new Map<string, Histogram>();

	constructor() {
		for (const [name, metric] of Object.entries<Metric>(METRICS)) this.#register(name, metric);
	}

	/** What a scrape's answer is to be called. */
	get contentType(): string {
		return this.#registry.contentType;
	}

	/** Counts what happened. */
	count(counted: Counted): void {
		switch (counted.kind) {
			case 'approved': {
				const {by, latencyMs} = counted;
				this.#inc('decisions_total', {action: 'approve', by});
				if (latencyMs !== null) this.#histograms.get('approval_latency_seconds')?.observe(latencyMs / 1000);
				break;
			}
			case 'rejected':
				this.#inc('decisions_total', {action: 'reject', by: counted.by});
				break;
			case 'refused':
				this.#inc('refusals_total', {reason: counted.reason});
				break;
			case 'failed':
				this.#inc('decision_failures_total', {action: counted.action});
				break;
			case 'restarted':
				this.#inc('worker_restarts_total', {reason: counted.reason});
				break;
			case 'called': {
				const {kind, outcome, ms} = counted.call;
				this.#histograms.get('call_duration_seconds')?.observe({call: kind}, ms / 1000);
				if (outcome !== 'answered') this.#inc('call_failures_total', {kind: outcome});
				break;
			}
			default:
				counted satisfies never;
		}
	}

	/** All metrics as text (Prometheus, "Exposition formats"). */
	text(look: Look): Promise<string> {
		for (const [name, samples] of Object.entries(samplesOf(look))) {
			const gauge = this.#gauges.get(name);
			const counter = this.#counters.get(name);
			gauge?.reset();
			counter?.reset();
			// A reset metric without labels has a value, 0, of its own.
			if (samples.length === 0 && isPlain(name as ShownName)) gauge?.remove();
			for (const {labels, value} of samples) {
				gauge?.set(labels, value);
				counter?.inc(labels, value);
			}
		}
		return this.#registry.metrics();
	}

	#inc(name: keyof typeof METRICS, labels: Readonly<Record<string, string>>): void {
		this.#counters.get(name)?.inc(labels);
	}

	#register(name: string, metric: Metric): void {
		const {type, from, help, labels, buckets = []} = metric;
		const options = {name: `${PREFIX}${name}`, help, labelNames: Object.keys(labels), registers: [this.#registry]};
		const series = from === 'counted' ? knownSeries(metric) : [];
		if (type === 'gauge') this.#gauges.set(name, new Gauge(options));
		else if (type === 'counter') {
			const counter = new Counter(options);
			this.#counters.set(name, counter);
			// Seen at 0 before they are first counted, so that no rate misses the first.
			for (const each of series) counter.inc(each, 0);
		} else {
			const histogram = new Histogram({...options, buckets: [...buckets]});
			this.#histograms.set(name, histogram);
			for (const each of series) histogram.zero(each);
		}
	}
}

function isPlain(name: ShownName): boolean {
	return Object.keys(METRICS[name].labels).length === 0;
}
