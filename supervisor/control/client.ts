import {lstatSync} from 'node:fs';
import {connect} from 'node:net';
import {parseBounded} from '../../worker/json.ts';
import {messageOf} from '../../worker/text.ts';
import {assertPrivate, type InstancePaths} from '../instance/paths.ts';
import {type ControlRequest, type ControlResponse, controlResponseSchema, MAX_LINE} from './protocol.ts';

/** What came of asking the supervisor. `nobody`: nothing listens there; `unreachable`: something may, but it did not answer us. */
export type ControlReply =
	| {readonly kind: 'answered'; readonly response: ControlResponse}
	| {readonly kind: 'nobody'}
	| {readonly kind: 'unreachable'; readonly reason: string};

/** Asks the supervisor and waits for its answer, `timeout` milliseconds at most. Never rejects. */
export async function askSupervisor(
	paths: InstancePaths,
	request: ControlRequest,
	timeout: number,
): Promise<ControlReply> {
	try {
		assertGenuine(paths);
	} catch (error) {
		return {kind: 'unreachable', reason: messageOf(error)};
	}
	return new Promise(resolve => {
		const socket = connect(paths.controlSocket);
		let text = '';
		const finish = (reply: ControlReply) => {
			clearTimeout(timer);
			socket.destroy();
			resolve(reply);
		};
		const timer = setTimeout(
			() => finish({kind: 'unreachable', reason: 'the supervisor did not answer in time'}),
			timeout,
		);
		socket.setEncoding('utf8');
		socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
		socket.on('data', (chunk: string) => {
			text += chunk;
			if (text.length > MAX_LINE) finish({kind: 'unreachable', reason: 'the supervisor sent too much'});
		});
		socket.on('error', (error: NodeJS.ErrnoException) => finish(replyTo(error, paths)));
		socket.on('end', () => {
			const response = controlResponseSchema.safeParse(parseBounded(text));
			finish(
				response.success
					? {kind: 'answered', response: response.data}
					: {kind: 'unreachable', reason: 'the supervisor hung up, it may be stopping'},
			);
		});
	});
}

function replyTo(error: NodeJS.ErrnoException, {controlSocket}: InstancePaths): ControlReply {
	if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR') return {kind: 'nobody'};
	if (error.code !== 'EACCES' && error.code !== 'EPERM')
		return {kind: 'unreachable', reason: `${controlSocket}: ${error.message}`};
	return {
		kind: 'unreachable',
		reason: `no permission to use ${controlSocket}: run this as the supervisor's user, or as a member of the group that controlGroup names`,
	};
}

/** Throws where another user could have made the socket, and so could answer in the supervisor's place. */
function assertGenuine({directory, controlSocket}: InstancePaths): void {
	assertPrivate(directory);
	const socket = lstatSync(controlSocket, {throwIfNoEntry: false});
	const owner = lstatSync(directory, {throwIfNoEntry: false})?.uid;
	if (socket && ![0, process.getuid?.(), owner].includes(socket.uid)) {
		throw new Error(`${controlSocket} belongs to user ${socket.uid}, not to the supervisor of this directory`);
	}
}
