import {randomUUID} from 'node:crypto';
import {existsSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import which from 'which';
import type {Recipient} from '../../worker/host/environment.ts';
import {isRecord, jsonObjectsIn} from '../../worker/json.ts';
import {NAME} from '../config/schema.ts';
import {NEMOCLAW_LIST, readNemoclaw} from './nemoclaw.ts';
import {FLEET_LIST, readFleet} from './openclaw-fleet.ts';
import {programOutput} from './program-output.ts';

/** How long each program that is asked may take, in milliseconds. */
const PATIENCE = 10_000;

/** The label that finds pods of OpenClaw (OpenClaw 2026.9.6: docs/install/kubernetes.md). */
export const POD_LABEL = 'app=openclaw';

/** A container's name as docker and podman take it, which can be no option. */
const CONTAINER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** A container that seems to be one of OpenClaw. */
export interface FoundContainer {
	readonly runtime: 'docker' | 'podman';
	/** As its runtime calls it. */
	readonly container: string;
}

/** Pods of OpenClaw, those alike in one. */
export interface FoundPods {
	readonly namespaces: readonly string[];
	readonly container: string;
}

/** What of OpenClaw is found on this host; `null`, or nothing: not found. */
export interface HostFindings {
	/** The names of NemoClaw's sandboxes. */
	readonly nemoclaw: readonly string[] | null;
	/** OpenShell is there without NemoClaw: nothing that is known lists its sandboxes. */
	readonly hasOpenshell: boolean;
	readonly fleet: readonly string[] | null;
	readonly containers: readonly FoundContainer[];
	readonly pods: readonly FoundPods[];
	/** The context of `kubectl`, where that has one. */
	readonly kubeContext: string | null;
	/** The state directory of a gateway of this host. */
	readonly stateDir: string | null;
}

/** Looks for what pairkeeper could watch on this host. Changes nothing; what does not answer is not there. */
export async function findOnHost(environment: NodeJS.ProcessEnv): Promise<HostFindings> {
	const run = randomUUID();
	const {signal} = new AbortController();
	const ask = async (command: readonly string[], recipient: Recipient): Promise<string | null> => {
		if (which.sync(command[0] ?? '', {nothrow: true}) === null) return null;
		return programOutput(command, recipient, {timeout: PATIENCE, signal, passEnv: [], run}).catch(() => null);
	};
	const client = (...command: readonly string[]) => ask(command, {kind: 'prefix', exec: command});
	const containersOf = async (runtime: FoundContainer['runtime']) =>
		containersIn(await client(runtime, 'ps', '--format', '{{json .}}'), runtime);
	const openclaw = environment.OPENCLAW_BIN || 'openclaw';
	const [nemoclaw, fleet, docker, podman, context] = await Promise.all([
		ask(NEMOCLAW_LIST, {kind: 'program'}),
		ask([openclaw, ...FLEET_LIST], {kind: 'host-call'}),
		containersOf('docker'),
		containersOf('podman'),
		client('kubectl', 'config', 'current-context'),
	]);
	const kubeContext = context?.trim() || null;
	const pods =
		kubeContext === null ? null : await client('kubectl', 'get', 'pods', '-A', '-l', POD_LABEL, '-o', 'json');
	const cells = namesIn(fleet, text => readFleet(text, () => 'docker'));
	return {
		nemoclaw: namesIn(nemoclaw, readNemoclaw),
		hasOpenshell: which.sync('openshell', {nothrow: true}) !== null,
		fleet: cells?.length === 0 ? null : cells,
		containers: [...docker, ...podman],
		pods: podsIn(pods),
		kubeContext,
		stateDir: stateDirIn(environment),
	};
}

/** The containers of OpenClaw among those that `docker ps --format '{{json .}}'` lists, a line each; `podman` has the same words for what is looked at. */
export function containersIn(stdout: string | null, runtime: FoundContainer['runtime']): readonly FoundContainer[] {
	return (stdout ?? '').split('\n').flatMap(line => {
		const [container] = [...jsonObjectsIn(line)];
		const {Names: names, Image: image} = container ?? {};
		const name: unknown = Array.isArray(names) ? names[0] : names;
		if (typeof name !== 'string' || typeof image !== 'string' || !CONTAINER.test(name)) return [];
		// Those of the fleet are the fleet's, and those of OpenShell are entered by it.
		if (/^openclaw-cell-/.test(name) || /openshell/i.test(`${name} ${image}`)) return [];
		return /openclaw/i.test(`${name} ${image}`) ? [{runtime, container: name}] : [];
	});
}

/** Pods by the container that seems to be the gateway's. */
export function podsIn(stdout: string | null): readonly FoundPods[] {
	const [list] = [...jsonObjectsIn(stdout ?? '')].filter(({items}) => Array.isArray(items));
	const items: readonly unknown[] = Array.isArray(list?.items) ? list.items : [];
	const found = items.flatMap(item => {
		const {metadata, spec} = isRecord(item) ? item : {};
		const containers = isRecord(spec) && Array.isArray(spec.containers) ? spec.containers.filter(isRecord) : [];
		const names = containers.flatMap(({name}) => (typeof name === 'string' && NAME.test(name) ? [name] : []));
		const namespace = isRecord(metadata) ? metadata.namespace : undefined;
		const container = names.find(name => /openclaw|gateway/.test(name)) ?? names[0];
		if (typeof namespace !== 'string' || !NAME.test(namespace) || container === undefined) return [];
		return [{namespace, container}];
	});
	return [...Map.groupBy(found, ({container}) => container)].map(([container, alike]) => ({
		container,
		namespaces: [...new Set(alike.map(({namespace}) => namespace))].toSorted(),
	}));
}

function namesIn(
	stdout: string | null,
	read: (stdout: string) => readonly {readonly kind: string; readonly found?: {readonly name: string}}[],
): readonly string[] | null {
	try {
		return stdout === null ? null : read(stdout).flatMap(({found}) => found?.name ?? []);
	} catch {
		return null;
	}
}

/** Where a gateway of this host keeps its state, if one does. */
function stateDirIn({OPENCLAW_STATE_DIR: named = '', HOME: home = os.homedir()}: NodeJS.ProcessEnv): string | null {
	const candidate = path.isAbsolute(named) ? named : path.join(home, '.openclaw');
	return path.isAbsolute(candidate) && existsSync(path.join(candidate, 'openclaw.json')) ? candidate : null;
}
