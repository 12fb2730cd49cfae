/** Exit codes, by command; scripts and service managers rely on them. */
export const EXIT = {
	ok: 0,
	/** Anything that has no code of its own. */
	failed: 1,
	/** A usage or configuration error, or a refused reload. */
	usage: 2,
	/** `run`: another instance holds the status file. */
	held: 3,
	/** `status`, `kick`, `reload`, `pending`: nothing is running; `audit`: there is no audit file. */
	notRunning: 3,
	/** `health`, as monitoring plug-ins count. */
	health: {ok: 0, degraded: 1, critical: 2, unknown: 3},
} as const;

/** What `--help` says of the exit codes, by command; each line fits on 80 columns with its indent. */
export const EXIT_TEXTS: Readonly<Record<string, readonly string[]>> = {
	run: [
		'0 deadline or signal, 2 usage or configuration, 3 another instance',
		'holds this status file, 1 anything else.',
	],
	status: ['0 shown, 3 there is no status or no live supervisor behind it,', '2 usage, or no such sandbox.'],
	health: [
		'0 ok, 1 degraded, 2 critical, 3 unknown (a mistake in the command',
		'line too), as monitoring plug-ins have them.',
	],
	approve: [
		'0 whatever comes of the pass, 2 usage. With --strict, 1 if the pass',
		'failed or left something to be tried again; with a request, 1 if it was',
		'not approved.',
	],
	reject: ['0 rejected, 1 not rejected, 2 usage.'],
	pending: ['0 shown, 3 pairkeeper is not running, 1 no permission or no answer,', '2 usage.'],
	audit: ['0 shown, 3 there is no audit file, 1 it cannot be read, 2 usage or', 'configuration.'],
	check: ['0 all fine, 1 a sandbox failed or is degraded, 2 usage or', 'configuration.'],
	kick: ['0 asked, 3 pairkeeper is not running, 2 usage, or no such sandbox,', '1 no permission or no answer.'],
	reload: [
		'0 reloaded, 2 refused (the reason is said) or usage, 3 pairkeeper is',
		'not running, 1 no permission or no answer.',
	],
	init: ['0 printed or written, 1 nothing found, or not written, 2 usage.'],
	completion: ['0 printed, 2 usage.'],
	schema: ['0 printed, 2 usage.'],
};
