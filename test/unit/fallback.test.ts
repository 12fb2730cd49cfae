import {expect, it} from 'vitest';
import {withFallback} from '../../worker/transport.ts';
import {MemoryGateway, SimulatedClock} from './fixtures.ts';

const {signal} = new AbortController();

it('what one transport has listed the other does not approve or reject: it lists anew', async () => {
	const [viaGateway, viaCli] = [new MemoryGateway(), new MemoryGateway()];
	viaGateway.pending = [{requestId: 'r1'}, {requestId: 'r2'}];
	viaCli.pending = [{requestId: 'r1'}, {requestId: 'r2'}];
	const connection = {isUp: true, up: signal};
	const client = withFallback(connection, viaGateway, viaCli, 30_000, new SimulatedClock());

	await client.list(signal);
	await client.approve('r1', signal);
	expect(viaGateway.calls).toEqual(['list', 'approve r1']);

	connection.isUp = false;
	await expect(client.approve('r2', signal)).rejects.toThrow('the gateway has gone since the list');
	await expect(client.reject('r2', signal)).rejects.toThrow('the gateway has gone since the list');
	expect(viaCli.calls).toEqual([]);
	await client.list(signal);
	await client.approve('r2', signal);
	expect(viaCli.calls).toEqual(['list', 'approve r2']);

	connection.isUp = true;
	await expect(client.approve('r1', signal)).rejects.toThrow('the gateway has come since the list');
});
