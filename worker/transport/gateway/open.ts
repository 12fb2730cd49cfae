import type {WorkerConfig} from '../../protocol.ts';
import type {Turns} from '../../turns.ts';
import {FIRST_COOL_DOWN, LONGEST_COOL_DOWN} from '../circuit-breaker.ts';
import {lazyCliClient} from '../cli/lazy-client.ts';
import {watchingOutruns} from '../cli/outrun-watch.ts';
import {withFallback} from '../fallback.ts';
import type {Transport, TransportDeps} from '../transport.ts';
import {baseScopes} from './base-scopes.ts';
import {BusyMeter, BusyWatch} from './busy-watch.ts';
import {gatewayClient} from './client.ts';
import {GatewayConnection} from './connection.ts';
import {watchingEmptiness} from './empty-watch.ts';
import {EventWakes} from './event-wakes.ts';
import {hostRoute} from './host-route.ts';
import {insideRoute} from './inside-route.ts';
import {type Route, rememberingRoute} from './route.ts';
import {SecondConnection} from './second-connection.ts';
import {urlRoute} from './url-route.ts';

/** How long a first list waits for the first attempt to connect, in milliseconds, where it could be made by the CLI: such a call costs more than that. */
const PATIENCE = 2000;

/** How much of the time that is left one exchange with the gateway may take: where the CLI is to have its chance too, and where there is nothing else. */
const SHARE = {auto: 1 / 3, gateway: 0.8};

/** How much of it is waited for the first attempt where there is nothing else: longer than the attempt may take, so that its own reason is told. */
const LAST_SHARE = 0.9;

/** The same where there is no end of the time, in milliseconds. */
const LONG_PATIENCE = 20_000;

/** By the gateway's WebSocket; where the configuration allows it, by the CLI while that does not work. Resolves when the first attempt to connect has been waited for. */
export async function openGateway(config: WorkerConfig, deps: TransportDeps): Promise<Transport> {
	const events = new EventWakes(deps.wake, deps.clock);
	const isCliAllowed = config.transport === 'auto';
	const share = SHARE[isCliAllowed ? 'auto' : 'gateway'];
	const timeout = () => Math.max(Math.min(config.runTimeout, deps.left() * share), 1);
	const meter = new BusyMeter();
	const {route, tokens, hostUrl} = rememberingRoute(routeTo(config, deps));
	const scopes = baseScopes(config.policy);
	const connection = new GatewayConnection({
		route,
		scopes,
		timeout,
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
	const look = busynessWatch(connection, meter, deps);
	const second = new SecondConnection({route, timeout, clock: deps.clock});
	const viaGateway = gatewayClient({session: () => connection.required(), scopes, second});
	const cli = lazyCliClient({...deps.cli, turns: uncounted(deps.cli.turns, meter), secrets: tokens});
	const {client: viaCli, warnings: outruns} = watchingOutruns(cli, {
		clock: deps.clock,
		slowInterval: config.cadence.slowInterval,
		remedy: "only its gateway's socket is fast enough: see transportReason for what is in the way",
	});
	const {client: comparedGateway, warnings: doubts} = watchingEmptiness(viaGateway, {
		viaCli: cli,
		where: hostUrl,
		clock: deps.clock,
		breakOff: reason => connection.breakOff(reason),
		signal: deps.signal,
	});
	const left = Number.isFinite(deps.left()) ? deps.left() * LAST_SHARE : LONG_PATIENCE;
	const patience = isCliAllowed ? Math.min(PATIENCE, timeout()) : left;
	await Promise.race([connection.firstAttempt, deps.clock.sleep(patience, deps.signal)]);
	return {
		client: isCliAllowed
			? withFallback(connection, comparedGateway, viaCli, config.cadence.slowInterval, deps.clock)
			: viaGateway,
		get kind() {
			return connection.isUp || !isCliAllowed ? 'gateway' : 'cli';
		},
		get route() {
			return connection.isUp || !isCliAllowed ? route.kind : null;
		},
		get reason() {
			return connection.isUp ? null : connection.whyDown.message;
		},
		get isEventDriven() {
			return connection.isUp;
		},
		get warnings() {
			const floods = events.isFlooded ? ['the gateway announces requests without end; its events are rationed'] : [];
			return [...floods, ...route.warnings, ...doubts(), ...(connection.isUp ? [] : outruns())];
		},
		passBegins: () => events.passBegins(),
		passEnded: outcome => events.passEnded(outcome),
		look,
	};
}

function routeTo({gateway, inside, cadence}: WorkerConfig, {cli, turns, clock}: TransportDeps): Route {
	const {owner, target, passEnv} = cli;
	if (gateway !== null) return urlRoute(gateway, {owner, turns, passEnv});
	if (inside !== null)
		return insideRoute(inside, {target, owner, turns, passEnv, slowInterval: cadence.slowInterval, clock});
	return hostRoute(target, passEnv);
}

/** A gateway that floods us is left to the CLI: every frame has to be read before anything is known of it. What is returned looks after that. */
function busynessWatch(connection: GatewayConnection, meter: BusyMeter, {clock}: TransportDeps): () => void {
	const reading = () => ({at: clock.now(), busy: meter.total});
	const watch = new BusyWatch(reading());
	return () => {
		if (watch.isTooBusy(reading())) connection.breakOff('the gateway floods us: reading it keeps the worker busy');
	};
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
