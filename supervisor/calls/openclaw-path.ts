import path from 'node:path';
import which from 'which';

/** The absolute path of the `openclaw` for calls on the host, or `null` where there is none in PATH, or none that can be run. */
export function findOpenclaw(name: string): string | null {
	const found = which.sync(name, {nothrow: true});
	return found !== null && path.isAbsolute(found) ? found : null;
}
