import type {Fleet} from '../fleet.ts';
import {describePass, isDone} from '../sandbox/pass-text.ts';
import type {Sandbox} from '../sandbox/sandbox.ts';
import type {Phase} from '../status/composition.ts';
import {fairShare, pendingRequest} from './pending.ts';
import {type ControlRequest, type ControlResponse, MAX_PENDING} from './protocol.ts';

/** So many names stand in a text. */
const SHOWN_NAMES = 5;

/** What may be asked about sandboxes. */
export type SandboxRequest = Exclude<ControlRequest, {op: 'reload'}>;

/** Does what is asked about these sandboxes, and answers when that is done. Never rejects. */
export async function answerAbout(fleet: Fleet, phase: Phase, request: SandboxRequest): Promise<ControlResponse> {
	if (request.op === 'pending') return pendingIn(fleet);
	const names = request.op === 'kick' ? request.sandboxes : [request.sandbox];
	const unknown = names.filter(name => !fleet.get(name));
	if (unknown.length > 0)
		return {
			result: 'refused',
			detail: `no sandbox is called ${unknown.join(', ')}; there are: ${fleet.names.join(', ')}`,
		};
	if (phase !== 'running') return {result: 'failed', detail: `the supervisor is ${phase}; ask again in a moment`};
	const sandboxes = fleet.all.filter(({name}) => names.length === 0 || names.includes(name));
	if (request.op === 'kick') return kick(sandboxes);
	const [sandbox] = sandboxes;
	if (!sandbox) return {result: 'failed', detail: 'the sandbox is gone'};
	if (request.op === 'decide') {
		const {action, request: requestId, digest, timeout} = request;
		return sandbox.decide({action, requestId, digest}, timeout);
	}
	const outcome = await sandbox.pass(request.timeout);
	return {result: isDone(outcome) ? 'done' : 'failed', detail: describePass(outcome)};
}

function kick(sandboxes: readonly Sandbox[]): ControlResponse {
	const kicked = sandboxes.filter(sandbox => sandbox.kick()).length;
	return {result: 'done', detail: `${kicked} of ${sandboxes.length} asked to poll now`};
}

/** The first few of these names. */
function someOf(names: readonly string[]): string {
	const rest = names.length - SHOWN_NAMES;
	return names.slice(0, SHOWN_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** What waits for a person, in all sandboxes. */
function pendingIn(fleet: Fleet): ControlResponse {
	const all = fleet.all.map(({name, held}) => held.requests.map(request => pendingRequest(name, request)));
	const pending = fairShare(all, MAX_PENDING);
	const omitted = fleet.all.reduce((sum, {held}) => sum + held.omitted, 0);
	const left = all.flat().length - pending.length + omitted;
	const stale = fleet.all.filter(({held}) => !held.isFresh && held.requests.length > 0).map(({name}) => name);
	const details = [
		...(left > 0 ? [`${left} more are not shown`] : []),
		...(stale.length > 0 ? [`${someOf(stale)}: as it was when the worker ended, which is being started again`] : []),
	];
	return {result: 'done', detail: details.join('\n'), pending};
}
