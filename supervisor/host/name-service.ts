import {execFile, spawnSync} from 'node:child_process';
import {promisify} from 'node:util';
import {environmentFor} from '../../worker/host/environment.ts';

/** How long the name service may take to answer, in milliseconds: it may ask a directory on the network. */
const TIMEOUT = 5000;

/** Users that were found: a user's number does not change while he is known by his name. */
const knownUsers = new Map<string, number>();

/** The number of the user called `name`, or `null` where there is none, or where the name service does not say. Nothing else happens meanwhile. */
export function userIdOf(name: string): number | null {
	const uid = knownUsers.get(name) ?? look('passwd', name);
	if (uid !== null) knownUsers.set(name, uid);
	return uid;
}

/** The number of the group called `name`, or `null` where there is none, or where the name service does not say. Nothing else happens meanwhile. */
export function groupIdOf(name: string): number | null {
	return look('group', name);
}

/** As {@link groupIdOf}, for a supervisor, which has other things to do meanwhile. */
export async function findGroupId(name: string): Promise<number | null> {
	const asked = promisify(execFile)('getent', ['group', '--', name], bounds());
	return asked.then(
		({stdout}) => idIn(stdout),
		() => null,
	);
}

/** Not by execa, which is much to load for every command that reads a configuration. */
function look(database: 'passwd' | 'group', name: string): number | null {
	const {stdout} = spawnSync('getent', [database, '--', name], bounds());
	return idIn(stdout ?? '');
}

function bounds() {
	return {env: environmentFor({kind: 'program'}, [], process.env), encoding: 'utf8', timeout: TIMEOUT} as const;
}

/** A line of passwd(5) or group(5): the number stands third in both. */
function idIn(line: string): number | null {
	const [, , id = ''] = line.trim().split(':');
	return /^\d+$/.test(id) ? Number(id) : null;
}
