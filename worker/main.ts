import {killCalls} from './cli/call.ts';
import {systemClock} from './clock.ts';
import {endMarked} from './host/processes.ts';
import type {ToWorker} from './protocol.ts';
import {SupervisorLink} from './supervisor-link.ts';
import {Worker} from './worker.ts';

/** The forked process: ignores what is meant for the supervisor, ends with it, and leaves nothing behind. */
const stopping = new AbortController();
const link = new SupervisorLink();
let worker: Worker | undefined;
let owner: string | undefined;

// Terminal signals reach the whole foreground group; what they mean is the supervisor's to decide.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE'] as const) process.on(signal, () => {});
process.on('SIGTERM', () => stopping.abort(new Error('stopped')));
process.on('disconnect', () => void endWithSupervisor());
link.listen(take);

function take(message: ToWorker): void {
	switch (message.kind) {
		case 'start':
			void run(message);
			return;
		case 'kick':
			worker?.wakes.kick();
			return;
		case 'pass':
			worker?.wakes.requestPass(message.id);
			return;
		case 'clear-alarm':
			worker?.clearAlarm();
			return;
		case 'stop':
			stopping.abort(new Error('stopped'));
			return;
		case 'granted':
			return;
	}
}

async function run(start: Extract<ToWorker, {kind: 'start'}>): Promise<void> {
	owner = start.owner;
	worker = new Worker(start, {link, clock: systemClock, signal: stopping.signal});
	await worker.run();
	// What was said last must get through before the channel closes.
	link.send({kind: 'done'}, () => process.exit(0));
}

/** The supervisor is gone: nobody bounds the host's calls any more, so none may go on. */
async function endWithSupervisor(): Promise<void> {
	// First of all, so that no call is made in place of one that is killed.
	stopping.abort(new Error('the supervisor is gone'));
	killCalls();
	if (owner !== undefined) await endMarked(owner);
	process.exit(1);
}
