import {routeOf} from '../worker/transport/way.ts';
import type {Config, SandboxConfig} from './config/config.ts';
import {sandboxesInWords} from './status/condition.ts';
import {ahead} from './time-text.ts';

/** What a supervisor is about to do, in words: its version, the sandboxes, by which ways, and until when. `now`: the wall clock, in milliseconds. Pure. */
export function startText(
	{sandboxes}: Pick<Config, 'sandboxes'>,
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
		`${sandboxesInWords(watched.length)}${ways}${disabled > 0 ? ` and ${disabled} disabled` : ''}`,
		deadlineAt === null ? 'no deadline' : `ends ${ahead(deadlineAt, now)}, at ${deadlineAt} (deadline)`,
	].join(', ');
}

function wayOf(sandbox: SandboxConfig): string {
	if (sandbox.transport === 'gateway') return 'by the gateway';
	return sandbox.transport === 'cli' || routeOf(sandbox) === null ? 'by the CLI' : 'by the gateway or else the CLI';
}
