import type {WorkerConfig} from '../protocol.ts';
import {lazyCliClient} from './cli/lazy-client.ts';
import {watchingOutruns} from './cli/outrun-watch.ts';
import {polledTransport, type Transport, type TransportDeps} from './transport.ts';
import {hasRoute, initialTransport} from './way.ts';

/** The transport that the configuration asks for. */
export async function openTransport(config: WorkerConfig, deps: TransportDeps): Promise<Transport> {
	if (!hasRoute(config)) {
		const {client, warnings} = watchingOutruns(lazyCliClient(deps.cli), {
			clock: deps.clock,
			slowInterval: config.cadence.slowInterval,
			remedy: "let its gateway's socket be used: transport: auto",
		});
		return polledTransport(client, initialTransport(config).transportReason, warnings);
	}
	const {openGateway} = await loadGateway();
	return openGateway(config, deps);
}

/** Loaded when it is wanted, or may soon be: a worker that polls by the CLI need not carry a WebSocket client. */
export function loadGateway(): Promise<typeof import('./gateway/open.ts')> {
	return import('./gateway/open.ts');
}
