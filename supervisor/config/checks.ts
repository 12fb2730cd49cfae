import {dirname} from 'node:path';
import {readTokenFile} from '../../worker/host/token-file.ts';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {messageOf, SECRET_VARIABLE} from '../../worker/text.ts';
import {errnoInWords} from '../host/errno.ts';
import {groupIdOf, userIdOf} from '../host/name-service.ts';
import {defined, policyOf, toPolicy} from './completion.ts';
import type {KeyPath} from './document.ts';
import {wideningsOf} from './narrowing.ts';
import {commandProblems} from './prefixes.ts';
import type {Problem} from './problem.ts';
import type {ConfigFile} from './schema.ts';
import {targetsOf} from './targets.ts';

/** What is wrong with a configuration whose keys are each right by themselves: between them, and on this host. */
export function problemsIn(
	file: ConfigFile,
	environment: NodeJS.ProcessEnv,
	hasGroup: (name: string) => boolean = name => groupIdOf(name) !== null,
): readonly Problem[] {
	return [
		...duplicateNames(file),
		...duplicateTargets(file, environment),
		...sandboxProblems(file),
		...groupProblems(file, hasGroup),
		...untrustedPaths(file),
		...sharedFiles(file),
	];
}

/** What is wrong with sandboxes each by itself, whose keys are right. */
export function sandboxProblems(file: Sandboxes): readonly Problem[] {
	return [...widePolicies(file), ...visibleSecrets(file), ...commandProblems(file), ...gatewayProblems(file)];
}

/** Sandboxes, and the policy that theirs may only narrow. */
type Sandboxes = Pick<ConfigFile, 'policy' | 'sandboxes'>;

function duplicateNames({sandboxes}: ConfigFile): Problem[] {
	return sandboxes.flatMap(({name}, index) => {
		const first = sandboxes.findIndex(other => other.name === name);
		if (first === index) return [];
		const message = `${name} is the name of another sandbox already`;
		return [{at: ['sandboxes', index, 'name'], message, other: ['sandboxes', first]}];
	});
}

/** Two watchers on one gateway would race each other. */
function duplicateTargets({sandboxes}: ConfigFile, environment: NodeJS.ProcessEnv): Problem[] {
	const owners = new Map<string, number>();
	return sandboxes.flatMap((sandbox, index) => {
		if (!sandbox.enabled) return [];
		const targets = targetsOf(sandbox, environment);
		const clash = targets.find(({key}) => owners.has(key));
		for (const {key} of targets) if (!owners.has(key)) owners.set(key, index);
		if (!clash) return [];
		const first = owners.get(clash.key) ?? index;
		const message = `${sandbox.name} reaches the same gateway as ${sandboxes[first]?.name} (${clash.shown}); give each its own, or remove one`;
		return [{at: ['sandboxes', index], message, other: ['sandboxes', first]}];
	});
}

function widePolicies({policy, sandboxes}: Sandboxes): Problem[] {
	const standard = toPolicy(policy);
	return sandboxes.flatMap((sandbox, index) => {
		const widenings = wideningsOf(policyOf(sandbox, policy), standard, defined(sandbox.policy));
		return widenings.map(({path, problem}) => ({
			at: ['sandboxes', index, 'policy', ...path],
			message: `${problem}; a sandbox's policy can only narrow the default`,
		}));
	});
}

/** Behind `exec` and `envFile` variables travel as arguments of env(1), which every user of the host can read. */
function visibleSecrets({sandboxes}: Sandboxes): Problem[] {
	return sandboxes.flatMap(({exec, env, envFile}, index) => {
		if (exec.length === 0 && envFile === null) return [];
		const secrets = Object.keys(env).filter(name => SECRET_VARIABLE.test(name));
		return secrets.map(name => ({
			at: ['sandboxes', index, 'env', name],
			message: 'would show in the process table; set it inside the sandbox, in the file that envFile names',
		}));
	});
}

function gatewayProblems({sandboxes}: Sandboxes): Problem[] {
	return sandboxes.flatMap(({exec, execInput, gateway}, index) => {
		if (exec.length === 0 && execInput !== null)
			return [
				{at: ['sandboxes', index, 'execInput'], message: 'needs an exec: it stands for that where input is needed'},
			];
		if (exec.length === 0 && gateway && gateway.url === undefined)
			return [{at: ['sandboxes', index, 'gateway'], message: 'must name a url, since there is no exec to reach it by'}];
		if (gateway?.listenerUser !== undefined && userIdOf(gateway.listenerUser) === null)
			return [
				{
					at: ['sandboxes', index, 'gateway', 'listenerUser'],
					message: `there is no user ${gateway.listenerUser} on this host; name the one that the gateway runs as`,
				},
			];
		if (gateway?.tokenFile === undefined) return [];
		try {
			readTokenFile(gateway.tokenFile);
			return [];
		} catch (error) {
			return [{at: ['sandboxes', index, 'gateway', 'tokenFile'], message: unreadable(gateway.tokenFile, error)}];
		}
	});
}

function unreadable(file: string, error: unknown): string {
	const {code} = error as NodeJS.ErrnoException;
	return code === undefined ? messageOf(error) : `${file} cannot be read: ${errnoInWords(code)}`;
}

function groupProblems({controlGroup}: ConfigFile, hasGroup: (name: string) => boolean): Problem[] {
	if (controlGroup === null || hasGroup(controlGroup)) return [];
	const message = `there is no group ${controlGroup} on this host; create it: groupadd ${controlGroup}`;
	return [{at: ['controlGroup'], message}];
}

/** What we write, or run, as who we are must not be somebody else's to change. */
function untrustedPaths({auditFile, listen, notify}: ConfigFile): Problem[] {
	const [program] = notify ?? [];
	return [
		...untrusted(auditFile, ['auditFile']),
		// Who can change that directory could put a link where the socket is about to get its mode.
		...untrusted(listen?.startsWith('/') ? dirname(listen) : null, ['listen']),
		...untrusted(program?.startsWith('/') ? program : null, ['notify', 0]),
	];
}

/** What replaces a file must not replace one that something else is written to. */
function sharedFiles(config: ConfigFile): Problem[] {
	const keys = ['statusFile', 'auditFile', 'logFile', 'metricsFile', 'listen'] as const;
	return keys.flatMap((key, index) => {
		const other = keys.slice(0, index).find(before => config[before] !== null && config[before] === config[key]);
		return other === undefined ? [] : [{at: [key], message: `is the file of ${other} already; give each its own`}];
	});
}

function untrusted(file: string | null, at: KeyPath): Problem[] {
	if (file === null) return [];
	try {
		assertTrusted(file);
		return [];
	} catch (error) {
		return [{at, message: messageOf(error)}];
	}
}
