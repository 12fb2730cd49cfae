import {describe, expect} from 'vitest';
import {isAlive} from '../support/processes.ts';
import {behaviours, browserAsk, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

const converged = ({mode}: {readonly mode: string}) => mode === 'slow';

describe.concurrent('a sandbox that is watched', () => {
	test('gets a late CLI upgrade approved after the browser has converged', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const browser = browserAsk('browser-1');
		await alpha.ask(browser);
		await instance.configure();
		await instance.start();
		await instance.untilSandbox('alpha', 'to converge', converged);
		expect(await alpha.idsOf('approve')).toEqual(['browser-1']);

		await alpha.ask(cliAsk('cli-1', {scopes: ['operator.read', 'operator.write']}));
		const status = await instance.untilSandbox('alpha', 'to approve the CLI', s => s.approved === 2 && s.healthy);
		expect(status.lastApproval).toMatchObject({
			requestId: 'cli-1',
			clientId: 'cli',
			scopes: ['operator.read', 'operator.write'],
			latencyMs: expect.any(Number),
		});
		expect(status).toMatchObject({mode: 'slow', restarts: 0});
		await instance.untilPolled('alpha');
		expect(await alpha.idsOf('approve')).toEqual(['browser-1', 'cli-1']);
	});

	test('has an unknown client refused in slow mode, and never approved', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.pair(browserAsk('paired'));
		await instance.configure({slowInterval: '250ms', policy: {refusalHold: '100ms'}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to converge', converged);

		await alpha.ask(strangerAsk('stranger-1'));
		const status = await instance.untilSandbox('alpha', 'to refuse', ({refused}) => refused === 1);
		expect(status.lastRefusal).toMatchObject({
			requestId: 'stranger-1',
			clientId: 'stranger',
			clientMode: 'custom',
			reason: 'unknown-client',
		});
		await instance.untilPolled('alpha', 5);
		const later = await instance.untilSandbox('alpha', 'to be seen', () => true);
		expect(later).toMatchObject({mode: 'slow', interval: 0.25, approved: 0, refused: 1, pending: 1});
		expect(await alpha.calls('approve')).toEqual([]);
		expect(await alpha.calls('reject')).toEqual([]);
		expect(await instance.untilLogged('"refused"', 'stranger-1')).toHaveLength(1);
	});

	test('is polled slowly from the fast deadline on, without convergence', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure({fastDeadline: '5s', slowInterval: '600ms'});
		await instance.start();
		const fast = await instance.untilSandbox('alpha', 'to be polled fast', ({state}) => state === 'running');
		expect(fast).toMatchObject({mode: 'fast', interval: 0.25});
		const slow = await instance.untilSandbox('alpha', 'to be polled slowly', s => converged(s) && s.healthy);
		expect(slow).toMatchObject({interval: 0.6, approved: 0});
	});

	test('is polled slowly from the fast deadline on, even while an approval fails on and on', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('approve', behaviours.exit7);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({fastDeadline: '1s'});
		await instance.start();
		const slow = await instance.untilSandbox('alpha', 'to be polled slowly', converged);
		expect(slow).toMatchObject({pending: 1, approved: 0});
	});

	test('is polled slowly from the fast deadline on, even while no call ever answers', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', behaviours.hang);
		await instance.configure({fastDeadline: '1s', runTimeout: '500ms'});
		await instance.start();
		const slow = await instance.untilSandbox('alpha', 'to be polled slowly', converged);
		expect(slow).toMatchObject({lastListAt: null, approved: 0});
	});

	test('converges beside refused requests that stay pending', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.pair(browserAsk('paired'));
		await alpha.ask(strangerAsk('stranger-1'));
		await alpha.ask(cliAsk('admin-1', {scopes: ['operator.admin']}));
		await instance.configure();
		await instance.start();
		const slow = await instance.untilSandbox('alpha', 'to converge', converged);
		expect(slow).toMatchObject({pending: 2, refused: 2, approved: 0});
	});

	test('is polled fast for a while, still in slow mode, after an allowed request', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.pair(browserAsk('paired'));
		await instance.configure({slowInterval: '1s', fastReentryInterval: '300ms', fastReentryPolls: 10});
		await instance.start();
		await instance.untilSandbox('alpha', 'to converge', converged);

		await alpha.ask(cliAsk('cli-1'));
		const bought = await instance.untilSandbox('alpha', 'to be polled fast', ({interval}) => interval === 0.3);
		expect(bought.mode).toBe('slow');
		const after = await instance.untilSandbox('alpha', 'to be polled slowly again', ({interval}) => interval === 1);
		expect(after.mode).toBe('slow');
	});
});

describe.concurrent('a call that hangs past its bound', () => {
	test('does not hold the loop, and neither it nor what it started lives on', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('list', behaviours.hangWithChildren);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '3s'});
		await instance.start();
		const failed = await instance.untilSandbox('alpha', 'to fail once', ({failures}) => failures > 0);
		expect(failed.lastError).toMatch(/no answer within 3 s/);
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		const status = await instance.untilSandbox(
			'alpha',
			'to be well',
			({healthy, failures}) => healthy && failures === 0,
		);
		expect(status).toMatchObject({restarts: 0, lastError: null});
		const [hung] = await alpha.calls('list');
		expect(isAlive(hung?.pid ?? 0)).toBe(false);
		const sleepers = () => [...instance.processes().values()].filter(command => command.startsWith('sleep'));
		await until('what it started to end', () => sleepers().length === 0);
	});

	test('does not delay the approvals of another sandbox', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		await alpha.always('list', behaviours.hang);
		await instance.configure({runTimeout: '1h', maxConcurrentCalls: 2});
		await instance.start();
		await until('alpha to hang', async () => (await alpha.calls('list')).length === 1);
		const [hanging] = await alpha.calls('list');
		for (const id of ['one', 'two', 'three']) await beta.ask(cliAsk(id));
		await instance.untilSandbox('beta', 'to approve all three', ({approved}) => approved === 3);
		expect(await alpha.calls('list')).toEqual([hanging]);
	});

	test('with an approve is tried again and recorded once', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', behaviours.hang);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '3s'});
		await instance.start();
		const status = await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved > 0);
		expect(status.lastApproval).toMatchObject({requestId: 'cli-1'});
		await instance.untilPolled('alpha', 3);
		expect(await alpha.idsOf('approve')).toEqual(['cli-1', 'cli-1']);
		expect((await instance.status()).totals).toMatchObject({approved: 1, refused: 0});
		expect(await instance.untilLogged('"approved"', 'cli-1')).toHaveLength(1);
	});

	test('with an approve that the gateway has granted all the same is recorded once and not repeated', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', `approve; ${behaviours.hang}`);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '3s'});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved > 0);
		await instance.untilPolled('alpha', 3);
		expect(await alpha.idsOf('approve')).toEqual(['cli-1']);
		expect((await instance.status()).totals.approved).toBe(1);
	});
});

describe.concurrent('an approve that fails', () => {
	test('once with exit code 7 is tried again and recorded once', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', behaviours.exit7);
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure();
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved > 0);
		await instance.untilPolled('alpha', 3);
		expect((await alpha.calls('approve')).map(({exitCode}) => exitCode)).toEqual([7, 0]);
		expect((await instance.status()).totals).toMatchObject({approved: 1, refused: 0});
		expect(await instance.untilLogged('not settled', 'cli-1')).toHaveLength(1);
	});

	test('does not hide the refusals that were listed behind it', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', behaviours.exit7);
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(strangerAsk('stranger-1'));
		await instance.configure();
		await instance.start();
		await instance.untilSandbox('alpha', 'to settle both', ({approved, refused}) => approved === 1 && refused === 1);
		expect(await instance.untilLogged('"refused"', 'stranger-1')).toHaveLength(1);
	});

	test('since its request was replaced leads to the new one within the same pass', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		// 2026.5.27: the first approve replaces the request by one that asks for operator.pairing too.
		await alpha.askLater('wider', cliAsk('cli-2', {scopes: ['operator.pairing', 'operator.read']}));
		await alpha.once('approve', "settle gone; appear wider; echo 'unknown requestId' >&2; exit 1");
		await alpha.pair(browserAsk('paired'));
		await instance.configure({slowInterval: '10m'});
		await instance.start();
		await instance.untilSandbox('alpha', 'to converge', converged);
		await alpha.ask(cliAsk('cli-1'));
		expect(await instance.command(['kick'])).toMatchObject({exitCode: 0});
		const status = await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		expect(status.lastApproval).toMatchObject({requestId: 'cli-2', scopes: ['operator.pairing', 'operator.read']});
		const calls = (await alpha.calls()).map(({args}) => args.slice(1, 3).join(' '));
		const first = calls.indexOf('approve cli-1');
		expect(calls.slice(first, first + 3)).toEqual(['approve cli-1', 'list --json', 'approve cli-2']);
	});

	test('always is called no more often than its backoff allows, and holds up no other', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.always('approve', '[ "$id" = stuck ] && exit 7; answer');
		await alpha.ask(cliAsk('stuck'));
		await alpha.ask(cliAsk('sound'));
		await instance.configure({slowInterval: '2s', fastInterval: '50ms'});
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve the other', ({approved}) => approved === 1);
		const stuck = async () => (await alpha.calls('approve')).filter(({args}) => args[2] === 'stuck');
		await until('the fourth try', async () => (await stuck()).length >= 4);
		const starts = (await stuck()).map(({startedAt}) => startedAt);
		const waits = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
		// 1 s, 2 s, and then no more than slowInterval.
		expect(waits[0]).toBeGreaterThanOrEqual(1000);
		expect(waits[1]).toBeGreaterThanOrEqual(2000);
		expect(waits[2]).toBeGreaterThanOrEqual(2000);
		expect((await alpha.calls('list')).length).toBeGreaterThan(8);
	});

	test('because its device asks anew each time is told with the remedy, until the device is approved', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		// As a client that asks every 2 s: by the time a call of the CLI approves a request, that has another id.
		const outrun = [
			'new=next-$RANDOM-$RANDOM; find_pending || exit 1; cp "$folder/grants/$id" "$folder/grants/$new"',
			'sed -i "s/\\"requestId\\":\\"$id\\"/\\"requestId\\":\\"$new\\"/" "$entry"; echo unknown requestId >&2; exit 1',
		];
		await alpha.always('approve', outrun.join('; '));
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure();
		await instance.start();
		const isTold = ({warnings}: {readonly warnings: readonly string[]}) =>
			warnings.some(warning => /asks again and again.*transportReason/.test(warning));
		const {approved} = await instance.untilSandbox('alpha', 'to tell of it', isTold);
		expect(approved).toBe(0);
		await alpha.recover('approve');
		await instance.untilSandbox(
			'alpha',
			'to approve it, and to tell of it no more',
			s => s.approved === 1 && !isTold(s),
		);
	});
});
