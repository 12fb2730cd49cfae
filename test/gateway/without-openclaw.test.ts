import {expect} from 'vitest';
import {never, test, throughGateway} from './sandboxes.ts';

test('a host without openclaw is well while its gateways are connected, and says what is missing when they are not', async ({
	instance,
	startGateway,
}) => {
	const gateway = await startGateway();
	const keys = await throughGateway(instance, 'alpha', gateway);
	await instance.configure({...never, openclaw: '/nowhere/openclaw'}, keys);
	await instance.start();
	const isMissed = (warnings: readonly string[]) =>
		warnings.some(text => text.startsWith('openclaw is not to be found'));
	await instance.until(
		'alpha to be connected, and nothing to be missed',
		({sandboxes: {alpha}, supervisor: {warnings}}) => alpha?.transport === 'gateway' && !isMissed(warnings),
	);

	await gateway.shut();
	const {supervisor} = await instance.until('openclaw to be missed', ({supervisor: {warnings}}) => isMissed(warnings));
	expect(supervisor.warnings.join()).toContain('openclaw is not to be found as /nowhere/openclaw');
});
