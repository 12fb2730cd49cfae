import type {Duplex} from 'node:stream';
import type {RouteKind} from '../../protocol.ts';

/** A gateway that has been reached: nothing has been said to it yet. */
export interface Reached {
	/** Connected. What belongs to it ends with it. */
	readonly stream: Duplex;
	/** What the gateway is called in HTTP. */
	readonly url: string;
	readonly token: string;
	/** To be called when the gateway has said something, and before it is told the token; rejects with a `ClientError` where it may be somebody else. */
	readonly confirm?: (() => Promise<void>) | undefined;
	/** What is known of why the stream has ended, or `null`. */
	readonly complaint?: () => string | null;
}

/** What an attempt to reach a gateway is held to. */
export interface RouteBounds {
	/** Milliseconds for each thing that is waited for. */
	readonly timeout: number;
	readonly signal: AbortSignal;
	/** To be called before a program is run: such an attempt costs more, and the next one has to wait longer. */
	readonly onCommand: () => void;
}

/** A way to a gateway. Whoever takes it does not know where its bytes come from. */
export interface Route {
	readonly kind: RouteKind;
	readonly warnings: readonly string[];
	/** Finds the token anew and reaches the gateway; rejects with a `ClientError`, or when the signal aborts. */
	open(bounds: RouteBounds): Promise<Reached>;
}

/** The same way, and what is worth remembering of where it led last. */
export interface RememberingRoute {
	readonly route: Route;
	/** The last token that was found by it: no text that is shown may hold it, whoever says it. */
	readonly tokens: () => readonly string[];
	/** The URL of what it led to last, where that is a port of this host, which anybody may take; else `null`. */
	readonly hostUrl: () => string | null;
}

/** A way that remembers where it led. */
export function rememberingRoute(route: Route): RememberingRoute {
	let tokens: readonly string[] = [];
	let hostUrl: string | null = null;
	return {
		route: {
			kind: route.kind,
			get warnings() {
				return route.warnings;
			},
			open: async bounds => {
				const reached = await route.open(bounds);
				tokens = [reached.token];
				hostUrl = reached.confirm ? reached.url : null;
				return reached;
			},
		},
		tokens: () => tokens,
		hostUrl: () => hostUrl,
	};
}
