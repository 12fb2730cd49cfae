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
