/** The variables that override keys of the file. Durations are in seconds, and a unit is refused, unlike in the file. */
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

/** Those whose value stands for the key's as it is. */
const TEXTS = {OPENCLAW_BIN: 'openclaw', PAIRKEEPER_SHARD: 'shard'} as const;

/** A value that the environment sets, and the variable that messages about it name. */
export interface Override {
	readonly variable: string;
	readonly key: string;
	readonly value: number | string;
	/** Why the text cannot be a value of this key at all, or `null`. Whether the value is in bounds is for the schema to say. */
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
	for (const [variable, key] of Object.entries(TEXTS)) {
		const value = environment[variable];
		if (value) overrides.push({variable, key, value, problem: null});
	}
	return overrides;
}
