import {type CliOptions, cliClient} from './cli/client.ts';
import {ClientError, type ClientFailure, type OpenClawClient} from './client.ts';
import type {Clock} from './clock.ts';
import type {GatewayConnection} from './gateway/connection.ts';
import {EventWakes} from './gateway/event-wakes.ts';
import {grantableScopes, PAIRING_SCOPE, type Policy} from './policy.ts';
import type {WorkerConfig} from './protocol.ts';

/** How long a first list waits to see whether the gateway answers, in milliseconds: a call of the CLI costs more than that. */
const FIRST_TRY = 2000;

/** How much longer than its own bound the first try is waited for where there is nothing but the gateway, in milliseconds: it knows best what is wrong. */
const FIRST_TRY_GRACE = 500;

/** How a worker talks to its sandbox: a client, and what the status says of it. */
export interface Transport {
	readonly client: OpenClawClient;
	/** The way that a list would go now. */
	readonly kind: 'cli' | 'gateway';
	/** Why it is not the gateway, or `null`. */
	readonly reason: string | null;
	/** How the gateway failed, or `null` where it serves or is not wanted. */
	readonly failure: ClientFailure | null;
	/** Requests are announced, so that polls are only a safety net. */
	readonly isEventDriven: boolean;
	readonly warnings: readonly string[];
	/** A pass is over and approved that many. */
	reward(approved: number): void;
}

export interface TransportDeps {
	readonly cli: CliOptions;
	readonly clock: Clock;
	/** The gateway is not to be tried before that time, monotonic milliseconds. */
	readonly avoidedUntil: number | null;
	/** Something may be pending. */
	readonly wake: () => void;
	/** Kind or reason have changed. */
	readonly onChange: () => void;
	readonly signal: AbortSignal;
}

/** The transport that the configuration asks for. */
export async function openTransport(config: WorkerConfig, deps: TransportDeps): Promise<Transport> {
	if (config.gateway === null || config.transport === 'cli') {
		const reason = config.gateway === null ? null : 'the configuration says transport: cli';
		const cli = {
			client: cliClient(deps.cli),
			kind: 'cli',
			reason,
			failure: null,
			isEventDriven: false,
			warnings: [],
			reward: () => {},
		} as const;
		return cli;
	}
	return openGateway(config, config.gateway, deps);
}

async function openGateway(
	config: WorkerConfig,
	gateway: NonNullable<WorkerConfig['gateway']>,
	deps: TransportDeps,
): Promise<Transport> {
	// Loaded only here: a worker that polls by the CLI need not carry a WebSocket client.
	const [{GatewayConnection}, {gatewayClient}] = await Promise.all([
		import('./gateway/connection.ts'),
		import('./gateway/client.ts'),
	]);
	const events = new EventWakes(deps.wake, deps.clock);
	const connection = new GatewayConnection({
		gateway,
		scopes: connectionScopes(config.policy),
		timeout: config.runTimeout,
		owner: deps.cli.owner,
		clock: deps.clock,
		avoidedUntil: deps.avoidedUntil,
		// What was announced while nobody listened is found by a list.
		onChange: () => {
			deps.onChange();
			if (connection.session) events.announce();
		},
		onRequested: () => events.announce(),
		signal: deps.signal,
	});
	void connection.run();
	const viaGateway = gatewayClient(() => connection.required());
	const isCliAllowed = config.transport === 'auto';
	await Promise.race([
		connection.firstTry,
		deps.clock.sleep(isCliAllowed ? FIRST_TRY : config.runTimeout + FIRST_TRY_GRACE, deps.signal),
	]);
	return {
		client: isCliAllowed ? withFallback(connection, viaGateway, cliClient(deps.cli), config, deps.clock) : viaGateway,
		get kind() {
			return connection.session || !isCliAllowed ? 'gateway' : 'cli';
		},
		get reason() {
			return connection.session ? null : connection.whyDown.message;
		},
		get failure() {
			return connection.session ? null : connection.whyDown.failure;
		},
		get isEventDriven() {
			return connection.session !== null;
		},
		get warnings() {
			return events.isFlooded ? ['the gateway announces requests without end; its events are rationed'] : [];
		},
		reward: approved => events.reward(approved),
	};
}

/**
 * The gateway while it answers, the CLI while it does not. A list that the gateway fails is made again by the CLI at once; one that the CLI is
 * making when the gateway comes back is left for the gateway's, since a stuck call would hold up what the gateway can do at once.
 */
function withFallback(
	connection: GatewayConnection,
	viaGateway: OpenClawClient,
	viaCli: OpenClawClient,
	{cadence: {slowInterval}}: WorkerConfig,
	clock: Clock,
): OpenClawClient {
	let lastRescue = Number.NEGATIVE_INFINITY;
	const current = (): OpenClawClient => (connection.session ? viaGateway : viaCli);
	return {
		list: async signal => {
			if (connection.session) {
				try {
					return await viaGateway.list(signal);
				} catch (error) {
					// A gateway that comes and goes must not buy more calls than polling would make.
					if (!(error instanceof ClientError) || clock.now() - lastRescue < slowInterval) throw error;
					lastRescue = clock.now();
				}
			}
			const {up} = connection;
			try {
				return await viaCli.list(AbortSignal.any([signal, up]));
			} catch (error) {
				signal.throwIfAborted();
				if (!up.aborted) throw error;
				return viaGateway.list(signal);
			}
		},
		approve: (requestId, signal) => current().approve(requestId, signal),
		reject: (requestId, signal) => current().reject(requestId, signal),
	};
}

/** What the connection asks for: the most any client may be granted, and the right to grant it. The gateway refuses to grant more. */
export function connectionScopes(policy: Policy): readonly string[] {
	return [...new Set([PAIRING_SCOPE, ...policy.clients.flatMap(entry => grantableScopes(entry, policy))])];
}
