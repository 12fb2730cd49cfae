import {askSupervisor} from '../control/client.ts';
import {EXIT} from './exit-codes.ts';
import {findInstance, notRunningAt} from './instance.ts';
import type {CommonOptions} from './options.ts';
import {pendingText} from './pending-text.ts';
import {safeJson} from './safe-json.ts';
import {outputWidth} from './table.ts';

/** How long the supervisor may take, in milliseconds. */
const TIMEOUT = 10_000;

/** `pairkeeper pending`: what waits for a person. */
export async function pending(options: CommonOptions & {readonly json?: boolean}): Promise<number> {
	const {paths} = findInstance({...options, environment: process.env});
	const reply = await askSupervisor(paths, {op: 'pending'}, TIMEOUT);
	if (reply.kind === 'nobody') {
		process.stderr.write(`${notRunningAt(paths)}\n`);
		return EXIT.notRunning;
	}
	if (reply.kind === 'unreachable' || reply.response.result !== 'done') {
		process.stderr.write(`${reply.kind === 'unreachable' ? reply.reason : reply.response.detail}\n`);
		return EXIT.failed;
	}
	const {pending: requests = [], detail} = reply.response;
	process.stdout.write(`${options.json ? safeJson(requests) : pendingText(requests, Date.now(), outputWidth())}\n`);
	if (detail !== '') process.stderr.write(`${detail}\n`);
	return EXIT.ok;
}
