import type {Clock} from '../../worker/clock.ts';
import {type Rate, RateLimit} from '../../worker/rate-limit.ts';
import type {ControlResponse} from './protocol.ts';
import type {Answer} from './server.ts';

/** What a group may ask: all that its members, and their scripts, have a use for. */
const ASKS: Rate = {burst: 60, perSecond: 10};

/** How often the configuration is read again for it: each time the whole of it, and all logs are opened anew. */
const RELOADS: Rate = {burst: 3, perSecond: 0.2};

/**
 * Answers as `answer` does, and not more often than a supervisor has time for: who may ask here need not be who may stop it. A reload that would come too
 * soon comes later, once for all who ask meanwhile. `signal` ends that wait.
 */
export function paced(answer: Answer, clock: Pick<Clock, 'now' | 'sleep'>, signal: AbortSignal): Answer {
	const asks = new RateLimit(ASKS, clock);
	const reloads = new RateLimit(RELOADS, clock);
	let next: Promise<ControlResponse> | null = null;
	return async request => {
		if (!asks.take())
			return {result: 'failed', detail: 'more is asked here than there is time for; ask again in a moment'};
		if (request.op !== 'reload') return answer(request);
		next ??= clock.sleep(reloads.wait, signal).then(() => {
			next = null;
			reloads.take();
			return answer(request);
		});
		return next;
	};
}
