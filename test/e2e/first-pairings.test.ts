import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {type Ask, Device, newerControlUiScopes} from '../support/device.ts';
import {admitted, Host} from '../support/e2e.ts';
import type {Pairkeeper} from '../support/pairkeeper.ts';
import type {RealGateway} from '../support/real-gateway.ts';

const controlUi = {clientName: 'openclaw-control-ui', mode: 'webchat'} as const;
const cli = {clientName: 'cli', mode: 'cli'} as const;
const readAndWrite = ['operator.read', 'operator.write'];
// A call of the command line costs more than a second of a core, and takes many on a machine that is kept busy.
const cadence = {fastInterval: '1s', slowInterval: '2s', runTimeout: '30s'};

describe('on real OpenClaw 2026.9.6 that pairs nobody by itself', () => {
	let host: Host;
	let gateway: RealGateway;
	let pairkeeper: Pairkeeper;

	beforeAll(async () => {
		host = await Host.create('2026.9.6');
		[gateway] = (await host.startGateways({version: '2026.9.6', name: 'alpha'})) as [RealGateway];
		pairkeeper = await host.supervise(cadence);
	});

	afterAll(async () => host?.[Symbol.asyncDispose]());

	/** Asks once, waits until pairkeeper has refused this very request, and returns its id. */
	async function refused(device: Device, ask: Ask): Promise<string> {
		const answer = await device.ask(gateway, ask);
		if (answer.kind !== 'pairing-required') throw new Error(`Let in at once: ${JSON.stringify(answer)}`);
		const {requestId} = answer;
		const {lastRefusal} = await pairkeeper.untilSandbox(
			'alpha',
			'to refuse it',
			sandbox => sandbox.lastRefusal?.requestId === requestId,
		);
		expect(lastRefusal).toMatchObject({clientId: ask.clientName, reason: 'disallowed-scope'});
		return requestId;
	}

	async function grantedScopes(device: Device): Promise<readonly string[]> {
		const {paired} = await gateway.devices();
		return paired.find(({deviceId}) => deviceId === device.id)?.scopes ?? [];
	}

	test.for([controlUi, cli])('a device of $clientName that asks for read and write is approved', async client => {
		const device = new Device();
		const ask = {...client, scopes: readAndWrite};
		expect(await device.ask(gateway, ask)).toMatchObject({kind: 'pairing-required', reason: 'not-paired'});
		expect(await admitted(device, gateway, ask)).toEqual(new Set(readAndWrite));
	});

	test('a device that asks for operator.admin is refused', async () => {
		const device = new Device();
		await refused(device, {...cli, scopes: ['operator.admin']});
		expect(await grantedScopes(device)).toEqual([]);
	});

	test('the bundled Control UI is refused with the remedy, and approved once its entry allows it', async () => {
		// As it was before a first try.
		await pairkeeper.reload(host.config(cadence));
		const device = new Device();
		const ask = {...controlUi, scopes: newerControlUiScopes};
		const requestId = await refused(device, ask);
		expect(await grantedScopes(device)).toEqual([]);
		const [line = '', ...others] = await pairkeeper.logLines(requestId);
		expect(others).toEqual([]);
		// The remedy: an entry for this client alone that names the scopes.
		expect(line).toContain('openclaw-control-ui');
		expect(line).toMatch(/policy|clients/);
		for (const scope of newerControlUiScopes) expect(line).toContain(scope);

		const clients = [{id: 'openclaw-control-ui', scopes: newerControlUiScopes}, {mode: 'cli'}];
		await pairkeeper.reload(host.config({...cadence, policy: {clients}}));
		expect(await admitted(device, gateway, ask)).toEqual(new Set(newerControlUiScopes));
		// The gateway lets the device in before the call that approved it has ended.
		await pairkeeper.untilSandbox('alpha', 'to tell', ({lastApproval}) => lastApproval?.requestId === requestId);
	});
});
