import {randomUUID} from 'node:crypto';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {openclawVersions} from '../../scripts/setup-openclaw.ts';
import {Device} from '../support/device.ts';
import {admitted, Host} from '../support/e2e.ts';
import type {Pairkeeper} from '../support/pairkeeper.ts';
import type {PendingRequest, RealGateway} from '../support/real-gateway.ts';
import {until} from '../support/until.ts';

const admin = 'operator.admin';
const readAndWrite = ['operator.read', 'operator.write'];
// A call of the command line costs more than a second of a core, and takes many on a machine that is kept busy.
const cadence = {fastInterval: '1s', slowInterval: '2s', runTimeout: '30s'};
const cli = {clientName: 'cli', mode: 'cli'} as const;

/** Waits until a request for administrator rights is pending, and returns it. */
async function pendingAdministrator(gateway: RealGateway): Promise<PendingRequest> {
	return until('a pending administrator request', async () => {
		const {pending} = await gateway.devices();
		return pending.find(({scopes}) => scopes?.includes(admin));
	});
}

/** Waits until pairkeeper has listed this sandbox's requests some more times. */
async function polledAgain(host: Host, gateway: RealGateway, times: number): Promise<void> {
	const lists = async () => {
		const calls = await host.openclaw.calls(gateway.stateDir);
		return calls.filter(({args, exitCode}) => args[0] === 'list' && exitCode === 0).length;
	};
	const before = await lists();
	await until(`${times} more polls`, async () => (await lists()) >= before + times);
}

async function approvedIds(host: Host, gateway: RealGateway): Promise<string[]> {
	const calls = await host.openclaw.calls(gateway.stateDir);
	return calls.filter(({args}) => args[0] === 'approve').map(({args}) => args[1] ?? '');
}

describe.each(openclawVersions)('on real OpenClaw %s', version => {
	let host: Host;
	let gateway: RealGateway;
	let pairkeeper: Pairkeeper;

	beforeAll(async () => {
		host = await Host.create(version);
		[gateway] = (await host.startGateways({version, name: 'alpha'})) as [RealGateway];
	});

	afterAll(async () => host?.[Symbol.asyncDispose]());

	// The newer one asks for no more than before.
	if (version === '2026.5.27') {
		describe('an administrator request that a stale id brought about', () => {
			let request: PendingRequest;

			beforeAll(async () => {
				// The sandbox's own CLI pairs before anybody watches.
				expect(await gateway.cli(['devices', 'list', '--json'])).toMatchObject({exitCode: 0});
				pairkeeper = await host.supervise({...cadence, policy: {onRefused: 'hold', refusalHold: '10m'}});
				const stale = await gateway.cli(['devices', 'approve', randomUUID(), '--json']);
				expect(stale.exitCode).not.toBe(0);
				request = await pendingAdministrator(gateway);
			});

			test('is refused, however often it is listed, and never approved', async () => {
				expect(request).toMatchObject({clientId: 'cli', clientMode: 'cli'});
				await pairkeeper.untilSandbox('alpha', 'to refuse it', ({refused}) => refused > 0);
				await polledAgain(host, gateway, 3);

				const {refused, approved, lastRefusal} = await pairkeeper.statusOf('alpha');
				expect({refused, approved}).toEqual({refused: 1, approved: 0});
				expect(lastRefusal).toMatchObject({
					requestId: request.requestId,
					clientId: 'cli',
					scopes: expect.arrayContaining([admin]),
					reason: 'disallowed-scope',
				});
				expect(await approvedIds(host, gateway)).toEqual([]);
				const {pending, paired} = await gateway.devices();
				expect(pending.map(({requestId}) => requestId)).toEqual([request.requestId]);
				expect(paired.flatMap(({scopes}) => scopes)).not.toContain(admin);
			});

			test('is logged once, with the scopes it asks for', async () => {
				const lines = await pairkeeper.logLines(request.requestId);
				expect(lines).toHaveLength(1);
				expect(lines[0]).toContain(admin);
			});

			// The CLI asks for more but once: there is no second try.
			test('is rejected once the policy says so, and the next `openclaw cron list` gets read alone', {
				retry: 0,
			}, async () => {
				await pairkeeper.reload(host.config({...cadence, policy: {onRefused: 'reject'}}));
				await until('the request to go', async () => {
					const {pending} = await gateway.devices();
					return pending.length === 0;
				});
				const refused = await gateway.cli(['cron', 'list']);
				expect(refused.stderr).toContain('scope upgrade pending approval');
				await pairkeeper.untilSandbox('alpha', 'to approve', ({approved}) => approved > 0);
				expect(await gateway.cli(['cron', 'list'])).toMatchObject({exitCode: 0});
				expect(await approvedIds(host, gateway)).not.toContain(request.requestId);
				const {paired} = await gateway.devices();
				expect(new Set(paired.flatMap(({scopes}) => scopes))).toEqual(new Set(['operator.pairing', 'operator.read']));
			});
		});
	}

	// The gateway merges the asks of one device: after a refused administrator ask, its harmless ones carry it too.
	describe('a device whose administrator ask was refused', () => {
		// By the command line, where each ask has another id, and by the gateway.
		const transport = version === '2026.5.27' ? 'cli' : 'auto';

		beforeAll(async () => {
			pairkeeper = await host.supervise(
				{...cadence, policy: {onRefused: 'hold', refusalHold: '2s'}},
				{alpha: {transport}},
			);
		});

		async function grantedScopes(device: Device): Promise<Set<string | undefined>> {
			const {paired} = await gateway.devices();
			const granted = paired.find(({deviceId}) => deviceId === device.id);
			return new Set([...(granted?.scopes ?? []), ...(granted?.tokens ?? []).flatMap(token => token.scopes)]);
		}

		test('gets read and write when it asks again', async () => {
			const device = new Device();
			await admitted(device, gateway, {...cli, scopes: ['operator.read']});
			// Its id is in the answer: by the time that a busy machine's CLI has listed it, it may have been rejected.
			const asked = await device.ask(gateway, {...cli, scopes: [admin]});
			if (asked.kind !== 'pairing-required') throw new Error(`An administrator's ask was answered with ${asked.kind}`);
			await pairkeeper.untilSandbox(
				'alpha',
				'to refuse it',
				({lastRefusal}) => lastRefusal?.requestId === asked.requestId && lastRefusal.reason === 'disallowed-scope',
			);

			expect(await admitted(device, gateway, {...cli, scopes: readAndWrite})).toEqual(new Set(readAndWrite));
			expect(await grantedScopes(device)).toEqual(new Set(readAndWrite));
			expect(await pairkeeper.logLines('"approved"', asked.requestId)).toEqual([]);
		});

		// 2026.5.27 gives the merged request a new id at every ask, so that no single id gets old.
		test('gets read and write though it goes on asking while its refusal is held', async () => {
			const device = new Device();
			await admitted(device, gateway, {...cli, scopes: ['operator.read']});
			await device.ask(gateway, {...cli, scopes: [admin]});
			const merged = await device.ask(gateway, {...cli, scopes: readAndWrite});
			if (merged.kind !== 'pairing-required') throw new Error(`The merged ask was answered with ${merged.kind}`);
			await pairkeeper.untilSandbox(
				'alpha',
				'to refuse it',
				({lastRefusal}) => lastRefusal?.requestId === merged.requestId,
			);
			expect(await admitted(device, gateway, {...cli, scopes: readAndWrite})).toEqual(new Set(readAndWrite));
			expect(await grantedScopes(device)).toEqual(new Set(readAndWrite));
		});
	});
});
