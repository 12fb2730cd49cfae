import {isRecord, jsonObjectsIn} from '../../worker/json.ts';
import {bounded, type Entry, entryFrom, InventoryError, refused, shown} from './listing.ts';

/** What lists the cells, after the name of `openclaw`. */
export const FLEET_LIST = ['fleet', 'list', '--json'];

/** Clients of the container runtimes that a cell can have (OpenClaw 2026.9.6: docs/cli/fleet.md). */
export const RUNTIMES = ['docker', 'podman'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** What asks for the runtime of one cell, after the name of `openclaw`. */
export function fleetStatus(tenant: string): readonly string[] {
	return ['fleet', 'status', tenant, '--json'];
}

/** What `openclaw fleet status TENANT --json` says of the cell's runtime; `null`: nothing that is known here. */
export function runtimeIn(stdout: string): Runtime | null {
	for (const object of jsonObjectsIn(stdout)) {
		const found = RUNTIMES.find(
			name => name === object.runtime || (isRecord(object.cell) && name === object.cell.runtime),
		);
		if (found) return found;
	}
	return null;
}

/**
 * What `openclaw fleet list --json` has printed. A cell that was removed and made again has another time of creation, and so another id; one that was upgraded
 * is the same, with the same data. `runtimeOf`: which runtime a cell has, by tenant and id, or `null` where that is not known yet.
 */
export function readFleet(stdout: string, runtimeOf: (tenant: string, id: string) => Runtime | null): readonly Entry[] {
	for (const {cells} of jsonObjectsIn(stdout)) {
		if (!Array.isArray(cells)) continue;
		return bounded(cells).map((item: unknown) => {
			const {tenant, state, port, created} = isRecord(item) ? item : {};
			const id = `${String(tenant)}@${typeof created === 'string' ? created : ''}`;
			const entry = entryFrom({name: tenant, id, port, isStopped: state !== 'running'});
			if (entry.kind === 'refused') return entry;
			const {name} = entry.found;
			// The runtime cannot be asked, or the container is not the fleet's.
			if (state === 'unknown') return refused(name, name, 'has an unknown state; see openclaw fleet doctor');
			if (typeof state !== 'string') return refused(name, name, `has a state that is no text: ${shown(state)}`);
			const runtime = runtimeOf(name, id);
			if (runtime === null)
				return refused(
					name,
					name,
					`is not asked for yet whether docker or podman runs it (openclaw fleet status ${name})`,
				);
			const layer = {exec: [runtime, 'exec', `openclaw-cell-${name}`], envFile: null, gateway: null};
			return {kind: 'found', found: {...entry.found, layer}};
		});
	}
	throw new InventoryError('its output has no list of cells ({"cells": […]})');
}
