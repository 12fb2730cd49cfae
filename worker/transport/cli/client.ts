import pRetry from 'p-retry';
import {ClientError} from '../../client-error.ts';
import {type CommandResult, runCommand} from '../../host/run-command.ts';
import {jsonObjectsIn} from '../../json.ts';
import type {SandboxTarget} from '../../protocol.ts';
import {type ApprovalAnswer, type Listing, readApproval, readListing} from '../../requests/listing.ts';
import {isRequestId} from '../../requests/request.ts';
import {messageOf, printable, redact, SECRET_VARIABLE} from '../../text.ts';
import type {TurnOutcome, Turns} from '../../turns.ts';
import {mayHold, withoutSecrets} from '../../without-secrets.ts';
import type {OpenClawClient} from '../client.ts';
import {type Call, commandFor} from './command.ts';
import {assertObeyed} from './obeyed.ts';

/** How often a list is tried again when the reason may pass in a moment. After a timeout it is not: the next poll comes soon enough. */
const LIST_RETRIES = 2;
const LIST_RETRY_DELAY = 200;

/** The CLI is a client too: where it lacks scopes it asks for them, fails, and names the request that it has made. */
const CAUSED_ID = /requestId: ([A-Za-z0-9][A-Za-z0-9._:-]{0,127})/g;

/** What the CLI client needs to make calls for one sandbox. */
export interface CliOptions {
	readonly target: SandboxTarget;
	/** Milliseconds one call may take from now on; a one-shot pass shrinks it to what is left. */
	readonly timeout: () => number;
	/** What this worker's processes carry in their environment, to be found by (host/processes.ts). */
	readonly owner: string;
	readonly turns: Turns;
	/** What else must not be shown of what a call says. */
	readonly secrets?: () => readonly string[];
	/** Further variables of our environment that a call gets. */
	readonly passEnv: readonly string[];
}

/** OpenClaw through `openclaw devices …`, on the host or behind an `exec` prefix. */
export function cliClient(options: CliOptions): OpenClawClient {
	return {
		isStale: false,
		connection: null,
		list: signal =>
			pRetry(async () => readList(await callInTurn(options, {kind: 'list'}, signal), knownSecrets(options)), {
				retries: LIST_RETRIES,
				minTimeout: LIST_RETRY_DELAY,
				signal,
				shouldRetry: ({error}) =>
					error instanceof ClientError && (error.failure === 'refused' || error.failure === 'unreadable'),
			}),
		approve: async ({requestId}, signal) =>
			readAnswer(await callInTurn(options, {kind: 'approve', requestId}, signal), knownSecrets(options)),
		reject: async (requestId, signal) => {
			await callInTurn(options, {kind: 'reject', requestId}, signal);
		},
	};
}

/** Runs one call when the host has a turn for it. Waiting for the turn does not count against the call's bound. */
async function callInTurn(options: CliOptions, call: Call, signal: AbortSignal): Promise<CommandResult> {
	if ('requestId' in call && !isRequestId(call.requestId))
		throw new TypeError(`not a request id: ${printable(call.requestId)}`);
	const turn = await options.turns.take(call.kind, signal);
	let outcome: TurnOutcome = 'failed';
	try {
		const result = await callOnce(options, call, turn.id, signal);
		outcome = 'answered';
		return result;
	} catch (error) {
		if (error instanceof ClientError && error.failure === 'timeout') outcome = 'timeout';
		throw error;
	} finally {
		turn.over(outcome);
	}
}

async function callOnce(options: CliOptions, call: Call, id: number, signal: AbortSignal): Promise<CommandResult> {
	const {target, timeout, owner, passEnv} = options;
	assertSafe(target, passEnv);
	const bounds = {timeout: timeout(), owner: `${owner}/${id}`, signal};
	const result = await runCommand(commandFor(target, call, {...bounds, passEnv}), bounds);
	if (result.code === 0) return result;
	const reason = printable(redact(reasonOf(result).slice(0, 4096), knownSecrets(options)));
	const caused = [...`${result.stderr}\n${result.stdout}`.matchAll(CAUSED_ID)].flatMap(match => match[1] ?? []);
	throw new ClientError(
		'refused',
		`openclaw devices ${call.kind} exited with ${result.code ?? 'a signal'}: ${reason}`,
		{caused},
	);
}

/** What OpenClaw may repeat in its messages: the secrets in the sandbox's `env` too. */
function knownSecrets({target: {env}, secrets}: CliOptions): string[] {
	const named = Object.entries(env).flatMap(([name, value]) => (SECRET_VARIABLE.test(name) ? value : []));
	return [...named, ...(secrets?.() ?? [])];
}

function assertSafe(target: SandboxTarget, passEnv: readonly string[]): void {
	try {
		assertObeyed(target, passEnv);
	} catch (error) {
		throw new ClientError('unsafe', `openclaw is not run here: ${printable(messageOf(error), 400)}`, {cause: error});
	}
}

function readList({stdout}: CommandResult, secrets: readonly string[]): Listing {
	const mayShow = mayHold(stdout, secrets);
	for (const value of jsonObjectsIn(stdout)) {
		const listing = readListing(mayShow ? withoutSecrets(value, secrets) : value);
		if (listing) return listing;
	}
	const seen = stdout.trim() === '' ? 'printed nothing' : 'printed no listing of devices';
	throw new ClientError('unreadable', `openclaw devices list ${seen}`);
}

/** Exit code 0 alone means that it is approved. What the output says of device and scopes, if anything, is for the caller to compare. */
function readAnswer({stdout}: CommandResult, secrets: readonly string[]): ApprovalAnswer {
	const mayShow = mayHold(stdout, secrets);
	let isRead = false;
	for (const value of jsonObjectsIn(stdout)) {
		const answer = readApproval(mayShow ? withoutSecrets(value, secrets) : value);
		if (answer.deviceId !== null || answer.scopes !== null || answer.isUnreadable) return answer;
		isRead ||= 'device' in value;
	}
	// It may be broken off, or nested too deeply, and still name one.
	return {deviceId: null, scopes: null, isUnreadable: !isRead && /"device"\s*:\s*\{/.test(stdout)};
}

/** The most telling words of a failed call: the JSON error's message, else the first line that says something. */
function reasonOf({stdout, stderr}: CommandResult): string {
	for (const {error} of jsonObjectsIn(stdout)) {
		if (typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string')
			return error.message;
	}
	const lines = `${stderr}\n${stdout}`.split('\n', 200).map(line => line.trim());
	return (
		lines.find(line => /requestId|error|fail|closed|refused|not found|no such/i.test(line)) ??
		lines.find(line => line !== '') ??
		'no message'
	);
}
