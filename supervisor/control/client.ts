import {lstatSync} from 'node:fs';
import {connect} from 'node:net';
import {parseBounded} from '../../worker/json.ts';
import {messageOf, printable} from '../../worker/text.ts';
import {assertPrivate, type InstancePaths} from '../instance/paths.ts';
import {type ControlRequest, type ControlResponse, controlResponseSchema, MAX_RESPONSE} from './protocol.ts';

/** The longest line of an answer that is shown, and how many of them, so that no answer fills the screen. */
const MAX_SHOWN = 1000;
const MAX_LINES = 1000;

/** What came of asking the supervisor. `nobody`: nothing listens there; `unreachable`: something may, but it did not answer us. */
export type ControlReply =
	| {readonly kind: 'answered'; readonly response: ControlResponse}
	| {readonly kind: 'nobody'}
	| {readonly kind: 'unreachable'; readonly reason: string};

/** What came of asking at one socket. `forbidden`: it is there, and not for us. */
type SocketReply = ControlReply | {readonly kind: 'forbidden'};

/**
 * Asks the supervisor and waits for its answer, `timeout` milliseconds at most: at the owner's socket, else, where that is not for us, at the group's,
 * where nobody decides about one request. What the answer says is safe to show. Never rejects.
 */
export async function askSupervisor(
	paths: InstancePaths,
	request: ControlRequest,
	timeout: number,
): Promise<ControlReply> {
	const reply = await askAt(paths.controlSocket, paths, request, timeout);
	if (reply.kind !== 'forbidden') return reply;
	const isForGroup = request.op !== 'decide';
	const second = isForGroup ? await askAt(paths.groupSocket, paths, request, timeout) : reply;
	// One that a supervisor without a group does not have.
	if (second.kind === 'answered' || second.kind === 'unreachable') return second;
	return {
		kind: 'unreachable',
		reason: `no permission to use ${paths.controlSocket}: run this as the supervisor's user${isForGroup ? ', or as a member of the group that controlGroup names' : ''}`,
	};
}

async function askAt(
	socketFile: string,
	paths: InstancePaths,
	request: ControlRequest,
	timeout: number,
): Promise<SocketReply> {
	try {
		assertGenuine(socketFile, paths);
	} catch (error) {
		return {kind: 'unreachable', reason: printable(messageOf(error), MAX_SHOWN)};
	}
	return new Promise(resolve => {
		const socket = connect(socketFile);
		let text = '';
		const finish = (reply: SocketReply) => {
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
			if (text.length > MAX_RESPONSE) finish({kind: 'unreachable', reason: 'the supervisor sent too much'});
		});
		socket.on('error', (error: NodeJS.ErrnoException) => finish(replyTo(error, socketFile)));
		socket.on('end', () => finish(readReply(text)));
	});
}

/** Whoever owns the socket may have written anything. */
function readReply(text: string): SocketReply {
	const response = controlResponseSchema.safeParse(parseBounded(text));
	if (!response.success) return {kind: 'unreachable', reason: 'the supervisor hung up, it may be stopping'};
	const lines = response.data.detail.split('\n').slice(0, MAX_LINES);
	const detail = lines.map(line => printable(line, MAX_SHOWN)).join('\n');
	return {kind: 'answered', response: {...response.data, detail}};
}

function replyTo(error: NodeJS.ErrnoException, socketFile: string): SocketReply {
	if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR') return {kind: 'nobody'};
	if (error.code === 'EACCES' || error.code === 'EPERM') return {kind: 'forbidden'};
	return {kind: 'unreachable', reason: `${socketFile}: ${error.message}`};
}

/** Throws where another user could have made the socket, and so could answer in the supervisor's place. */
function assertGenuine(socketFile: string, {directory}: InstancePaths): void {
	assertPrivate(directory);
	const socket = lstatSync(socketFile, {throwIfNoEntry: false});
	const owner = lstatSync(directory, {throwIfNoEntry: false})?.uid;
	if (socket && ![0, process.getuid?.(), owner].includes(socket.uid)) {
		throw new Error(`${socketFile} belongs to user ${socket.uid}, not to the supervisor of this directory`);
	}
}
