import {createInterface} from 'node:readline/promises';
import type {Action} from '../../worker/protocol.ts';
import {isRequestId} from '../../worker/requests/request.ts';
import {messageOf} from '../../worker/text.ts';
import {askSupervisor} from '../control/client.ts';
import type {PendingRequest} from '../control/pending.ts';
import {EXIT} from './exit-codes.ts';
import {type FoundInstance, findInstance} from './instance.ts';
import {runAlone} from './once.ts';
import type {CommonOptions} from './options.ts';
import {describeRequest} from './pending-text.ts';

const DIGEST = /^[A-Za-z0-9_-]{1,128}$/;

/** One request of one sandbox. */
interface Named {
	readonly sandbox: string;
	readonly request: string;
}

type DecideOptions = CommonOptions & {readonly digest?: string | undefined};

/** Nothing was decided; the message says why. */
class NotDecided extends Error {
	readonly code: number;

	constructor(message: string, code: number = EXIT.failed) {
		super(message);
		this.code = code;
	}
}

/** `pairkeeper reject SANDBOX REQUEST`. `timeout` in milliseconds. */
export function reject(
	sandbox: string,
	request: string,
	options: CommonOptions & {readonly timeout: number},
): Promise<number> {
	return decideRequest('reject', {sandbox, request}, options, () => options.timeout);
}

/**
 * What a person decides about one request, whatever the policy says. An approval says first what it gives and asks on a terminal; elsewhere, and where no
 * supervisor can say what it gives, it needs the digest of what was seen. `left`: the milliseconds that are left, a person's time to think left out.
 */
export async function decideRequest(
	action: Action,
	named: Named,
	options: DecideOptions,
	left: () => number,
): Promise<number> {
	try {
		if (!isRequestId(named.request)) throw new NotDecided('that is not the id of a request', EXIT.usage);
		if (options.digest !== undefined && !DIGEST.test(options.digest))
			throw new NotDecided('--digest is not one that pairkeeper pending shows', EXIT.usage);
		const {digest, time} = action === 'approve' ? await agreed(named, options, left) : {digest: null, time: left()};
		const detail = await carryOut({action, named, digest}, options, time);
		process.stdout.write(`${named.sandbox}: ${detail}\n`);
		return EXIT.ok;
	} catch (error) {
		process.stderr.write(`${named.sandbox}: ${messageOf(error)}\n`);
		return error instanceof NotDecided ? error.code : EXIT.failed;
	}
}

/** The digest of what the person agrees to, and the milliseconds that are left. */
async function agreed(
	named: Named,
	options: DecideOptions,
	left: () => number,
): Promise<{readonly digest: string; readonly time: number}> {
	const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
	if (options.digest === undefined && !isTerminal)
		throw new NotDecided(
			'without a terminal, name what you have seen: --digest, as pairkeeper pending shows it',
			EXIT.usage,
		);
	const time = left();
	const entry = await shown(named, options, time);
	if (options.digest !== undefined) return {digest: options.digest, time: left()};
	if (entry === null)
		throw new NotDecided(
			'pairkeeper is not running, so nobody can say what this gives; start it, or name the --digest of what you have seen',
		);
	const asked = performance.now();
	const terminal = createInterface({input: process.stdin, output: process.stderr});
	// Ctrl-C and the end of the input are no agreement.
	const answer = await new Promise<string>(resolve => {
		terminal.once('close', () => resolve(''));
		void terminal.question('Approve this? [y/N] ').then(resolve);
	});
	terminal.close();
	if (!/^y(es)?$/i.test(answer.trim())) throw new NotDecided('nothing is approved');
	return {digest: entry.digest, time: left() + performance.now() - asked};
}

/** Shows what the approval gives. `null`: no supervisor runs, so nobody knows. */
async function shown({sandbox, request}: Named, options: DecideOptions, time: number): Promise<PendingRequest | null> {
	const reply = await askSupervisor(instanceFor(options).paths, {op: 'pending'}, time);
	if (reply.kind === 'nobody') return null;
	if (reply.kind === 'unreachable') throw new NotDecided(reply.reason);
	const {result, detail, pending = []} = reply.response;
	if (result !== 'done') throw new NotDecided(detail);
	const entry = pending.find(each => each.sandbox === sandbox && each.requestId === request);
	if (!entry)
		throw new NotDecided(`no request ${request} waits for a person there; pairkeeper pending shows those that do`);
	for (const line of describeRequest(entry, Date.now())) process.stdout.write(`${line}\n`);
	return entry;
}

interface Decision {
	readonly action: Action;
	readonly named: Named;
	readonly digest: string | null;
}

/** What was done; throws where it was not. */
async function carryOut(
	{action, named: {sandbox, request}, digest}: Decision,
	options: DecideOptions,
	time: number,
): Promise<string> {
	const instance = instanceFor(options);
	const timeout = Math.max(time, 1);
	const asked = {op: 'decide', sandbox, action, request, digest, timeout} as const;
	const reply = await askSupervisor(instance.paths, asked, timeout + 1000);
	switch (reply.kind) {
		case 'unreachable':
			throw new NotDecided(reply.reason);
		case 'answered':
			if (reply.response.result !== 'done') throw new NotDecided(reply.response.detail);
			return reply.response.detail;
		case 'nobody': {
			const end = performance.now() + timeout;
			const left = () => Math.max(end - performance.now(), 1);
			const alone = await runAlone({action, requestId: request, digest}, sandbox, options, instance, left);
			if (alone.kind === 'not-done') throw new NotDecided(alone.reason);
			const {decided, outcome, notes} = alone.result;
			for (const note of notes) process.stderr.write(`${note}\n`);
			if (decided?.result !== 'done')
				throw new NotDecided(decided?.detail ?? outcome.error ?? 'it is not known what became of it');
			return decided.detail;
		}
	}
}

function instanceFor(options: DecideOptions): FoundInstance {
	return findInstance({...options, environment: process.env});
}
