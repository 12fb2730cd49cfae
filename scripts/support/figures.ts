// How benchmarks say what they measured.
import os from 'node:os';
import {styled} from '../../supervisor/commands/table.ts';

/** The machine and how busy it is, in one line: figures mean little without it. */
export function machine(): string {
	const cpu = os.cpus()[0]?.model.trim() ?? 'unknown';
	const load = os.loadavg()[0]?.toFixed(1);
	const [total, available] = [os.totalmem(), process.availableMemory()].map(bytes => (bytes / 2 ** 30).toFixed(1));
	return `${os.availableParallelism()} cores (${cpu}), ${available} of ${total} GiB memory available, load ${load}, Node ${process.versions.node}`;
}

/** The smallest value that so large a share of all does not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
	return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? Number.NaN;
}

/** A time in milliseconds, in words. */
export function milliseconds(ms: number): string {
	return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Says whether a value is within its bound, and returns it. */
export function judge(what: string, value: number, most: number, show: (value: number) => string): boolean {
	const isMet = value <= most;
	const verdict = isMet ? styled('green', 'met') : styled('red', 'missed');
	console.log(`   ${what}: ${show(value)}, at most ${show(most)}: ${verdict}`);
	return isMet;
}
