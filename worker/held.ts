import {MAX_HELD} from './bounds.ts';
import type {HeldRequest} from './protocol.ts';
import {MAX_SHOWN} from './requests/decision.ts';
import type {Held} from './requests/plan.ts';
import {keyOf} from './requests/record.ts';
import {printable} from './text.ts';

/** More text than this is not told of what is held, in characters: a sandbox decides how much is asked for, and how often that changes. */
const MAX_TEXT = 128 * 1024;

/** What may be shown of one name, in characters: all of it, since a person decides by what is shown. */
const MAX_NAME = 128;

/** What time it is by both clocks, in milliseconds. */
interface Moment {
	readonly now: number;
	readonly wall: number;
}

/** What is told of what waits for a person. */
export interface ShownHeld {
	readonly requests: readonly HeldRequest[];
	/** So many more wait, for which there is no room. */
	readonly omitted: number;
}

/** What waits for a person, made safe to show; as much of it as there is room for. Pure. */
export function shownHeld(held: readonly Held[], {now, wall}: Moment): ShownHeld {
	const onWall = (at: number) => Math.max(Math.round(wall + at - now), 0);
	const shown: HeldRequest[] = [];
	let room = MAX_TEXT;
	for (const {request, gives, reason, digest, since, rejectAt} of held.slice(0, MAX_HELD)) {
		const entry: HeldRequest = {
			requestId: printable(keyOf(request), MAX_NAME),
			deviceId: name(request.deviceId),
			clientId: name(request.clientId),
			clientMode: name(request.clientMode),
			role: request.kind === 'request' ? name(request.role) : null,
			roles: names(request.kind === 'request' ? request.roles : null),
			scopes: names(request.scopes),
			gives: names(gives),
			reason,
			since: onWall(since),
			rejectAt: rejectAt === null ? null : onWall(rejectAt),
			digest,
		};
		room -= JSON.stringify(entry).length;
		if (room < 0) break;
		shown.push(entry);
	}
	return {requests: shown, omitted: held.length - shown.length};
}

function name(text: string | null): string | null {
	return text === null ? null : printable(text, MAX_NAME);
}

function names(texts: readonly string[] | null): string[] {
	return (texts ?? []).slice(0, MAX_SHOWN).map(text => printable(text, MAX_NAME));
}
