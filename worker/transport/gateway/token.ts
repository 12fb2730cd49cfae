import {randomUUID} from 'node:crypto';
import {ClientError} from '../../client-error.ts';
import {environmentFor} from '../../host/environment.ts';
import {MARKER} from '../../host/processes.ts';
import {readTokenFile, toToken} from '../../host/token-file.ts';
import {assertProgram} from '../../host/trusted-program.ts';
import {messageOf, printable} from '../../text.ts';
import type {TurnOutcome, Turns} from '../../turns.ts';

/** Where a gateway's token comes from. */
export type TokenSource =
	| {readonly kind: 'file'; readonly file: string}
	| {readonly kind: 'command'; readonly command: readonly string[]};

/** What a token's command is held to: `timeout` in milliseconds, `owner` marks its processes, `passEnv` names what more it gets of our environment. */
interface CommandBounds {
	readonly timeout: number;
	readonly owner: string;
	readonly passEnv?: readonly string[];
	readonly signal: AbortSignal;
}

/** Reads the token anew. Rejects with a {@link ClientError} whose message does not hold it. */
export async function readToken(source: TokenSource, bounds: CommandBounds & {readonly turns: Turns}): Promise<string> {
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

async function runTokenCommand([file = '', ...args]: readonly string[], bounds: CommandBounds): Promise<string> {
	try {
		assertProgram(file);
	} catch (error) {
		throw new ClientError('unsafe', printable(messageOf(error), 400), {cause: error});
	}
	// Most tokens come from files, for which nothing has to be loaded.
	const {runCommand} = await import('../../host/run-command.ts');
	// Its own, since what an earlier run has left may still be looked for when this one starts.
	const owner = `${bounds.owner}/${randomUUID()}`;
	const env = {[MARKER]: owner, ...environmentFor({kind: 'program'}, bounds.passEnv ?? [], process.env)};
	const {code, stdout} = await runCommand({file, args, env}, {...bounds, owner});
	// Neither stream is shown: whatever such a command prints may be the token.
	if (code !== 0) throw new ClientError('refused', `${printable(file)} exited with ${code ?? 'a signal'}`);
	try {
		return toToken(stdout, 'its output');
	} catch (error) {
		throw new ClientError('refused', messageOf(error));
	}
}
