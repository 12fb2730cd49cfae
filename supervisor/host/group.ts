import {execFile, spawnSync} from 'node:child_process';
import {promisify} from 'node:util';
import {environmentFor} from '../../worker/host/environment.ts';

/** How long the name service may take to answer, in milliseconds: it may ask a directory on the network. */
const TIMEOUT = 5000;

/** The number of the group called `name`, or `null` where there is none, or where the name service does not say. Nothing else happens meanwhile. */
export function groupIdOf(name: string): number | null {
	// Not by execa, which is much to load for every command that reads a configuration.
	const {stdout} = spawnSync('getent', ['group', '--', name], bounds());
	return idIn(stdout ?? '');
}

/** As {@link groupIdOf}, for a supervisor, which has other things to do meanwhile. */
export async function findGroupId(name: string): Promise<number | null> {
	const asked = promisify(execFile)('getent', ['group', '--', name], bounds());
	return asked.then(
		({stdout}) => idIn(stdout),
		() => null,
	);
}

function bounds() {
	return {env: environmentFor({kind: 'program'}, [], process.env), encoding: 'utf8', timeout: TIMEOUT} as const;
}

/** A line of group(5). */
function idIn(line: string): number | null {
	const [, , gid = ''] = line.trim().split(':');
	return /^\d+$/.test(gid) ? Number(gid) : null;
}
