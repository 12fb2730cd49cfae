/** The value of one series in the text that Prometheus reads, or `null` where there is no such series. `series` as it stands there. */
export function seriesValue(text: string, series: string): number | null {
	const line = text.split('\n').find(each => each.startsWith(`${series} `));
	if (line === undefined) return null;
	const value = line.slice(series.length + 1);
	return value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
}
