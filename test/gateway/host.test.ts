import {chmod, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import type {Instance} from '../support/instance.ts';
import {scriptedToken} from '../support/scripted-gateway.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {never, test} from './sandboxes.ts';

const isByHost = ({transport, route}: {readonly transport: string; readonly route: string | null}) =>
	transport === 'gateway' && route === 'host';

const untilByHost = (instance: Instance) => instance.untilSandbox('alpha', 'to be connected', isByHost);

/** Writes the `openclaw.json` of the sandbox `alpha`, which is all that leads to its gateway. */
async function writeConfig(instance: Instance, text: string | object, mode = 0o600): Promise<string> {
	const file = join((await instance.sandbox('alpha')).folder, 'openclaw.json');
	await writeFile(file, typeof text === 'string' ? text : JSON.stringify(text));
	await chmod(file, mode);
	return file;
}

const settings = ({port}: {readonly port: number}, token = scriptedToken) => ({
	gateway: {port, auth: {mode: 'token', token}},
});

describe.concurrent("a sandbox on the host with nothing but OpenClaw's own configuration", () => {
	test('is reached by what that says, without being asked for, and without a call of the CLI', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		await writeConfig(instance, settings(gateway));
		await instance.configure(never);
		await instance.start();
		await untilByHost(instance);
		gateway.ask(cliAsk('cli-1'));
		const {transportReason} = await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		expect(transportReason).toBeNull();
		expect(await (await instance.sandbox('alpha')).calls()).toEqual([]);
		expect(await instance.untilLogged('"transport: gateway"', '"route":"host"')).toHaveLength(1);
		expect((await instance.command(['check'])).stdout).toMatch(/alpha +ok +gateway \(host\) +answers/);
	});

	test('is found by `transport: gateway` too, and in JSON5', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const json5 = `// ours\n{gateway: {port: ${gateway.port}, auth: {token: '${scriptedToken}',},},}\n`;
		await writeConfig(instance, json5);
		await instance.configure(never, {alpha: {transport: 'gateway'}});
		await instance.start();
		await untilByHost(instance);
	});

	test('is not looked for by `transport: cli`', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await writeConfig(instance, settings(gateway));
		await instance.configure({}, {alpha: {transport: 'cli'}});
		await instance.start();
		await instance.untilPolled('alpha');
		expect(gateway.accepted).toBe(0);
		expect(await instance.statusOf('alpha')).toMatchObject({transport: 'cli', route: null, transportReason: null});
	});

	test('is followed to another port and token, and its token shows nowhere', async ({instance, startGateway}) => {
		const [first, second] = [await startGateway(), await startGateway()];
		second.token = 'another-token-of-the-tests';
		await writeConfig(instance, settings(first));
		await instance.configure();
		await instance.start();
		await untilByHost(instance);
		for (const client of first.clients) client.close(1008, `${scriptedToken} is over`);
		await untilByHost(instance);
		await writeConfig(instance, settings(second, second.token));
		await first.shut();
		await until('the other to be used', () => second.greeted > 0);
		await untilByHost(instance);
		const seen = JSON.stringify([await instance.log(), await instance.status(), await instance.command(['check'])]);
		for (const secret of [scriptedToken, second.token]) expect(seen).not.toContain(secret);
	});
});

describe.concurrent("what the host's openclaw.json cannot tell is left to the CLI, with the reason, and after one try", () => {
	const token = scriptedToken;
	test.for<[string, string | object | null, RegExp, number?]>([
		['that is not there', null, /does not exist/],
		['without a token', {gateway: {port: 7}}, /names no token.*gateway: \{url, tokenFile\}/],
		['with a reference for a token', {gateway: {auth: {token: '$' + '{X}'}}}, /by reference/],
		['with other files', {$include: './other.json', gateway: {auth: {token}}}, /\$include/],
		['that is neither JSON nor JSON5', `{gateway: {auth: {token: '${token}'`, /neither JSON nor JSON5/],
		[
			'that others can write',
			{gateway: {port: 7, auth: {token}}},
			/can be written by other users; fix: chmod go-w/,
			0o666,
		],
	])('%s', async ([, config, reason, mode], {instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		if (config !== null) await writeConfig(instance, config, mode);
		await instance.configure();
		await instance.start();
		const {transportReason, route, warnings} = await instance.untilSandbox('alpha', 'to say why', s =>
			reason.test(s.transportReason ?? ''),
		);
		expect({route, warnings}).toEqual({route: null, warnings: []});
		expect(transportReason).not.toContain(token);
		// Calls of the CLI are not made on files that others can write either.
		if (mode === undefined)
			await instance.untilSandbox('alpha', 'to approve by the CLI', ({approved}) => approved === 1);
		// Nobody has asked for the gateway.
		expect(await instance.logLines('"transport: cli"')).toEqual([]);
	});

	test('beside an envFile', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await writeConfig(instance, settings(gateway));
		const envFile = instance.path('environment.sh');
		await writeFile(envFile, '', {mode: 0o600});
		await instance.configure({}, {alpha: {envFile}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to say why', s => /envFile/.test(s.transportReason ?? ''));
		expect(gateway.accepted).toBe(0);
	});
});
