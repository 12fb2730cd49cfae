import {isRecord, parseBounded} from '../../worker/json.ts';
import {bounded, type Entry, entryFrom, InventoryError, refused, shown} from './listing.ts';

/**
 * What a command of the configuration has printed: `[{"name", "port", "host", "state"}]`, all but `name` optional. Throws an {@link InventoryError} where it is
 * something else.
 */
export function readCommandInventory(stdout: string): readonly Entry[] {
	const items = parseBounded(stdout.trim());
	if (!Array.isArray(items))
		throw new InventoryError(
			'its output is not a list of sandboxes in JSON, such as [{"name": "alpha", "port": 18789}]',
		);
	return bounded(items).map((item: unknown, index) => {
		if (!isRecord(item)) return refused(null, item, `is no sandbox: entry ${index + 1} must be a map with a name`);
		const {name, port, host, state} = item;
		const entry = entryFrom({name, port, host, isStopped: state === 'stopped'});
		const isKnown = state === undefined || state === null || state === 'running' || state === 'stopped';
		if (isKnown || entry.kind === 'refused') return entry;
		return refused(entry.found.name, name, `has a state that is neither running nor stopped: ${shown(state)}`);
	});
}
