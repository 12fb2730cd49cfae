import {routeOf} from '../worker/transport/way.ts';
import type {Config, SandboxConfig} from './config/config.ts';
import {shardText} from './config/shard.ts';
import {sandboxesInWords} from './status/condition.ts';
import {ahead} from './time-text.ts';

/** What a supervisor is about to do, in words: its version, the sandboxes, by which ways, and until when. `now`: the wall clock, in milliseconds. Pure. */
export function startText(
	{sandboxes, elsewhere, shard, discover}: Pick<Config, 'sandboxes' | 'elsewhere' | 'shard' | 'discover'>,
	{version, deadlineAt, now}: {readonly version: string; readonly deadlineAt: string | null; readonly now: number},
): string {
	const watched = sandboxes.filter(({enabled}) => enabled);
	const byWay = [...Map.groupBy(watched, wayOf)].map(([way, alike]) =>
		watched.length === alike.length ? way : `${alike.length} ${way}`,
	);
	const ways = byWay.length === 0 ? '' : ` (${byWay.join(', ')})`;
	const disabled = sandboxes.length - watched.length;
	return [
		`version ${version}`,
		...(shard.count > 1
			? [`share ${shardText(shard)}, which leaves ${sandboxesInWords(elsewhere.length)} to others`]
			: []),
		`${sandboxesInWords(watched.length)}${ways}${disabled > 0 ? ` and ${disabled} disabled` : ''}`,
		...(discover.length > 0
			? [`more by ${discover.length} ${discover.length === 1 ? 'inventory' : 'inventories'}`]
			: []),
		deadlineAt === null ? 'no deadline' : `ends ${ahead(deadlineAt, now)}, at ${deadlineAt} (deadline)`,
	].join(', ');
}

function wayOf(sandbox: SandboxConfig): string {
	if (sandbox.transport === 'gateway') return 'by the gateway';
	return sandbox.transport === 'cli' || routeOf(sandbox) === null ? 'by the CLI' : 'by the gateway or else the CLI';
}
