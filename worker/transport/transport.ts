import type {Clock} from '../clock.ts';
import type {RouteKind} from '../protocol.ts';
import type {Turns} from '../turns.ts';
import type {CliOptions} from './cli/client.ts';
import type {OpenClawClient} from './client.ts';

/** How a worker talks to its sandbox: a client, and what the status says of it. */
export interface Transport {
	readonly client: OpenClawClient;
	/** The way that a list would go now. */
	readonly kind: 'cli' | 'gateway';
	/** By what way it would go to the gateway; `null` by the CLI. */
	readonly route: RouteKind | null;
	/** Why it is not the gateway, or `null`. */
	readonly reason: string | null;
	/** Requests are announced, so that polls are only a safety net. */
	readonly isEventDriven: boolean;
	readonly warnings: readonly string[];
	/** To be told that a pass begins: what was announced so far is in it. */
	passBegins(): void;
	/** To be told that a pass is over, approved that many and refused that many anew. */
	passEnded(outcome: {readonly approved: number; readonly refused: number}): void;
	/** To be called with every beat, where there is something to look after. */
	look?(): void;
}

/** What a transport works with. */
export interface TransportDeps {
	readonly cli: CliOptions;
	/** For programs that are no calls of the CLI. */
	readonly turns: Turns;
	/** Milliseconds that the task may take yet. */
	readonly left: () => number;
	readonly clock: Clock;
	/** The gateway is not to be tried before that time, monotonic milliseconds. */
	readonly avoidedUntil: number | null;
	/** Something may be pending. */
	readonly wake: () => void;
	/** Kind or reason have changed. */
	readonly onChange: () => void;
	readonly signal: AbortSignal;
}

/** A transport that is the CLI, or anything like it, and nothing else: nobody announces anything. `reason` says why it is not the gateway. */
export function polledTransport(
	client: OpenClawClient,
	reason: string | null,
	warnings: () => readonly string[] = () => [],
): Transport {
	return {
		client,
		kind: 'cli',
		route: null,
		reason,
		isEventDriven: false,
		get warnings() {
			return warnings();
		},
		passBegins: () => {},
		passEnded: () => {},
	};
}
