import {randomBytes} from 'node:crypto';
import {writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {openclawVersions} from '../../scripts/setup-openclaw.ts';
import {Device, newerControlUiScopes} from '../support/device.ts';
import {Host} from '../support/e2e.ts';
import {canHaveNetworks, NetworkNamespace} from '../support/network-namespace.ts';
import type {Pairkeeper} from '../support/pairkeeper.ts';
import type {GatewayPlace, RealGateway} from '../support/real-gateway.ts';
import {requestAsPerson} from '../support/session.ts';
import {until} from '../support/until.ts';

const cli = {clientName: 'cli', mode: 'cli'} as const;
const controlUi = {clientName: 'openclaw-control-ui', mode: 'webchat'} as const;
const approvals = 'operator.approvals';
const read = ['operator.read'];
const readAndWrite = ['operator.read', 'operator.write'];
const patience = {timeoutMs: 180_000};
const where = canHaveNetworks() ? 'in a network of its own' : 'behind env(1)';
// The one client that may have administrator rights.
const policy = {clients: [{id: 'openclaw-control-ui', scopes: newerControlUiScopes}, {mode: 'cli'}]};

// The gateway is in a network of its own, where that can be had, and a passage leads to its port: so one gateway is reached by every route.
describe.each(openclawVersions)(`real OpenClaw %s ${where}`, version => {
	let host: Host;
	let gateway: RealGateway;
	let network: NetworkNamespace | undefined;
	let pairkeeper: Pairkeeper;
	let tokenFile: string;

	beforeAll(async () => {
		host = await Host.create(version);
		if (canHaveNetworks()) network = new NetworkNamespace(`pairkeeper-r${process.pid}-${version.replaceAll('.', '-')}`);
		const exec = async ({port}: GatewayPlace) => {
			await network?.openPassage(port);
			return network?.exec ?? [];
		};
		[gateway] = (await host.startGateways({version, name: 'alpha', exec})) as [RealGateway];
		tokenFile = join(host.folder, 'alpha.token');
		await writeFile(tokenFile, gateway.token, {mode: 0o600});
		pairkeeper = await host.supervise({policy});
	});

	afterAll(async () => {
		await host?.[Symbol.asyncDispose]();
		await network?.[Symbol.asyncDispose]();
	});

	/** What a sandbox says to be reached by a route. */
	const keysFor = {
		url: () => ({gateway: {url: gateway.url, tokenFile}}),
		inside: () => ({
			exec: network?.exec ?? ['env'],
			env: {...gateway.environment, PATH: `${dirname(gateway.binary)}:${process.env.PATH}`},
		}),
		host: () => ({}),
	};

	const ask = (device: Device, scopes: readonly string[], client: typeof cli | typeof controlUi = cli) =>
		device.ask(gateway, {...client, scopes});

	/** The device has these scopes, which somebody gives it where the gateway does not by itself. */
	async function given(device: Device, scopes: readonly string[]): Promise<void> {
		const answer = await ask(device, scopes);
		if (answer.kind === 'hello') return;
		const {requestId} = answer;
		await requestAsPerson(gateway, ['operator.pairing', ...scopes], 'device.pair.approve', {requestId});
	}

	async function gains(device: Device, scopes: readonly string[], client: typeof cli | typeof controlUi = cli) {
		await until(`the device to have ${scopes}`, async () => (await ask(device, scopes, client)).kind === 'hello', {
			...patience,
			seen: () => pairkeeper.logTail(),
		});
	}

	describe.each(['url', 'inside', 'host'] as const)('by the route %s', route => {
		beforeAll(async () => {
			await pairkeeper.reload(host.config({policy}, {alpha: {transport: 'gateway', ...keysFor[route]()}}));
			await pairkeeper.untilSandbox(
				'alpha',
				'to be connected',
				s => s.route === route && s.transportReason === null,
				patience,
			);
		});

		test('a client whose entry names operator.admin gets it, and whoever has more than we ask for gets what it asks for', async () => {
			await gains(new Device(), newerControlUiScopes, controlUi);
			const device = new Device();
			await given(device, [...read, approvals]);
			await gains(device, readAndWrite);
			const {warnings, failures} = await pairkeeper.statusOf('alpha');
			// What a person approved here may have been seen pending before.
			const others = warnings.filter(warning => !/approved by somebody else/.test(warning));
			expect({others, failures}).toEqual({others: [], failures: 0});
		});

		test('an ask that comes again every 2 s is approved at the first or the second', async () => {
			const device = new Device();
			await gains(device, read);
			const asked: string[] = [];
			await until(
				'the device to be let in',
				async () => {
					const answer = await ask(device, readAndWrite);
					if (answer.kind === 'pairing-required') asked.push(answer.requestId);
					return answer.kind === 'hello';
				},
				{...patience, everyMs: 2000},
			);
			expect(new Set(asked).size).toBeLessThanOrEqual(2);
		});
	});

	// Nothing but how to get inside, and where openclaw keeps its state there. Last, since the file with the token is not kept right any more.
	describe('that is told nothing but how to get inside', () => {
		const untilInside = () =>
			pairkeeper.untilSandbox('alpha', 'to be connected from inside', ({route}) => route === 'inside', patience);

		beforeAll(async () => {
			await pairkeeper.reload(host.config({policy}, {alpha: {transport: 'auto', ...keysFor.inside()}}));
			await untilInside();
		});

		test('is asked from there, and what a device asks for is approved, now and later', async () => {
			const device = new Device();
			await gains(device, read);
			await gains(device, readAndWrite);
			const {transport, route, transportReason} = await pairkeeper.untilSandbox(
				'alpha',
				'to tell of it',
				({lastApproval}) => lastApproval?.scopes.includes('operator.write') === true,
				patience,
			);
			expect({transport, route, transportReason}).toEqual({
				transport: 'gateway',
				route: 'inside',
				transportReason: null,
			});
		});

		test('is followed when its gateway is started again with another token', async () => {
			await gateway.restart({token: randomBytes(16).toString('hex')});
			await untilInside();
			await gains(new Device(), readAndWrite);
			expect((await pairkeeper.statusOf('alpha')).restarts).toBe(0);
		});
	});
});
