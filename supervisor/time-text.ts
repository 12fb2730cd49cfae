/** How long ago a time of the status was, or `-` where there is none. `now`: the wall clock, in milliseconds. */
export function ago(time: string | null, now: number): string {
	return time === null ? '-' : `${span(Math.max(now - Date.parse(time), 0))} ago`;
}

/** In how long a time of the status is, or how long ago it was. */
export function ahead(time: string, now: number): string {
	const left = Date.parse(time) - now;
	return left >= 0 ? `in ${span(left)}` : `${span(-left)} ago`;
}

/** So many milliseconds in words. */
export function span(ms: number): string {
	const seconds = Math.round(ms / 1000);
	if (seconds < 120) return `${seconds} s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 120) return `${minutes} min`;
	const hours = Math.floor(minutes / 60);
	return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}
