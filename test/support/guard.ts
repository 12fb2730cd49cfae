import {type ChildProcess, spawn} from 'node:child_process';

// Waits for its standard input to end, which the kernel sees to however our process ends, SIGKILL included. Then it
// ends the process groups, and removes the folders and network namespaces that were still registered.
const script = `
declare -A groups folders networks
while read -r op value; do
	case $op in
		group) groups[$value]=1 ;;
		folder) folders[$value]=1 ;;
		network) networks[$value]=1 ;;
		done) unset "groups[$value]" "folders[$value]" "networks[$value]" ;;
	esac
done
for group in "\${!groups[@]}"; do kill -TERM -- "-$group"; done
for _ in {1..50}; do
	for group in "\${!groups[@]}"; do kill -0 -- "-$group" || unset "groups[$group]"; done
	[ \${#groups[@]} = 0 ] && break
	sleep 0.1
done
for group in "\${!groups[@]}"; do kill -KILL -- "-$group"; done
for network in "\${!networks[@]}"; do ip netns del "$network"; done
[ \${#folders[@]} = 0 ] || rm -rf -- "\${!folders[@]}"
`;

let guard: ChildProcess | undefined;

function tell(line: string): void {
	if (!guard) {
		// A session of its own: Ctrl-C at the terminal must not reach it.
		guard = spawn('bash', ['-c', script], {stdio: ['pipe', 'ignore', 'ignore'], detached: true});
		guard.unref();
		// The type does not say so, but the pipe is a socket: an open one must not keep us alive.
		if (guard.stdin && 'unref' in guard.stdin && typeof guard.stdin.unref === 'function') guard.stdin.unref();
		guard.stdin?.on('error', () => {});
	}
	guard.stdin?.write(`${line}\n`);
}

/** From now on this process group is ended when our process ends, however that happens. */
export function guardGroup(pid: number): void {
	tell(`group ${pid}`);
}

/** From now on this folder is removed when our process ends, however that happens. */
export function guardFolder(path: string): void {
	tell(`folder ${path}`);
}

/** From now on this named network namespace is removed when our process ends, however that happens. */
export function guardNetwork(name: string): void {
	tell(`network ${name}`);
}

/** This group, folder or network namespace is gone, or is to stay. */
export function unguard(groupOrFolder: number | string): void {
	tell(`done ${groupOrFolder}`);
}
