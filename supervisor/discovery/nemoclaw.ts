import {isRecord, jsonObjectsIn} from '../../worker/json.ts';
import {bounded, type Entry, entryFrom, InventoryError} from './listing.ts';

/** What lists the sandboxes of NemoClaw. */
export const NEMOCLAW_LIST = ['nemoclaw', 'list', '--json'];

/** Sets what `openclaw` needs in such a sandbox. */
const ENVIRONMENT_FILE = '/tmp/nemoclaw-proxy-env.sh';

/**
 * What `nemoclaw list --json` has printed. Those with another agent than OpenClaw are none of ours. `dashboardPort` is the port of this host's loopback that is
 * forwarded to a sandbox's gateway; where there is none, the gateway is looked for inside.
 */
export function readNemoclaw(stdout: string): readonly Entry[] {
	for (const {sandboxes} of jsonObjectsIn(stdout)) {
		if (!Array.isArray(sandboxes)) continue;
		return bounded(sandboxes)
			.map((item: unknown) => (isRecord(item) ? item : {}))
			.filter(({agent}) => agent === undefined || agent === null || agent === 'openclaw')
			.map(({name, dashboardPort}) =>
				entryFrom({name, port: dashboardPort, layer: known => layerOf(known, dashboardPort)}),
			);
	}
	throw new InventoryError('its output has no list of sandboxes ({"sandboxes": […]})');
}

function layerOf(name: string, port: unknown): Record<string, unknown> {
	return {
		exec: ['openshell', 'sandbox', 'exec', '--name', name, '--'],
		envFile: ENVIRONMENT_FILE,
		gateway:
			typeof port === 'number'
				? {url: `ws://127.0.0.1:${port}`, tokenCommand: ['nemoclaw', name, 'gateway-token', '--quiet']}
				: null,
	};
}
