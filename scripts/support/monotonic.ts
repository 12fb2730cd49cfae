/** Milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
export function monotonic(): number {
	return Number(process.hrtime.bigint()) / 1e6;
}
