import {dirname} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {openclawVersions} from '../../scripts/setup-openclaw.ts';
import {Device} from '../support/device.ts';
import {Host} from '../support/e2e.ts';
import {canHaveNetworks, NetworkNamespace} from '../support/network-namespace.ts';
import type {Pairkeeper} from '../support/pairkeeper.ts';
import type {GatewayPlace, RealGateway} from '../support/real-gateway.ts';
import {until} from '../support/until.ts';

const cli = {clientName: 'cli', mode: 'cli'} as const;
const read = ['operator.read'];
const readAndWrite = ['operator.read', 'operator.write'];
const patience = {timeoutMs: 60_000};
const where = canHaveNetworks() ? 'in a network of its own' : 'behind env(1)';

describe.each(openclawVersions)(`real OpenClaw %s ${where}, reached from inside`, version => {
	let host: Host;
	let gateway: RealGateway;
	let network: NetworkNamespace | undefined;
	let pairkeeper: Pairkeeper;

	beforeAll(async () => {
		host = await Host.create(version);
		if (canHaveNetworks()) network = new NetworkNamespace(`pairkeeper-${process.pid}-${version.replaceAll('.', '-')}`);
		const exec = async ({port}: GatewayPlace) => {
			await network?.openPassage(port);
			return network?.exec ?? [];
		};
		[gateway] = (await host.startGateways({version, name: 'alpha', exec})) as [RealGateway];
		// Nothing but how to get inside, and where openclaw keeps its state there.
		const env = {...gateway.environment, PATH: `${dirname(gateway.binary)}:${process.env.PATH}`};
		const alpha = {exec: network?.exec ?? ['env'], env, transport: 'auto'};
		pairkeeper = await host.supervise({fastInterval: '500ms', slowInterval: '3s'}, {alpha});
		await untilInside();
	});

	afterAll(async () => {
		await host?.[Symbol.asyncDispose]();
		await network?.[Symbol.asyncDispose]();
	});

	const untilInside = () =>
		pairkeeper.untilSandbox('alpha', 'to be connected from inside', ({route}) => route === 'inside', patience);

	const ask = (device: Device, scopes: readonly string[]) => device.ask(gateway, {...cli, scopes});

	async function gains(device: Device, scopes: readonly string[]): Promise<void> {
		const what = `the device to have ${scopes}`;
		await until(what, async () => (await ask(device, scopes)).kind === 'hello', patience);
	}

	test('approves what a device asks for, now and later', async () => {
		const device = new Device();
		await gains(device, read);
		await gains(device, readAndWrite);
		const {transport, route, transportReason} = await pairkeeper.untilSandbox(
			'alpha',
			'to tell of it',
			({lastApproval}) => lastApproval?.scopes.includes('operator.write') === true,
			patience,
		);
		expect({transport, route, transportReason}).toEqual({transport: 'gateway', route: 'inside', transportReason: null});
	});

	test('follows a gateway that is started again with another token', async () => {
		await gateway.restart({token: 'another-token-of-the-tests'});
		await untilInside();
		await gains(new Device(), readAndWrite);
		expect((await pairkeeper.statusOf('alpha')).restarts).toBe(0);
	});
});
