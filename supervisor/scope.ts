/** Registers what is to be done at the end of a scope, before all that was registered earlier. */
export type Defer = (release: () => unknown) => void;

/**
 * Runs `body`, and then all that it has deferred, in reverse order and one after the other, whatever became of it; gives back what `body` gave. Rejects
 * with the error of `body`, else with the first of a release; no failing release keeps the others from being done.
 */
export async function inScope<T>(body: (defer: Defer) => Promise<T>): Promise<T> {
	const releases: (() => unknown)[] = [];
	let failures: {readonly error: unknown}[] = [];
	let result: T | undefined;
	try {
		result = await body(release => releases.push(release));
	} catch (error) {
		failures = [{error}];
	}
	for (const release of releases.reverse()) {
		try {
			await release();
		} catch (error) {
			failures.push({error});
		}
	}
	if (failures[0]) throw failures[0].error;
	return result as T;
}
