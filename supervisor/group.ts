import {spawnSync} from 'node:child_process';

/** How long the name service may take to answer, in milliseconds: it may ask a directory on the network. */
const TIMEOUT = 5000;

/** The number of the group called `name`, or `null` where there is none, or where the name service does not say. */
export function groupIdOf(name: string): number | null {
	// Not by execa, which is much to load for every command that reads a configuration.
	const {stdout} = spawnSync('getent', ['group', '--', name], {encoding: 'utf8', timeout: TIMEOUT});
	const [, , gid = ''] = (stdout ?? '').trim().split(':');
	return /^\d+$/.test(gid) ? Number(gid) : null;
}
