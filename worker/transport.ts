import {type CliOptions, cliClient} from './cli/client.ts';
import {ClientError, type OpenClawClient} from './client.ts';
import {type Clock, every} from './clock.ts';
import {BusyMeter, BusyWatch} from './gateway/busy-watch.ts';
import type {GatewayConnection} from './gateway/connection.ts';
import {EventWakes} from './gateway/event-wakes.ts';
import type {Listing} from './listing.ts';
import {grantableScopes, PAIRING_SCOPE, type Policy} from './policy.ts';
import {initialTransport, type WorkerConfig} from './protocol.ts';
import {FIRST_COOL_DOWN, LONGEST_COOL_DOWN} from './transport/circuit-breaker.ts';
import type {Turns} from './turns.ts';

/** How long a first list waits to see whether the gateway answers, in milliseconds: a call of the CLI costs more than that. */
const PATIENCE = 2000;

/** How much of the time that is left one wait for the gateway may take: where the CLI is to have its chance too, and where there is nothing else. */
const SHARE = {auto: 1 / 3, gateway: 0.8};

/**
 * How much of it the first attempt to connect is waited for where there is nothing but the gateway. That is more than the attempt itself may take, so
 * that it ends first and its error, which says what is wrong, is the one that is shown.
 */
const LAST_SHARE = 0.9;

/** The same where there is no end of the time, in milliseconds. */
const LONG_PATIENCE = 20_000;

/** How often it is looked whether the gateway keeps us busy, in milliseconds. */
const BUSY_CHECK = 5000;

/** How a worker talks to its sandbox: a client, and what the status says of it. */
export interface Transport {
	readonly client: OpenClawClient;
	/** The way that a list would go now. */
	readonly kind: 'cli' | 'gateway';
	/** Why it is not the gateway, or `null`. */
	readonly reason: string | null;
	/** Requests are announced, so that polls are only a safety net. */
	readonly isEventDriven: boolean;
	readonly warnings: readonly string[];
	/** To be told that a pass begins: what was announced so far is in it. */
	passBegins(): void;
	/** To be told that a pass is over and approved that many. */
	passEnded(approved: number): void;
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

/** The transport that the configuration asks for. */
export async function openTransport(config: WorkerConfig, deps: TransportDeps): Promise<Transport> {
	if (config.gateway === null || config.transport === 'cli') {
		return polledTransport(cliClient(deps.cli), initialTransport(config).transportReason);
	}
	return openGateway(config, config.gateway, deps);
}

/** A transport that is the CLI, or anything like it, and nothing else: nobody announces anything. `reason` says why it is not the gateway. */
export function polledTransport(client: OpenClawClient, reason: string | null): Transport {
	return {client, kind: 'cli', reason, isEventDriven: false, warnings: [], passBegins: () => {}, passEnded: () => {}};
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
	const isCliAllowed = config.transport === 'auto';
	const share = SHARE[isCliAllowed ? 'auto' : 'gateway'];
	const timeout = () => Math.max(Math.min(config.runTimeout, deps.left() * share), 1);
	const meter = new BusyMeter();
	const connection = new GatewayConnection({
		gateway,
		scopes: connectionScopes(config.policy),
		timeout,
		turns: deps.turns,
		owner: deps.cli.owner,
		clock: deps.clock,
		avoidedUntil: deps.avoidedUntil,
		// Where there is nothing else, a gateway is not left alone for long.
		longestCoolDown: isCliAllowed ? LONGEST_COOL_DOWN : FIRST_COOL_DOWN,
		// What was announced while nobody listened is found by a list.
		onChange: () => {
			deps.onChange();
			if (connection.isUp) events.announce();
		},
		onRequested: () => events.announce(),
		onOpen: isOpen => {
			meter.isConnected = isOpen;
		},
		signal: deps.signal,
	});
	void connection.run();
	watchBusyness(connection, meter, deps);
	const viaGateway = gatewayClient(() => connection.required());
	const viaCli = cliClient({...deps.cli, turns: uncounted(deps.cli.turns, meter)});
	const left = Number.isFinite(deps.left()) ? deps.left() * LAST_SHARE : LONG_PATIENCE;
	const patience = isCliAllowed ? Math.min(PATIENCE, timeout()) : left;
	await Promise.race([connection.firstAttempt, deps.clock.sleep(patience, deps.signal)]);
	return {
		client: isCliAllowed
			? withFallback(connection, viaGateway, viaCli, config.cadence.slowInterval, deps.clock)
			: viaGateway,
		get kind() {
			return connection.isUp || !isCliAllowed ? 'gateway' : 'cli';
		},
		get reason() {
			return connection.isUp ? null : connection.whyDown.message;
		},
		get isEventDriven() {
			return connection.isUp;
		},
		get warnings() {
			return events.isFlooded ? ['the gateway announces requests without end; its events are rationed'] : [];
		},
		passBegins: () => events.passBegins(),
		passEnded: approved => events.passEnded(approved),
	};
}

/** A gateway that floods us is left to the CLI: every frame has to be read before anything is known of it. */
function watchBusyness(connection: GatewayConnection, meter: BusyMeter, {clock, signal}: TransportDeps): void {
	const reading = () => ({at: clock.now(), busy: meter.total});
	const watch = new BusyWatch(reading());
	const stop = every(clock, BUSY_CHECK, () => {
		if (watch.isTooBusy(reading())) connection.breakOff('the gateway floods us: reading it keeps the worker busy');
	});
	signal.addEventListener('abort', stop, {once: true});
}

/** Turns for calls of the CLI: the work that those give is not the gateway's doing. */
function uncounted(turns: Turns, meter: BusyMeter): Turns {
	return {
		take: async (kind, signal) => {
			const turn = await turns.take(kind, signal);
			meter.callBegins();
			return {
				id: turn.id,
				over: outcome => {
					meter.callEnds();
					turn.over(outcome);
				},
			};
		},
	};
}

/**
 * The gateway while it answers, the CLI while it does not. A list that the gateway fails is made again by the CLI at once; one that the CLI is
 * making when the gateway comes back is left for the gateway's, since a stuck call would hold up what the gateway can do at once. What one has
 * listed the other does not approve: it may be another request by then, and the CLI's connection is not bound to the policy's scopes.
 */
export function withFallback(
	connection: {readonly isUp: boolean; readonly up: AbortSignal},
	viaGateway: OpenClawClient,
	viaCli: OpenClawClient,
	slowInterval: number,
	clock: Clock,
): OpenClawClient {
	let lastRescue = Number.NEGATIVE_INFINITY;
	let lister = viaCli;
	const listBy = async (client: OpenClawClient, signal: AbortSignal): Promise<Listing> => {
		const listing = await client.list(signal);
		lister = client;
		return listing;
	};
	return {
		get isStale() {
			return lister !== (connection.isUp ? viaGateway : viaCli);
		},
		list: async signal => {
			if (connection.isUp) {
				try {
					return await listBy(viaGateway, signal);
				} catch (error) {
					// A gateway that comes and goes must not buy more calls than polling would make.
					if (!(error instanceof ClientError) || clock.now() - lastRescue < slowInterval) throw error;
					lastRescue = clock.now();
				}
			}
			const {up} = connection;
			try {
				return await listBy(viaCli, AbortSignal.any([signal, up]));
			} catch (error) {
				signal.throwIfAborted();
				if (!up.aborted) throw error;
				return listBy(viaGateway, signal);
			}
		},
		approve: (requestId, signal) => lister.approve(requestId, signal),
		reject: (requestId, signal) => lister.reject(requestId, signal),
	};
}

/** What the connection asks for: the most any client may be granted, and the right to grant it. The gateway refuses to grant more. */
export function connectionScopes(policy: Policy): readonly string[] {
	return [...new Set([PAIRING_SCOPE, ...policy.clients.flatMap(entry => grantableScopes(entry, policy))])];
}
