import {expect, it} from 'vitest';
import {Ledger} from '../../worker/requests/ledger.ts';
import {runPass} from '../../worker/requests/pass.ts';
import {withFallback} from '../../worker/transport/fallback.ts';
import {defaultPolicy, entryOf, MemoryGateway, SECOND, SimulatedClock} from './fixtures.ts';

const {signal} = new AbortController();

/** One gateway, reached by two ways. */
function twoWays() {
	const [viaGateway, viaCli] = [new MemoryGateway(), new MemoryGateway()];
	const pending = [entryOf({requestId: 'r1'}), entryOf({requestId: 'r2'}), entryOf({requestId: 'r3'})];
	viaGateway.pending = pending;
	viaCli.pending = pending;
	const connection = {isUp: false, up: signal};
	const clock = new SimulatedClock();
	const client = withFallback(connection, viaGateway, viaCli, 30 * SECOND, clock);
	const pass = () =>
		runPass({
			client,
			ledger: new Ledger(defaultPolicy, 30 * SECOND),
			clock,
			maxApprovals: 8,
			via: () => 'cli',
			intend: async () => {},
			report: () => {},
			signal,
		});
	return {connection, viaGateway, viaCli, pass};
}

it('what one transport has listed the other does not approve: it is listed anew at once, and nothing counts as failed', async () => {
	const {connection, viaGateway, viaCli, pass} = twoWays();
	viaCli.before = call => {
		if (!call.startsWith('approve')) return;
		connection.isUp = true;
		viaGateway.pending = viaGateway.pending.filter(({requestId}) => requestId !== 'r1');
	};
	expect(await pass()).toMatchObject({error: null, approved: 3, retries: 0});
	expect(viaCli.calls).toEqual(['list', 'approve r1']);
	expect(viaGateway.calls).toEqual(['list', 'approve r2', 'approve r3']);
});

it('so it is the other way round', async () => {
	const {connection, viaGateway, viaCli, pass} = twoWays();
	connection.isUp = true;
	viaGateway.before = call => {
		if (call === 'list') connection.isUp = false;
	};
	expect(await pass()).toMatchObject({error: null, approved: 3, retries: 0});
	expect(viaGateway.calls).toEqual(['list']);
	expect(viaCli.calls).toEqual(['list', 'approve r1', 'approve r2', 'approve r3']);
});
