import {heldCounts} from '../control/pending.ts';
import {page} from './page.ts';
import type {Route} from './routes.ts';
import type {Sources} from './sources.ts';
import {withoutAskers} from './view.ts';

/** What a request is answered with. */
export interface Reply {
	readonly code: number;
	readonly type: string;
	readonly body: string;
	readonly headers?: Readonly<Record<string, string>>;
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

/** Answers what was asked for. `isPrivate`: whoever asks may see who asks for what. */
export async function answerTo(
	route: Exclude<Route, 'events'>,
	sources: Sources,
	{isPrivate}: {readonly isPrivate: boolean},
): Promise<Reply> {
	switch (route) {
		case 'page':
			return {code: 200, type: 'text/html; charset=utf-8', body: page.html, headers: page.headers};
		case 'livez':
			return {code: 200, type: TEXT, body: 'ok\n'};
		case 'healthz': {
			const {level, text} = sources.health(sources.status());
			return {code: level === 'ok' || level === 'degraded' ? 200 : 503, type: TEXT, body: `${level}: ${text}\n`};
		}
		case 'status': {
			const status = sources.status();
			return json(isPrivate ? status : withoutAskers(status));
		}
		case 'pending': {
			const pending = await sources.pending();
			if (isPrivate) return json(pending);
			return json({total: pending.length, sandboxes: Object.fromEntries(heldCounts(pending))});
		}
		case 'history':
			return json({minutes: sources.history()});
		case 'metrics': {
			const {type, text} = await sources.metrics();
			return {code: 200, type, body: text};
		}
	}
}

/** As text, for a request that does not get what it asks for. */
export function plainReply(code: number, text: string, headers: Readonly<Record<string, string>> = {}): Reply {
	return {code, type: TEXT, body: `${text}\n`, headers};
}

function json(value: unknown): Reply {
	return {code: 200, type: JSON_TYPE, body: `${JSON.stringify(value)}\n`};
}
