import {readTokenFile} from '../../worker/host/token-file.ts';
import {messageOf, SECRET_VARIABLE} from '../../worker/text.ts';
import {groupIdOf} from '../group.ts';
import {userIdOf} from '../user.ts';
import {defined, policyOf, toPolicy} from './completion.ts';
import type {KeyPath} from './document.ts';
import {wideningsOf} from './narrowing.ts';
import type {ConfigFile} from './schema.ts';
import {targetsOf} from './targets.ts';

/** What is wrong with the value of a key. */
export interface Problem {
	readonly at: KeyPath;
	readonly message: string;
}

/** What is wrong with a configuration whose keys are each right by themselves: between them, and on this host. */
export function problemsIn(file: ConfigFile, environment: NodeJS.ProcessEnv): readonly Problem[] {
	return [
		...duplicateNames(file),
		...duplicateTargets(file, environment),
		...widePolicies(file),
		...visibleSecrets(file),
		...gatewayProblems(file),
		...groupProblems(file),
	];
}

function duplicateNames({sandboxes}: ConfigFile): Problem[] {
	return sandboxes.flatMap(({name}, index) => {
		const first = sandboxes.findIndex(other => other.name === name);
		if (first === index) return [];
		return [{at: ['sandboxes', index, 'name'], message: `${name} is the name of sandboxes[${first}] already`}];
	});
}

/** Two watchers on one gateway would race each other. */
function duplicateTargets({sandboxes}: ConfigFile, environment: NodeJS.ProcessEnv): Problem[] {
	const owners = new Map<string, string>();
	return sandboxes.flatMap((sandbox, index) => {
		if (!sandbox.enabled) return [];
		const targets = targetsOf(sandbox, environment);
		const clash = targets.find(({key}) => owners.has(key));
		for (const {key} of targets) if (!owners.has(key)) owners.set(key, sandbox.name);
		if (!clash) return [];
		const other = owners.get(clash.key);
		const message = `${sandbox.name} reaches the same gateway as ${other} (${clash.shown}); give each its own, or remove one`;
		return [{at: ['sandboxes', index], message}];
	});
}

function widePolicies({policy, sandboxes}: ConfigFile): Problem[] {
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
function visibleSecrets({sandboxes}: ConfigFile): Problem[] {
	return sandboxes.flatMap(({exec, env, envFile}, index) => {
		if (exec.length === 0 && envFile === null) return [];
		const secrets = Object.keys(env).filter(name => SECRET_VARIABLE.test(name));
		return secrets.map(name => ({
			at: ['sandboxes', index, 'env', name],
			message: 'would show in the process table; set it inside the sandbox, in the file that envFile names',
		}));
	});
}

function gatewayProblems({sandboxes}: ConfigFile): Problem[] {
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
			return [{at: ['sandboxes', index, 'gateway', 'tokenFile'], message: messageOf(error)}];
		}
	});
}

function groupProblems({controlGroup}: ConfigFile): Problem[] {
	if (controlGroup === null || groupIdOf(controlGroup) !== null) return [];
	const message = `there is no group ${controlGroup} on this host; create it: groupadd ${controlGroup}`;
	return [{at: ['controlGroup'], message}];
}
