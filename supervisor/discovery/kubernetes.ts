import {isRecord, jsonObjectsIn} from '../../worker/json.ts';
import type {Inventory} from '../config/sources.ts';
import {bounded, type Entry, entryFrom, InventoryError, refused, shown} from './listing.ts';

type Pods = Omit<Extract<Inventory, {kind: 'kubernetes'}>, 'kind'>;

/** What lists the pods of one namespace. */
export function kubectlList({selector, namespace}: Pods): readonly string[] {
	return ['kubectl', 'get', 'pods', '-n', namespace, '-l', selector, '-o', 'json'];
}

/**
 * What `kubectl get pods -o json` has printed. A pod is a sandbox of its own name; one that was made anew under that name has another UID, and is another one.
 * One that is not running, or that is being ended, is stopped.
 */
export function readPods(stdout: string, {namespace, container}: Pods): readonly Entry[] {
	for (const {items} of jsonObjectsIn(stdout)) {
		if (!Array.isArray(items)) continue;
		return bounded(items).map((item: unknown) => entryOf(item, namespace, container));
	}
	throw new InventoryError('its output has no list of pods ({"items": […]})');
}

function entryOf(pod: unknown, namespace: string, container: string): Entry {
	const metadata = mapIn(pod, 'metadata');
	const status = mapIn(pod, 'status');
	const {name, uid} = metadata;
	if (typeof uid !== 'string') return refused(null, name, 'is a pod without a UID');
	if (metadata.namespace !== undefined && metadata.namespace !== namespace)
		return refused(null, name, `is of another namespace than was asked for: ${shown(metadata.namespace)}`);
	const isEnding = metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null;
	const states = named(status.containerStatuses, container);
	const isUp = status.phase === 'Running' && (states === null || isRecord(mapIn(states, 'state').running));
	const entry = entryFrom({
		name,
		id: `${namespace}/${uid}`,
		isStopped: isEnding || !isUp,
		layer: known => ({
			exec: ['kubectl', 'exec', '-n', namespace, known, '-c', container, '--'],
			envFile: null,
			// Tokens only from inside: there is no right to read Secrets.
			gateway: null,
		}),
	});
	if (entry.kind === 'refused' || named(mapIn(pod, 'spec').containers, container) !== null) return entry;
	return refused(entry.found.name, name, `has no container ${container}`);
}

/** The entry of this name in a list. */
function named(list: unknown, name: string): Readonly<Record<string, unknown>> | null {
	const items: readonly unknown[] = Array.isArray(list) ? list : [];
	return items.filter(isRecord).find(item => item.name === name) ?? null;
}

function mapIn(value: unknown, key: string): Readonly<Record<string, unknown>> {
	const inner = isRecord(value) ? value[key] : undefined;
	return isRecord(inner) ? inner : {};
}
