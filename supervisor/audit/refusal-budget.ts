/** So many refusals of a sandbox are written in an hour; of the others only how many they were. */
const LINES = 60;
/** In milliseconds. */
export const HOUR = 3_600_000;

interface Window {
	/** Monotonic milliseconds. */
	readonly since: number;
	written: number;
	counted: number;
}

/** What a sandbox asks for in vain must not fill the disk: its first refusals in an hour are written, the rest counted. */
export class RefusalBudget {
	readonly #windows = new Map<string, Window>();

	/** Whether one more refusal of this sandbox may be written now, at the monotonic millisecond `now`; it is counted where not. */
	take(sandbox: string, now: number): boolean {
		const window = this.#windows.get(sandbox) ?? {since: now, written: 0, counted: 0};
		this.#windows.set(sandbox, window);
		if (window.written < LINES) {
			window.written++;
			return true;
		}
		window.counted++;
		return false;
	}

	/** The sandboxes whose hour is over, with how many refusals were not written in it, which is forgotten then. `isLast`: however long it has lasted. */
	over(now: number, {isLast = false} = {}): readonly {readonly sandbox: string; readonly counted: number}[] {
		const over = [...this.#windows].filter(([, {since}]) => isLast || now - since >= HOUR);
		for (const [sandbox] of over) this.#windows.delete(sandbox);
		return over.flatMap(([sandbox, {counted}]) => (counted > 0 ? [{sandbox, counted}] : []));
	}
}
