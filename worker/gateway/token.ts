import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {runCall} from '../cli/call.ts';
import {ClientError} from '../client.ts';
import {MARKER} from '../host/processes.ts';
import {assertTrusted} from '../host/trusted-path.ts';
import {printable} from '../text.ts';
import type {TurnOutcome, Turns} from '../turns.ts';

/** No token is longer, in bytes. */
const MAX_TOKEN = 4096;

/** Where a gateway's token comes from. */
export type TokenSource =
	| {readonly kind: 'file'; readonly file: string}
	| {readonly kind: 'command'; readonly command: readonly string[]};

/**
 * The token in `file`; links are followed. Throws an error that names the file and the remedy when it cannot be read, is empty, or can be read by
 * more than its owner; a group may where root owns the file, since root chose the group. And when somebody else could put another file there.
 */
export function readTokenFile(file: string): string {
	// Without O_NONBLOCK a named pipe in its place would stop us for ever.
	const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	try {
		const stats = fstatSync(descriptor);
		const {mode, uid} = stats;
		if (!stats.isFile()) throw new Error(`${file} is not a regular file`);
		if ((mode & 0o007) !== 0) throw new Error(`${file} can be read by other users; fix: chmod o-rwx ${file}`);
		if ((mode & 0o070) !== 0 && uid !== 0)
			throw new Error(`${file} can be read by its group; fix: chmod go-rwx ${file}`);
		// Whoever could put another file there could have any secret that we can read sent to a gateway.
		assertTrusted(file);
		const buffer = Buffer.alloc(MAX_TOKEN + 1);
		return toToken(buffer.toString('utf8', 0, readSync(descriptor, buffer)), file);
	} finally {
		closeSync(descriptor);
	}
}

/** Reads the token anew. Rejects with a {@link ClientError} whose message does not hold it. */
export async function readToken(
	source: TokenSource,
	bounds: {readonly timeout: number; readonly owner: string; readonly turns: Turns; readonly signal: AbortSignal},
): Promise<string> {
	if (source.kind === 'file') {
		try {
			return readTokenFile(source.file);
		} catch (error) {
			throw new ClientError(
				'unsafe',
				`the gateway's token cannot be read: ${printable((error as Error).message, 400)}`,
				{cause: error},
			);
		}
	}
	// Such a command may cost what a call of the CLI costs, so it takes its turn with them.
	const turn = await bounds.turns.take('token', bounds.signal);
	let outcome: TurnOutcome = 'failed';
	try {
		const token = await runTokenCommand(source.command, bounds);
		outcome = 'answered';
		return token;
	} catch (error) {
		if (!(error instanceof ClientError)) throw error;
		if (error.failure === 'timeout') outcome = 'timeout';
		throw new ClientError(error.failure, `tokenCommand: ${error.message}`, {cause: error});
	} finally {
		turn.over(outcome);
	}
}

async function runTokenCommand(
	[file = '', ...args]: readonly string[],
	bounds: {readonly timeout: number; readonly owner: string; readonly signal: AbortSignal},
): Promise<string> {
	const env = {...process.env, [MARKER]: bounds.owner};
	const {code, stdout} = await runCall({file, args, env}, bounds);
	// Neither stream is shown: whatever such a command prints may be the token.
	if (code !== 0) throw new ClientError('refused', `${printable(file)} exited with ${code ?? 'a signal'}`);
	return toToken(stdout, 'its output');
}

function toToken(text: string, where: string): string {
	const token = text.trim();
	if (token === '') throw new ClientError('refused', `${where} holds no token`);
	if (token.length > MAX_TOKEN || /[\s\p{Cc}]/u.test(token))
		throw new ClientError('refused', `${where} holds something that is not a token`);
	return token;
}
