// Sandboxes of a scripted instance that have a scripted gateway beside their scripted CLI.
import {writeFile} from 'node:fs/promises';
import {expect} from 'vitest';
import {readStretch} from '../../worker/stretch.ts';
import type {Instance} from '../support/instance.ts';
import {type GatewayIdentity, type Script, ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {test as instanceTest} from '../support/with-instance.ts';

/** A test with an instance, and with gateways that end with the test. */
export const test = instanceTest.extend<{
	startGateway: (script?: Script, identity?: GatewayIdentity) => Promise<ScriptedGateway>;
}>({
	// biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern which fixtures are wanted
	startGateway: async ({}, use) => {
		const gateways: ScriptedGateway[] = [];
		await use(async (script, identity) => {
			const gateway = await ScriptedGateway.start(script, identity);
			gateways.push(gateway);
			return gateway;
		});
		for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
	},
});

/** So long that no test meets its end: what happens meanwhile happens because of an event. */
export const never = {slowInterval: '10m', fastInterval: '10m', fastReentryInterval: '10m'};

/** The keys of a sandbox that reaches its gateway with the right token; makes the CLI's side of it too. */
export async function throughGateway(
	instance: Instance,
	name: string,
	{url}: {readonly url: string},
	more: {readonly transport?: 'auto' | 'cli' | 'gateway'; readonly gateway?: object} = {},
): Promise<Record<string, object>> {
	await instance.sandbox(name);
	const {gateway, ...keys} = more;
	return {[name]: {...keys, gateway: {url, tokenFile: await tokenFile(instance, name), ...gateway}}};
}

/** Waits until a sandbox is well, with the worker that it began with, and nothing is said of it but that the machine is busy. */
export async function untilUndisturbed(instance: Instance, name: string): Promise<void> {
	const {restarts} = await instance.untilSandbox(
		name,
		'to be well',
		({healthy, failures, warnings}) => healthy && failures === 0 && warnings.every(each => readStretch(each) !== null),
	);
	expect(restarts).toBe(0);
}

/** A file with a token, readable by us only. */
export async function tokenFile(instance: Instance, name: string, token = scriptedToken): Promise<string> {
	const file = instance.path(`${name}.token`);
	await writeFile(file, `${token}\n`, {mode: 0o600});
	return file;
}
