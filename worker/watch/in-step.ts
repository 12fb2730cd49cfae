/** A wait is long from so many milliseconds on. */
const LONG_WAIT = 5000;

/** The step of the machine's monotonic clock, which is one for all processes, that long waits end with; milliseconds. */
const STEP = 500;

/**
 * So many milliseconds from `now` on, or, where that is long, until the next step of the clock after that, so that the workers of a host wake together: what
 * an idle host costs is to be woken, and two hundred workers would wake it thirty times a second. A whole second saves no more. Pure.
 */
export function inStep(ms: number, now: number): number {
	return ms < LONG_WAIT ? ms : Math.ceil((now + ms) / STEP) * STEP - now;
}
