import {constants} from 'node:os';

/** Aborts at SIGINT, SIGTERM or SIGHUP, once each: a second one of a kind ends the process. The exit code is then the shell's for that signal. */
export function interruption(advice = ''): AbortSignal {
	const interrupted = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.once(name, () => {
			process.exitCode = 128 + constants.signals[name];
			interrupted.abort(new Error(`Interrupted by ${name}${advice}`));
		});
	}
	return interrupted.signal;
}
