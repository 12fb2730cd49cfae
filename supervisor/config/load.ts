import os from 'node:os';
import {logFileProblem} from '../log/path.ts';
import {problemsIn} from './checks.ts';
import {complete} from './completion.ts';
import {type Composition, compose, mentionOf} from './composition.ts';
import {type Config, ConfigError} from './config.ts';
import {problemsInDefaults} from './defaults.ts';
import {type ConfigDocument, isEmpty, readDocument} from './document.ts';
import {type Override, overridesIn} from './environment.ts';
import {problemsOf} from './issues.ts';
import {oddities} from './known.ts';
import {type ConfigSource, findConfig, statusFileOf} from './locate.ts';
import type {Problem} from './problem.ts';
import {configSchema} from './schema.ts';
import {shardOn} from './shard.ts';
import {
	defaultsIn,
	odditiesInTemplates,
	problemsInLaidTemplates,
	problemsInTemplates,
	sameInventories,
	sourcesIn,
} from './templates.ts';
import {inWords} from './words.ts';

export type {ConfigSource} from './locate.ts';

/** What a configuration is read for: `pass` opens no log. */
export type Purpose = 'run' | 'pass';

export interface LoadOptions {
	readonly purpose?: Purpose;
	/** Whether the host has a group of this name; asking the name service may take seconds. */
	readonly hasGroup?: ((name: string) => boolean) | undefined;
}

/** Finds, reads, checks and completes the configuration. Throws a {@link ConfigError}. */
export function loadConfig(source: ConfigSource, {purpose = 'run', hasGroup}: LoadOptions = {}): Config {
	const path = findConfig(source);
	const document = readDocument(path);
	const composition = compose(document);
	const overrides = overridesIn(source.environment);
	refuseIfAny(overrides.flatMap(unreadable));

	const blame = blameIn(composition, overrides);
	const checked = configSchema.safeParse({...composition.value, ...valuesOf(overrides)}, {error: inWords});
	const badDefaults = [...problemsInDefaults(document), ...problemsInTemplates(document)];
	if (!checked.success || badDefaults.length > 0)
		throw refusal([...badDefaults, ...eachOnce(composition, problemsOf(checked.error?.issues ?? []))], blame);
	const shard = shardOn(os.hostname(), checked.data.shard);
	const found = [
		...(shard === null ? [noShard(checked.data.shard)] : []),
		...sameInventories(sourcesIn(document, checked.data)),
		...problemsInLaidTemplates(document, checked.data),
		...problemsIn(checked.data, source.environment, hasGroup),
		...(purpose === 'run' ? logProblems(checked.data.logFile) : []),
	];
	if (found.length > 0) throw refusal(found, problem => blame(problem) + whose(composition, problem));

	const {warnings, ...config} = complete(checked.data, {
		path,
		statusFile: statusFileOf(source, checked.data.statusFile),
		discover: sourcesIn(document, checked.data),
		defaults: defaultsIn(document),
		...(shard === null ? {} : {shard}),
	});
	const odd = [...oddities(checked.data), ...odditiesInTemplates(document, checked.data)].map(problem =>
		blame(problem),
	);
	return {...config, warnings: [...emptiness(document), ...warnings, ...new Set(odd)]};
}

function noShard(written: string): Problem {
	const host = os.hostname();
	const message = `${written} takes this instance's number from the end of the host's name, and ${host} does not end in one that fits, as keeper-0 does`;
	return {at: ['shard'], message};
}

/** Says of a problem where it is. */
function blameIn(composition: Composition, overrides: readonly Override[]): (problem: Problem) => string {
	return ({at, message, other}) => {
		const override = overrides.find(({key}) => key === at[0]);
		if (override) return `${override.variable} in the environment: ${message}`;
		const mention = other === undefined ? '' : ` (${mentionOf(composition, at, other)})`;
		return `${composition.placeOf(at)}${message}${mention}`;
	};
}

/** What is written once for all sandboxes is wrong for one of them. */
function whose({originOf}: Composition, {at}: Problem): string {
	const {sandbox} = originOf(at);
	return sandbox === null ? '' : ` (for ${sandbox})`;
}

function unreadable({variable, problem}: Override): string[] {
	return problem === null ? [] : [`${variable} in the environment ${problem}`];
}

function valuesOf(overrides: readonly Override[]): Record<string, unknown> {
	return Object.fromEntries(overrides.map(({key, value}) => [key, value]));
}

function logProblems(file: string | null): Problem[] {
	const problem = file === null ? null : logFileProblem(file);
	return problem === null ? [] : [{at: ['logFile'], message: problem}];
}

/** One that is merely empty was perhaps written to another place. */
function emptiness(document: ConfigDocument): string[] {
	return isEmpty(document) ? [`nothing is written in ${document.file} yet`] : [];
}

function refuseIfAny(problems: readonly string[]): void {
	if (problems.length > 0) throw new ConfigError(problems.join('\n'));
}

/** What is wrong with `defaults` by itself is wrong with each sandbox too. */
function eachOnce({originOf, placeOf}: Composition, problems: readonly Problem[]): readonly Problem[] {
	const ofDefaults = new Set(problems.filter(({at}) => at[0] === 'defaults').map(({at}) => placeOf(at)));
	return problems.filter(({at}) => originOf(at).sandbox === null || !ofDefaults.has(placeOf(at)));
}

function refusal(problems: readonly Problem[], blame: (problem: Problem) => string): ConfigError {
	return new ConfigError([...new Set(problems.map(blame))].join('\n'));
}
