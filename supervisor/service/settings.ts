import {messageOf, printable} from '../../worker/text.ts';
import {type UnixAddress, unixAddress} from './unix-address.ts';

/** What whoever started us wants to be told, as sd_notify(3) and sd_watchdog_enabled(3) have it. */
export interface ServiceSettings {
	/** Where it is told, or `null`: nobody is. */
	readonly address: UnixAddress | null;
	/** We are to be heard of at least this often, in milliseconds, or are taken to hang; `null`: nobody minds. */
	readonly watchdog: number | null;
	/** What of it cannot be used, for the log. */
	readonly problems: readonly string[];
}

/** Reads NOTIFY_SOCKET, and WATCHDOG_USEC where that is meant for process `pid`. Empty is unset. Pure. */
export function serviceSettings(
	{NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched}: Readonly<NodeJS.ProcessEnv>,
	pid: number,
): ServiceSettings {
	if (!socket) return {address: null, watchdog: null, problems: []};
	let address: UnixAddress;
	try {
		address = unixAddress(socket);
	} catch (error) {
		const problem = `NOTIFY_SOCKET cannot be used, so the service manager is told nothing: ${messageOf(error)}`;
		return {address: null, watchdog: null, problems: [problem]};
	}
	// Another process's: a wrapper's that handed its environment on.
	const isOurs = !watched || watched === String(pid);
	if (!microseconds || !isOurs) return {address, watchdog: null, problems: []};
	const watchdog = Number(microseconds) / 1000;
	if (/^\d+$/.test(microseconds) && watchdog > 0) return {address, watchdog, problems: []};
	const stands = printable(microseconds, 40);
	const problem = `WATCHDOG_USEC must be a whole number of microseconds above 0, and is ${stands}: the watchdog is not fed`;
	return {address, watchdog: null, problems: [problem]};
}
