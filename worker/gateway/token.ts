import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {runCall} from '../cli/call.ts';
import {ClientError} from '../client.ts';
import {MARKER} from '../host/processes.ts';
import {printable} from '../text.ts';

/** No token is longer, in bytes. */
const MAX_TOKEN = 4096;

/** Where a gateway's token comes from. */
export type TokenSource =
	| {readonly kind: 'file'; readonly file: string}
	| {readonly kind: 'command'; readonly command: readonly string[]};

/**
 * The token in `file`; links are followed. Throws an error that names the file and the remedy when it cannot be read, is empty, or can be read by
 * more than its owner; a group may where root owns the file, since root chose the group.
 */
export function readTokenFile(file: string): string {
	// Without O_NONBLOCK a named pipe in its place would stop us for ever.
	const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	try {
		const stats = fstatSync(descriptor);
		const {mode, uid} = stats;
		if (!stats.isFile()) throw new Error(`${file} is no regular file`);
		if ((mode & 0o007) !== 0) throw new Error(`${file} can be read by other users; mend it: chmod o-rwx ${file}`);
		if ((mode & 0o070) !== 0 && uid !== 0)
			throw new Error(`${file} can be read by its group; mend it: chmod go-rwx ${file}`);
		const buffer = Buffer.alloc(MAX_TOKEN + 1);
		return toToken(buffer.toString('utf8', 0, readSync(descriptor, buffer)), file);
	} finally {
		closeSync(descriptor);
	}
}

/** Reads the token anew. Rejects with a {@link ClientError} whose message does not hold it. */
export async function readToken(
	source: TokenSource,
	bounds: {readonly timeout: number; readonly owner: string; readonly signal: AbortSignal},
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
	const [file = '', ...args] = source.command;
	const env = {...process.env, [MARKER]: bounds.owner};
	const {code, stdout} = await runCall({file, args, env}, bounds).catch((error: unknown) => {
		if (!(error instanceof ClientError)) throw error;
		throw new ClientError(error.failure, `tokenCommand: ${error.message}`, {cause: error});
	});
	// Neither stream is shown: whatever such a command prints may be the token.
	if (code !== 0)
		throw new ClientError('refused', `tokenCommand (${printable(file)}) exited with ${code ?? 'a signal'}`);
	return toToken(stdout, 'the output of tokenCommand');
}

function toToken(text: string, where: string): string {
	const token = text.trim();
	if (token === '') throw new ClientError('refused', `${where} holds no token`);
	if (token.length > MAX_TOKEN || /[\s\p{Cc}]/u.test(token))
		throw new ClientError('refused', `${where} holds something that is no token`);
	return token;
}
