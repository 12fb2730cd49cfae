import {expect} from 'vitest';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {test, throughGateway} from './sandboxes.ts';

test('whoever holds a gateway’s port and lists nothing is found out by the CLI, which approves meanwhile', async ({
	instance,
	startGateway,
}) => {
	const gateway = await startGateway();
	gateway.paired = [{deviceId: 'device-1', clientId: 'cli', clientMode: 'cli', scopes: []}];
	await instance.configure({slowInterval: '1s'}, await throughGateway(instance, 'alpha', gateway));
	await instance.start();
	await instance.untilSandbox('alpha', 'to have listed', ({transport, lastListAt}) =>
		Boolean(transport === 'gateway' && lastListAt),
	);
	const alpha = await instance.sandbox('alpha');
	await alpha.ask(cliAsk('cli-1'));
	gateway.paired = [];
	const {warnings, transport, transportReason} = await instance.untilSandbox(
		'alpha',
		'to approve by the CLI',
		({approved}) => approved === 1,
	);
	expect(await alpha.idsOf('approve')).toEqual(['cli-1']);
	const said = `the gateway at ${gateway.url} lists nothing, and openclaw devices list shows`;
	expect(warnings).toEqual([expect.stringContaining(said)]);
	expect([transport, transportReason]).toEqual(['cli', expect.stringContaining(said)]);
});
