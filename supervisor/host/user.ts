import {spawnSync} from 'node:child_process';
import {environmentFor} from '../../worker/host/environment.ts';

/** How long the name service may take to answer, in milliseconds: it may ask a directory on the network. */
const TIMEOUT = 5000;

/** Those that were found: a user's number does not change while he is known by his name. */
const known = new Map<string, number>();

/** The number of the user called `name`, or `null` where there is none, or where the name service does not say. */
export function userIdOf(name: string): number | null {
	const before = known.get(name);
	if (before !== undefined) return before;
	const env = environmentFor({kind: 'program'}, [], process.env);
	const {stdout} = spawnSync('getent', ['passwd', '--', name], {env, encoding: 'utf8', timeout: TIMEOUT});
	const [, , uid = ''] = (stdout ?? '').trim().split(':');
	if (!/^\d+$/.test(uid)) return null;
	known.set(name, Number(uid));
	return Number(uid);
}
