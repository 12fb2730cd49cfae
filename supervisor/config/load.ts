import type * as z from 'zod';
import {type Problem, problemsIn} from './checks.ts';
import {complete} from './completion.ts';
import {type Config, ConfigError} from './config.ts';
import {contentsOf, placeOf, readDocument} from './document.ts';
import {type Override, overridesIn} from './environment.ts';
import {type ConfigSource, findConfig, statusFileOf} from './locate.ts';
import {configSchema} from './schema.ts';

export type {ConfigSource} from './locate.ts';

/**
 * Finds, reads, checks and completes the configuration. Throws a {@link ConfigError}. `hasGroup`: whether the host has a group of this name; asking the
 * name service may take seconds.
 */
export function loadConfig(source: ConfigSource, hasGroup?: (name: string) => boolean): Config {
	const path = findConfig(source);
	const document = readDocument(path);
	const overrides = overridesIn(source.environment);
	refuseIfAny(overrides.flatMap(unreadable));

	const blame = ({at, message}: Problem) => {
		const override = overrides.find(({key}) => key === at[0]);
		return override ? `${override.variable} in the environment: ${message}` : `${placeOf(document, at)}${message}`;
	};
	const checked = configSchema.safeParse({...contentsOf(document), ...valuesOf(overrides)});
	if (!checked.success) throw refusal(checked.error.issues.flatMap(problemsOfIssue).map(blame));
	refuseIfAny(problemsIn(checked.data, source.environment, hasGroup).map(blame));

	return complete(checked.data, {path, statusFile: statusFileOf(source, checked.data.statusFile)});
}

function unreadable({variable, problem}: Override): string[] {
	return problem === null ? [] : [`${variable} in the environment ${problem}`];
}

function valuesOf(overrides: readonly Override[]): Record<string, unknown> {
	return Object.fromEntries(overrides.map(({key, value}) => [key, value]));
}

/** What the schema says, key by key. */
function problemsOfIssue(issue: z.core.$ZodIssue): Problem[] {
	switch (issue.code) {
		case 'unrecognized_keys':
			return issue.keys.map(key => ({
				at: [...issue.path, key],
				message: 'is not a key pairkeeper knows; is it misspelt, or indented wrongly?',
			}));
		case 'invalid_key':
			// Zod's own message says only that a key is wrong; what is wrong with it stands a level deeper.
			return [{at: issue.path, message: issue.issues[0]?.message ?? issue.message}];
		default:
			return [{at: issue.path, message: issue.message}];
	}
}

function refuseIfAny(problems: readonly string[]): void {
	if (problems.length > 0) throw refusal(problems);
}

function refusal(problems: readonly string[]): ConfigError {
	return new ConfigError(problems.join('\n'));
}
