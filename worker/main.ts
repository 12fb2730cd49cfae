import {systemClock} from './clock.ts';
import {killCommands} from './host/command-group.ts';
import {becomeExpendable} from './host/expendable.ts';
import {collectGarbage, Garbage} from './host/garbage.ts';
import {startTimeOf} from './host/process-table.ts';
import {endMarked} from './host/processes.ts';
import type {ToLauncher, ToSupervisor, ToWorker} from './protocol.ts';
import {SupervisorLink} from './supervisor-link.ts';
import {loadGateway} from './transport/open.ts';
import {Worker} from './worker.ts';

/** How long what was started is looked for when the supervisor is gone, in milliseconds; the next supervisor looks again. */
const FAREWELL = 5000;

/** The forked process: ignores what is meant for the supervisor, ends with it, and leaves nothing behind. */
becomeExpendable();
const stopping = new AbortController();
const link = new SupervisorLink(message => send(message), systemClock);
let worker: Worker | undefined;
let owner: string | undefined;
/** The supervisor is gone, and what was started for it is being ended. */
let isOrphaned = false;

// Terminal signals reach the whole foreground group; what they mean is the supervisor's to decide.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE'] as const) process.on(signal, () => {});
process.on('SIGTERM', () => stopping.abort(new Error('stopped')));
process.on('disconnect', () => void endWithSupervisor());
// Only the supervisor can write to this channel, so what comes is what its own types say.
process.on('message', (message: ToWorker | ToLauncher) => receive(message));

function receive(message: ToWorker | ToLauncher): void {
	switch (message.kind) {
		case 'stand-by':
			void standBy(message);
			return;
		case 'start':
			void run(message);
			return;
		case 'granted':
			link.granted(message.turn);
			return;
		case 'stop':
			stopping.abort(new Error('stopped'));
			return;
		case 'compile':
			// The launcher has the code, and answers.
			return;
		default:
			worker?.receive(message);
	}
}

/** What fails here ends the process: no sandbox is to have it. */
async function standBy({hasRoute}: Extract<ToWorker, {kind: 'stand-by'}>): Promise<void> {
	// No sandbox can be called so.
	process.title = 'pairkeeper: (standby)';
	if (hasRoute) await loadGateway();
}

async function run(start: Extract<ToWorker, {kind: 'start'}>): Promise<void> {
	owner = start.owner;
	// As ps shows it, and as far as the kernel's 15 bytes go, top.
	process.title = `pairkeeper: ${start.config.name}`;
	const garbage = new Garbage({
		now: systemClock.now,
		used: () => process.memoryUsage().heapUsed,
		collect: collectGarbage,
	});
	worker = new Worker(start, {link, clock: systemClock, signal: stopping.signal, tidy: () => garbage.look()});
	await worker.run().catch((error: unknown) => {
		if (!isOrphaned) throw error;
	});
	// The loop ends sooner than what a call has left is found.
	if (isOrphaned) return;
	// A relay is there for as long as its connection.
	killCommands();
	// What was said last must get through before the channel closes.
	send({kind: 'done'}, () => process.exit(0));
}

/** Once the channel is closed a message is dropped, since this process is about to end. */
function send(message: ToSupervisor, sent: () => void = () => {}): void {
	if (process.connected && process.send) process.send(message, undefined, undefined, sent);
	else sent();
}

/** The supervisor is gone: nobody bounds the host's calls any more, so none may go on. */
async function endWithSupervisor(): Promise<void> {
	isOrphaned = true;
	// First of all, so that no call is made in place of one that is killed.
	stopping.abort(new Error('the supervisor is gone'));
	killCommands();
	if (owner !== undefined) await endMarked(owner, {since: startTimeOf(process.pid), within: FAREWELL}).catch(() => {});
	process.exit(1);
}
