import which from 'which';
import {assertTrustedProgram} from './trusted-path.ts';

/**
 * Throws an `UntrustedPathError` where somebody else could exchange the program that `file` names, by its path or found in PATH. One that is not there is
 * for the attempt to run it to tell.
 */
export function assertProgram(file: string): void {
	const found = which.sync(file, {nothrow: true});
	if (found !== null) assertTrustedProgram(found);
}
