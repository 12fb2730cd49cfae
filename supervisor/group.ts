import {execaSync} from 'execa';

/** The number of a group, from wherever this host keeps its groups (getent(1)), or `null` where there is none of that name. */
export function groupIdOf(name: string): number | null {
	const {stdout = '', exitCode} = execaSync('getent', ['group', '--', name], {reject: false, timeout: 5000});
	const gid = Number.parseInt(stdout.split(':')[2] ?? '', 10);
	return exitCode === 0 && Number.isInteger(gid) ? gid : null;
}
