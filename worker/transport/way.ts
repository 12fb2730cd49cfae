import type {RouteKind, SandboxTarget, Snapshot, WorkerConfig} from '../protocol.ts';

/** Why it is not the gateway before it was tried. */
export const NOT_CONNECTED_YET = 'not connected yet';

/** Why it is not the gateway where the CLI was chosen. */
export const CHOSEN_CLI = 'the configuration says transport: cli';

/** What decides by which way a gateway is reached. */
type Reachable = Pick<WorkerConfig, 'gateway' | 'inside' | 'transport'> & {
	readonly target: Pick<SandboxTarget, 'exec'>;
};

/** The way to a sandbox's gateway, of which there is one at most; `null` where nobody is to look for one. */
export function routeOf({gateway, inside, target, transport}: Reachable): RouteKind | null {
	if (gateway !== null) return 'url';
	if (inside !== null) return 'inside';
	return target.exec.length === 0 && transport !== 'cli' ? 'host' : null;
}

/** Whether a gateway is to be looked for. */
export function hasRoute(config: Reachable): boolean {
	return routeOf(config) !== null && config.transport !== 'cli';
}

/** What there is to say of a sandbox's transport before it was tried. */
export function initialTransport(config: Reachable): Pick<Snapshot, 'transport' | 'route' | 'transportReason'> {
	const {transport} = config;
	const route = routeOf(config);
	if (transport === 'gateway') return {transport, route, transportReason: NOT_CONNECTED_YET};
	if (route === null) return {transport: 'cli', route: null, transportReason: null};
	const isWanted = transport === 'auto';
	return {
		transport: 'cli',
		route: null,
		transportReason: isWanted ? NOT_CONNECTED_YET : CHOSEN_CLI,
	};
}
