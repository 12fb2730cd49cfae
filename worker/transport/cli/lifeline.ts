/**
 * Runs its arguments, and ends them when its standard input ends. Killing `docker exec` on the host leaves the command in the container running, and no
 * signal gets there; but its input ends, however the one who held it has ended. Only where a first line has come is there such a line to hold on to:
 * without one, nothing is handed on. It kills with SIGKILL what is still there 2 seconds after a SIGTERM. Constant, for any POSIX shell.
 */
export const LIFELINE_SCRIPT = [
	// Before there is anything to end: a signal that comes meanwhile is remembered.
	'pairkeeper_call= pairkeeper_ending=',
	`trap 'pairkeeper_ending=1; [ -z "$pairkeeper_call" ] || kill "$pairkeeper_call"' TERM HUP INT`,
	'exec 3<&0 </dev/null',
	'"$@" 3<&- &',
	'pairkeeper_call=$!',
	'[ -z "$pairkeeper_ending" ] || kill "$pairkeeper_call"',
	'{',
	'	if read -r pairkeeper_line; then',
	'		while read -r pairkeeper_line; do :; done',
	'		kill "$pairkeeper_call"; sleep 2; kill -9 "$pairkeeper_call"',
	'	fi',
	'} <&3 >/dev/null 2>&1 &',
	'pairkeeper_watch=$!',
	'exec 3<&-',
	'wait "$pairkeeper_call"',
	'pairkeeper_code=$?',
	// A signal interrupts the wait, and then there is still something to wait for.
	'while kill -0 "$pairkeeper_call" 2>/dev/null; do wait "$pairkeeper_call"; pairkeeper_code=$?; done',
	'kill "$pairkeeper_watch" 2>/dev/null',
	'exit "$pairkeeper_code"',
].join('\n');

/** What is said first over a lifeline. */
export const LIFELINE_GREETING = '\n';
