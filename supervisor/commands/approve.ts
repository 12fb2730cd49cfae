import {messageOf} from '../../worker/text.ts';
import {askSupervisor} from '../control/client.ts';
import {describePass, isDone} from '../sandbox/pass-text.ts';
import {decideRequest} from './decide.ts';
import {EXIT} from './exit-codes.ts';
import {findInstance} from './instance.ts';
import {runAlone} from './once.ts';
import type {CommonOptions} from './options.ts';

/** Part of the timeout that is left for printing the outcome and ending the process, in milliseconds. */
const CLOSING_TIME = 300;

type ApproveOptions = CommonOptions & {readonly timeout: number; readonly strict?: boolean; readonly digest?: string};

interface ApproveResult {
	readonly isDone: boolean;
	readonly detail: string;
	readonly notes?: readonly string[];
}

/**
 * `pairkeeper approve SANDBOX [REQUEST]`. Without a request, scripts run it before they connect a user, which it must never prevent: it exits 0 even on
 * failure, unless `--strict`.
 */
export async function approve(sandbox: string, request: string | undefined, options: ApproveOptions): Promise<number> {
	// performance.now() counts from the start of the process, as does whoever waits for it to end.
	const left = () => Math.max(options.timeout - CLOSING_TIME - performance.now(), 1);
	if (request !== undefined) return decideRequest('approve', {sandbox, request}, options, left);
	const {
		isDone,
		detail,
		notes = [],
	} = await approveWithin(sandbox, options, left).catch((error: unknown) => ({
		isDone: false,
		detail: messageOf(error),
		notes: [],
	}));
	for (const note of notes) process.stderr.write(`${note}\n`);
	(isDone ? process.stdout : process.stderr).write(`${sandbox}: ${detail}\n`);
	return isDone || !options.strict ? EXIT.ok : EXIT.failed;
}

async function approveWithin(sandbox: string, options: ApproveOptions, left: () => number): Promise<ApproveResult> {
	const instance = findInstance({...options, environment: process.env});
	const request = {op: 'approve', sandbox, timeout: left()} as const;
	const reply = await askSupervisor(instance.paths, request, left() + CLOSING_TIME / 2);
	if (reply.kind === 'answered') return {isDone: reply.response.result === 'done', detail: reply.response.detail};
	if (reply.kind === 'unreachable') return {isDone: false, detail: reply.reason};
	const alone = await runAlone('pass', sandbox, options, instance, left);
	if (alone.kind === 'not-done') return {isDone: false, detail: alone.reason};
	const {outcome, notes} = alone.result;
	return {isDone: isDone(outcome), detail: describePass(outcome), notes};
}
