/** The configuration keys that the environment overrides, by variable. Durations are seconds there. */
const OVERRIDES = {
	NEMOCLAW_AUTO_PAIR_DEADLINE_SECS: {key: 'deadline', pattern: /^\d+(\.\d+)?$/, want: 'a number of seconds'},
	NEMOCLAW_AUTO_PAIR_FAST_DEADLINE_SECS: {key: 'fastDeadline', pattern: /^\d+(\.\d+)?$/, want: 'a number of seconds'},
	NEMOCLAW_AUTO_PAIR_SLOW_INTERVAL_SECS: {key: 'slowInterval', pattern: /^\d+(\.\d+)?$/, want: 'a number of seconds'},
	NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS: {key: 'runTimeout', pattern: /^\d+(\.\d+)?$/, want: 'a number of seconds'},
	NEMOCLAW_AUTO_PAIR_FAST_REENTRY_INTERVAL_SECS: {
		key: 'fastReentryInterval',
		pattern: /^\d+(\.\d+)?$/,
		want: 'a number of seconds',
	},
	NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS: {key: 'fastReentryPolls', pattern: /^\d+$/, want: 'a whole number from 0'},
} as const;

/** A configuration value that the environment sets, and the variable to blame for it. */
export interface Override {
	readonly variable: string;
	readonly key: string;
	readonly value: number | string;
	/** What is wrong with the text before the schema sees it, or `null`. */
	readonly problem: string | null;
}

/** What the environment sets. An empty variable is an unset one. */
export function overridesIn(environment: NodeJS.ProcessEnv): readonly Override[] {
	const overrides: Override[] = [];
	for (const [variable, {key, pattern, want}] of Object.entries(OVERRIDES)) {
		const text = environment[variable] ?? '';
		if (text === '') continue;
		const problem = pattern.test(text) ? null : `must be ${want}, not ${JSON.stringify(text)}`;
		overrides.push({variable, key, value: Number(text), problem});
	}
	if (environment.OPENCLAW_BIN) {
		overrides.push({variable: 'OPENCLAW_BIN', key: 'openclaw', value: environment.OPENCLAW_BIN, problem: null});
	}
	return overrides;
}
