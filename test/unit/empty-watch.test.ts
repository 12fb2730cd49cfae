import {describe, expect, it} from 'vitest';
import {ClientError} from '../../worker/client-error.ts';
import {BETWEEN_COMPARISONS, PATIENCE, watchingEmptiness} from '../../worker/transport/gateway/empty-watch.ts';
import {entryOf, HOUR, MemoryGateway, MINUTE, SimulatedClock} from './fixtures.ts';

const {signal} = new AbortController();
const device = {deviceId: 'device-1'};

/** A gateway, and what the CLI says of it. */
function bothWays({where = 'ws://127.0.0.1:18789'}: {where?: string | null} = {}) {
	const [viaGateway, viaCli] = [new MemoryGateway(), new MemoryGateway()];
	const clock = new SimulatedClock();
	const broken: string[] = [];
	const {client, warnings} = watchingEmptiness(viaGateway, {
		viaCli,
		where: () => where,
		clock,
		breakOff: reason => broken.push(reason),
		signal,
	});
	return {
		viaGateway,
		viaCli,
		broken,
		warnings,
		/** Lists every half minute for so long. */
		watch: async (ms: number) => {
			for (let passed = 0; passed < ms; passed += MINUTE / 2) {
				await client.list(signal);
				await clock.sleep(MINUTE / 2);
			}
		},
	};
}

describe('a gateway that lists nothing', () => {
	it('is left to the CLI, with a warning, where that shows what it does not', async () => {
		const {viaCli, broken, warnings, watch} = bothWays();
		viaCli.paired = [device];
		viaCli.pending = [entryOf()];
		await watch(PATIENCE);
		expect(viaCli.calls).toEqual([]);
		await watch(MINUTE / 2);
		const said = 'the gateway at ws://127.0.0.1:18789 lists nothing, and openclaw devices list shows 1 paired devices';
		expect(broken).toEqual([expect.stringContaining(said)]);
		expect(warnings()).toEqual([expect.stringContaining(said)]);
	});

	it('is compared at once when its devices have all gone', async () => {
		const {viaGateway, viaCli, broken, watch} = bothWays();
		viaGateway.paired = [device];
		viaCli.paired = [device];
		await watch(MINUTE);
		viaGateway.paired = [];
		await watch(MINUTE / 2);
		expect(broken).toHaveLength(1);
	});

	it('is compared anew whenever it is tried again, until they agree or it lists something', async () => {
		const {viaGateway, viaCli, broken, warnings, watch} = bothWays();
		viaCli.paired = [device];
		await watch(PATIENCE + MINUTE);
		expect(broken).toHaveLength(2);
		viaGateway.paired = [device];
		await watch(MINUTE);
		expect(warnings()).toEqual([]);
		viaGateway.paired = [];
		viaCli.paired = [];
		await watch(HOUR);
		expect(warnings()).toEqual([]);
		expect(broken).toHaveLength(2);
	});

	it('is compared once an hour where the CLI shows nothing either', async () => {
		const {viaCli, broken, warnings, watch} = bothWays();
		await watch(PATIENCE + BETWEEN_COMPARISONS - MINUTE);
		expect(viaCli.calls).toEqual(['list']);
		await watch(2 * MINUTE);
		expect(viaCli.calls).toEqual(['list', 'list']);
		expect([broken, warnings()]).toEqual([[], []]);
	});

	it('is believed when it lists what was asked for while the CLI was', async () => {
		const {viaGateway, viaCli, broken, watch} = bothWays();
		viaCli.before = () => {
			viaGateway.pending = [entryOf()];
			viaCli.pending = [entryOf()];
		};
		await watch(PATIENCE + MINUTE);
		expect(viaCli.calls).toEqual(['list']);
		expect(broken).toEqual([]);
	});

	it('holds up nothing while the CLI hangs, and is believed where that fails', async () => {
		const {viaGateway, viaCli, warnings, watch} = bothWays();
		const {promise, reject} = Promise.withResolvers<void>();
		viaCli.before = () => promise;
		await watch(2 * HOUR);
		expect(viaGateway.callsOf('list')).toBe(240);
		expect(viaCli.calls).toEqual(['list']);
		reject(new ClientError('timeout', 'no answer within 10 s'));
		await watch(BETWEEN_COMPARISONS - MINUTE);
		expect(viaCli.calls).toEqual(['list']);
		expect(warnings()).toEqual([]);
	});

	it.each([
		['has a device', {}, [device]],
		['is where nobody else could listen', {where: null}, []],
	])('and one that %s is no reason to ask the CLI', async (_, options, paired) => {
		const {viaGateway, viaCli, watch} = bothWays(options);
		viaGateway.paired = paired;
		await watch(2 * HOUR);
		expect(viaCli.calls).toEqual([]);
	});
});
