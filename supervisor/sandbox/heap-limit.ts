const MIB = 2 ** 20;

/** A worker's part of `workerMemory` that objects may take; the rest is Node's own, code, and buffers, which have no limit of their own. */
const HEAP_SHARE = 0.5;

/** Node itself does not start with less, in MiB. */
const SMALLEST_HEAP = 32;

/** Of young objects, in MiB: three times as much is kept for them. As small as can be: what a sandbox says is soon collected, and a host has hundreds of workers. */
const SEMI_SPACE = 1;

/**
 * What V8 says where the heap is at its limit, or no memory can be had (deps/v8: `FatalProcessOutOfMemory`), before it aborts. A sandbox's words reach no
 * worker's standard error as they are, and never at the beginning of a line with this.
 */
const OUT_OF_MEMORY = /^FATAL ERROR: .*\b(heap|process) out of memory\b/;

/**
 * V8 would collect garbage twice, eight seconds after a start: a third of what that start costs, while others start, and a tenth of what an idle worker
 * costs afterwards, for what it has forgotten by then; all for 1.3 MiB. Where there is more of it, the worker sees to it (worker/host/garbage.ts). Of V8's
 * options this is one with which Node's own code is still found compiled.
 */
const NO_COLLECTION_AT_REST = '--no-memory-reducer';

/** Node's options that hold the heap of a worker with so many bytes of memory: else a single large answer outgrows that between two looks at it. */
export function heapLimits(workerMemory: number): string[] {
	const heap = Math.max(Math.floor((workerMemory * HEAP_SHARE) / MIB), SMALLEST_HEAP);
	return [`--max-old-space-size=${heap}`, `--max-semi-space-size=${SEMI_SPACE}`, NO_COLLECTION_AT_REST];
}

/** Whether a line on the standard error says that the heap is at its limit. */
export function saysOutOfMemory(line: string): boolean {
	return OUT_OF_MEMORY.test(line);
}

/** Whether a process that said so ended by it: V8 aborts. A shell in between makes an exit code of the signal. */
export function isAbort({code, signal}: {readonly code: number | null; readonly signal: string | null}): boolean {
	return signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL' || code === 134;
}
